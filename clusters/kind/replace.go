package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
)

// Replacer replaces epi's programs in a running environment: by a broken variant, so that the suites must fail, or by a new
// build.
type Replacer struct {
	dirs   clusters.Dirs
	env    clusters.Environment
	engine containerEngine
	nodes  []nodes.Node
	kube   *rest.Config
}

// Replacer returns a replacer for the environment, which must run epi's own programs.
func (p *Provider) Replacer(ctx context.Context, env *clusters.Environment) (*Replacer, error) {
	for _, subject := range env.Subjects {
		if !subject.Reference {
			return nil, &clusters.EnvironmentError{
				Doing:  fmt.Sprintf("replace programs of environment %q", env.Name),
				Remedy: "bring an environment up with epi's own agent and webhook",
				Err:    fmt.Errorf("its %s is %s, not epi's own", subject.Role, subject.Image),
			}
		}
	}
	reached, err := p.reach(ctx, env)
	if err != nil {
		return nil, err
	}
	return &Replacer{dirs: p.dirs, env: *env, engine: clientOf(reached.engine), nodes: reached.nodes, kube: reached.kube}, nil
}

// reached has the access to a running environment that changes need.
type reached struct {
	engine *engine.Engine
	nodes  []nodes.Node
	kube   *rest.Config
}

func (p *Provider) reach(ctx context.Context, env *clusters.Environment) (*reached, error) {
	found, err := engine.Find(ctx, engine.Options{Dirs: p.dirs})
	if err != nil {
		return nil, environmentError("find container engine", err)
	}
	if found == nil {
		return nil, environmentError("find container engine", errors.New("there is none"))
	}
	list, err := newKindProvider(found, env.Name, taskLogger{}).ListInternalNodes(env.Name)
	if err != nil {
		return nil, environmentError("list nodes", err)
	}
	kube, err := loadKubeconfig(env.Kubeconfig)
	if err != nil {
		return nil, environmentError("reach cluster", err)
	}
	return &reached{engine: found, nodes: list, kube: kube}, nil
}

// Environment returns the environment with the programs that run in it now.
func (r *Replacer) Environment() *clusters.Environment {
	env := r.env
	env.Subjects = slices.Clone(env.Subjects)
	return &env
}

// Replace replaces the running program of that name, one of Programs, by the one in the folder binaries. It returns when
// nothing of the old one is left. Later pods run the new probe. An Environment from before must be read again.
func (r *Replacer) Replace(ctx context.Context, program, binaries string, task clusters.Task) error {
	if err := r.replace(ctx, program, binaries, task); err != nil {
		return environmentError(fmt.Sprintf("replace %s in environment %q", program, r.env.Name), err)
	}
	return nil
}

func (r *Replacer) replace(ctx context.Context, program, binaries string, task clusters.Task) error {
	list := Programs()
	at := slices.IndexFunc(list, func(p images.Program) bool { return p.Name == program })
	if at < 0 {
		return errors.New("there is no program of that name")
	}
	if program == emulatorProgram {
		return r.replaceEmulator(ctx, filepath.Join(binaries, program), task)
	}
	image, err := images.Build(binaries, list[at])
	if err != nil {
		return err
	}
	task.Detail("loading %s", image.Ref)
	if err := loadOnNodes(ctx, r.nodes, image); err != nil {
		return err
	}
	switch program {
	case agentProgram:
		err = r.replaceAgent(ctx, image, task)
	case webhookProgram:
		err = r.replaceWebhook(ctx, image, binaries, task)
	}
	if err != nil {
		return err
	}
	before := r.record(program, image)
	if err := clusters.SaveEnvironment(r.dirs, &r.env); err != nil {
		return err
	}
	if before != image.Ref {
		forget(ctx, r.nodes, before)
	}
	return nil
}

func (r *Replacer) replaceAgent(ctx context.Context, image *images.Image, task clusters.Task) error {
	installer, err := addons.New(r.kube)
	if err != nil {
		return err
	}
	return installer.ReplaceAgent(ctx, image.Ref, task)
}

// replaceWebhook also registers the webhook, by the manifests beside the program if there are any, and otherwise by epi's
// own.
func (r *Replacer) replaceWebhook(ctx context.Context, image *images.Image, binaries string, task clusters.Task) error {
	installer, err := addons.New(r.kube)
	if err != nil {
		return err
	}
	var registration fs.FS
	if dir := filepath.Join(binaries, "manifests"); exists(filepath.Join(dir, "webhook")) {
		registration = os.DirFS(dir)
	}
	if err := installer.RegisterWebhook(ctx, registration); err != nil {
		return err
	}
	addresses, err := installer.ReplaceWebhook(ctx, image.Ref, task)
	if err != nil {
		return err
	}
	return waitService(ctx, r.nodes, webhookPort, addresses, task)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// record notes that image is the program's image now, and returns the previous one.
func (r *Replacer) record(program string, image *images.Image) (before string) {
	if program == probeProgram {
		before, r.env.ProbeImage = r.env.ProbeImage, image.Ref
		return before
	}
	r.env.Subjects = slices.Clone(r.env.Subjects)
	for i := range r.env.Subjects {
		if subject := &r.env.Subjects[i]; "epi-"+subject.Role == program {
			before = subject.Image
			subject.Image, subject.Digest = image.Ref, image.Digest
		}
	}
	return before
}

// loadOnNodes loads an image onto every node that lacks it.
func loadOnNodes(ctx context.Context, list []nodes.Node, image *images.Image) error {
	group, _ := errgroup.WithContext(ctx)
	for _, node := range list {
		if _, err := nodeutils.ImageID(node, image.Ref); err == nil {
			continue
		}
		group.Go(func() error { return loadOnNode(node, image) })
	}
	return group.Wait()
}

// loadOnNode loads images onto a node.
func loadOnNode(node nodes.Node, list ...*images.Image) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(images.Archive(writer, list...)) }()
	defer func() { _ = reader.Close() }()
	if err := nodeutils.LoadImageArchive(node, reader); err != nil {
		return fmt.Errorf("load images on node %s: %w", node, err)
	}
	return nil
}

// forget removes an image that is no longer used. If the removal fails, it only costs space.
func forget(ctx context.Context, list []nodes.Node, ref string) {
	for _, node := range list {
		_ = onNode(ctx, node, "ctr", "--namespace", "k8s.io", "images", "rm", ref)
	}
}
