package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/images"
)

// Agent is an agent that a Swapper can install: its image is on the nodes.
type Agent struct {
	// Subject is its description for reports, with the image name that the user gave.
	Subject clusters.Subject
	// Args are the user's arguments, besides those that every agent gets.
	Args []string

	template corev1.PodTemplateSpec
}

// Swapper temporarily replaces the agent that an environment was brought up with. Its methods are not for concurrent use.
type Swapper struct {
	env       *clusters.Environment
	dir       string
	binaries  string
	engine    containerEngine
	called    string // the engine's name for the image
	nodes     []nodes.Node
	installer *addons.Installer
	// before is the agent that ran before the first Put.
	before corev1.PodTemplateSpec
	moved  bool
}

// Swapper returns a swapper for an environment of this provider that has an agent. The reference is the agent in the folder
// binaries, which may differ from the running one.
func (p *Provider) Swapper(ctx context.Context, env *clusters.Environment, binaries string) (*Swapper, error) {
	doing := fmt.Sprintf("swap the agent of environment %q", env.Name)
	if slices.ContainsFunc(env.Subjects, func(s clusters.Subject) bool { return s.Role == "agent" && s.Absent }) {
		return nil, &clusters.EnvironmentError{
			Doing: doing, Err: errors.New("it was brought up without one"), Remedy: "bring an environment up without --without-agent",
		}
	}
	reached, err := p.reach(ctx, env)
	if err != nil {
		return nil, err
	}
	installer, err := addons.New(reached.kube)
	if err != nil {
		return nil, environmentError(doing, err)
	}
	dir, err := p.dirs.EnvironmentDir(env.Name)
	if err != nil {
		return nil, err
	}
	before, err := installer.AgentTemplate(ctx)
	if err != nil {
		return nil, environmentError(doing, err)
	}
	return &Swapper{
		env: env, dir: dir, binaries: binaries,
		engine: clientOf(reached.engine), called: reached.engine.Name, nodes: reached.nodes,
		installer: installer, before: before,
	}, nil
}

// Prepare gets the image of an agent from the engine, a registry or an archive. If given names none, it is epi's own.
// Prepare loads the image onto the nodes that lack it.
func (s *Swapper) Prepare(ctx context.Context, given clusters.Given, task clusters.Task) (*Agent, error) {
	file := filepath.Join(s.dir, "swap.tar")
	defer func() { _ = os.Remove(file) }() // if it stays, it only costs space
	task.Detail("getting image")
	image, agent, err := s.image(ctx, given, file)
	if err != nil {
		return nil, err
	}
	task.Detail("loading %s", agent.Subject.Image)
	if err := loadOnNodes(ctx, s.nodes, image); err != nil {
		return nil, environmentError(fmt.Sprintf("load image of agent %s", agent.Subject.Image), err)
	}
	return agent, nil
}

// image is the agent with its image, under a name that only this content has: under the given name the nodes may have
// another image, perhaps that of the running agent. It may be read from file.
func (s *Swapper) image(ctx context.Context, given clusters.Given, file string) (*images.Image, *Agent, error) {
	agent := &Agent{Args: given.Args}
	subject := addons.Subject{Layout: clusters.LayoutEntrypoint, Args: given.Args, Env: given.Env}
	var image *images.Image
	if given.Image == "" {
		built, err := images.Build(s.binaries, images.Program{Name: agentProgram, User: agentUser})
		if err != nil {
			return nil, nil, environmentError("make image of epi's own agent", err)
		}
		image = built
		agent.Subject = clusters.Subject{Role: "agent", Image: built.Ref, Digest: built.Digest, Reference: true}
	} else {
		archive, err := archiveGiven(ctx, s.engine, given.Image, file)
		if err != nil {
			return nil, nil, noImage("agent", given.Image, s.called, err)
		}
		if image, err = archive.Renamed("given-agent"); err != nil {
			return nil, nil, noImage("agent", given.Image, s.called, err)
		}
		subject.Layout = layoutOf(given.Layout, archive)
		agent.Subject = clusters.Subject{Role: "agent", Image: archive.Ref, Digest: archive.Digest}
	}
	subject.Image = image.Ref
	var err error
	agent.template, err = addons.Agent{
		Subject: subject, ClusterName: s.env.ClusterName, Region: s.env.Region, Endpoint: s.env.AWS.PodEndpointURL,
	}.Template(ctx)
	return image, agent, err
}

// Put replaces the running agent by agent. It returns when the pods of agent are ready on all nodes and the old ones are
// gone. The pods are new also if the same agent runs already.
func (s *Swapper) Put(ctx context.Context, agent *Agent, task clusters.Task) error {
	s.moved = true
	if err := s.installer.PutAgent(ctx, agent.template, task); err != nil {
		return environmentError(fmt.Sprintf("put agent %s in place", agent.Subject.Image), err)
	}
	return nil
}

// Restore reinstalls the agent that ran before the first Put, if there was one. Call it at the end, also after an error of
// Put.
func (s *Swapper) Restore(ctx context.Context, task clusters.Task) error {
	if !s.moved {
		return nil
	}
	if err := s.installer.PutAgent(ctx, s.before, task); err != nil {
		return &clusters.EnvironmentError{
			Doing: fmt.Sprintf("put the agent of environment %q back", s.env.Name), Err: err,
			Remedy: fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", s.env.Name),
		}
	}
	s.moved = false
	return nil
}
