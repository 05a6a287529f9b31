package eks

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/eksctl"
	"github.com/podidentity/epi/clusters/images"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

// createTime bounds eksctl, which takes a quarter of an hour.
const createTime = 50 * time.Minute

// create lets eksctl create the cluster.
func (c *creation) create(ctx context.Context, task clusters.Task) error {
	program, version, err := eksctl.Choose(ctx, c.dirs.Cache, func(why string) {
		task.Detail("%s: building %s, which takes some minutes of processor time", why, eksctl.Version)
	})
	if err != nil {
		return &clusters.EnvironmentError{
			Doing: "find eksctl", Err: err,
			Remedy: "install eksctl (https://eksctl.io/installation), or let this machine reach a Go module proxy; a cluster that is there needs none: --cluster-name",
		}
	}
	wanted := request{
		name: c.env.ClusterName, region: c.env.Region, version: c.env.KubernetesVersion, nodes: c.spec.Nodes, instanceTypes: c.options.InstanceTypes,
		owner: c.stamp.Owner, boundary: c.options.PermissionsBoundary, hopLimit: c.spec.IMDSHopLimit,
		withAgent: c.spec.Agent.Image == "" && !c.spec.WithoutAgent, agentVersion: c.options.AgentVersion, agentValues: c.options.AgentValues,
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "eksctl.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep eksctl's output: %w", err)
	}
	defer func() { _ = log.Close() }() // a failed write is part of the error
	for _, made := range []struct {
		kind journal.Kind
		name string
	}{
		{journal.Stack, c.clusterStack()}, {journal.Cluster, c.env.ClusterName}, {journal.Stack, c.nodeGroupStack()},
	} {
		if err := c.stamp.Record(made.kind, made.name, ""); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		what, file string
		config     func() ([]byte, error)
		more       []string
	}{
		{"cluster", "cluster.yaml", wanted.clusterConfig, []string{"--write-kubeconfig=false"}},
		{"nodegroup", "nodegroup.yaml", wanted.nodeGroupConfig, nil},
	} {
		config, err := part.config()
		if err != nil {
			return err
		}
		file := filepath.Join(c.dir, part.file)
		if err := os.WriteFile(file, config, 0o600); err != nil {
			return fmt.Errorf("write eksctl's configuration: %w", err)
		}
		args := append([]string{"create", part.what, "--config-file", file, "--color=false", "--timeout", createTime.String()}, part.more...)
		run := command.New(program, args...)
		run.Env = []string{"AWS_REGION=" + c.env.Region}
		if c.options.EndpointURL != "" {
			run.Env = append(run.Env, "AWS_ENDPOINT_URL="+c.options.EndpointURL)
		}
		run.Log = log
		var wrong failureLines
		run.OnLine = func(line string) {
			wrong.add(line)
			task.Detail("eksctl %s: %s", version, message(line))
		}
		if err := run.Run(ctx); err != nil {
			return c.explainStack(ctx, wrong.inOrder(err))
		}
	}
	return nil
}

// clusterStack and nodeGroupStack are the names that eksctl gives its stacks.
func (c *creation) clusterStack() string { return "eksctl-" + c.env.ClusterName + "-cluster" }

func (c *creation) nodeGroupStack() string {
	return "eksctl-" + c.env.ClusterName + "-nodegroup-" + nodeGroup
}

// message is the text of a line of eksctl's after its time and level: "2026-11-28 02:00:00 [ℹ]  text".
func message(line string) string {
	if _, text, found := strings.Cut(line, "]  "); found {
		return text
	}
	return line
}

// explainStack adds the reason of the first failed resource to eksctl's error. eksctl also reports all resources that were
// cancelled because of it.
func (c *creation) explainStack(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	client := cloudformation.NewFromConfig(c.cfg)
	for _, name := range []string{c.nodeGroupStack(), c.clusterStack()} {
		out, lookErr := client.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &name})
		if lookErr != nil {
			continue // there is no stack, or no answer
		}
		first := ""
		for _, event := range out.StackEvents { // newest first
			reason := aws.ToString(event.ResourceStatusReason)
			if strings.HasSuffix(string(event.ResourceStatus), "_FAILED") && !strings.Contains(reason, "cancelled") {
				first = aws.ToString(event.LogicalResourceId) + ": " + reason
			}
		}
		if first != "" {
			return fmt.Errorf("stack %s could not be made: %s: %w", name, first, err)
		}
	}
	return err
}

// agent installs the agent: the add-on, or a user's image.
func (c *creation) agent(ctx context.Context, task clusters.Task) error {
	if c.spec.WithoutAgent {
		task.Detail("left out")
		return nil
	}
	if c.spec.Agent.Image != "" {
		return c.agentImage(ctx, task)
	}
	name := clusters.AgentName
	_, err := c.eks.DescribeAddon(ctx, &awseks.DescribeAddonInput{ClusterName: &c.env.ClusterName, AddonName: &name})
	if _, none := errors.AsType[*ekstypes.ResourceNotFoundException](err); none {
		input := &awseks.CreateAddonInput{ClusterName: &c.env.ClusterName, AddonName: &name, ResolveConflicts: ekstypes.ResolveConflictsNone}
		if c.options.AgentVersion != "" {
			input.AddonVersion = &c.options.AgentVersion
		}
		if c.options.AgentValues != "" {
			input.ConfigurationValues = &c.options.AgentValues
		}
		_, err = c.eks.CreateAddon(ctx, input)
	}
	if err != nil {
		return fmt.Errorf("create add-on %s: %w", name, err)
	}
	return c.waitAddon(ctx, name, task)
}

// addonTime bounds the wait for an add-on.
const addonTime = 10 * time.Minute

func (c *creation) waitAddon(ctx context.Context, name string, task clusters.Task) error {
	ctx, cancel := context.WithTimeoutCause(ctx, addonTime, fmt.Errorf("it is not ACTIVE after %s", addonTime))
	defer cancel()
	ticker := time.NewTicker(c.options.Poll)
	defer ticker.Stop()
	for {
		out, err := c.eks.DescribeAddon(ctx, &awseks.DescribeAddonInput{ClusterName: &c.env.ClusterName, AddonName: &name})
		if err != nil {
			return fmt.Errorf("look at add-on %s: %w", name, err)
		}
		seen := fmt.Sprintf("%s is %s", aws.ToString(out.Addon.AddonVersion), out.Addon.Status)
		for _, issue := range issues(out.Addon) {
			seen += "; " + string(issue.Code) + ": " + aws.ToString(issue.Message)
		}
		task.Detail("%s", seen)
		switch out.Addon.Status {
		case ekstypes.AddonStatusActive:
			return nil
		case ekstypes.AddonStatusCreateFailed, ekstypes.AddonStatusUpdateFailed, ekstypes.AddonStatusDeleteFailed:
			return fmt.Errorf("add-on %s: %s", name, seen)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("add-on %s: %w; last seen: %s", name, context.Cause(ctx), seen)
		case <-ticker.C:
		}
	}
}

func issues(addon *ekstypes.Addon) []ekstypes.AddonIssue {
	if addon.Health == nil {
		return nil
	}
	return addon.Health.Issues
}

func (c *creation) agentImage(ctx context.Context, task clusters.Task) error {
	installer, err := addons.New(c.config)
	if err != nil {
		return err
	}
	layout := c.spec.Agent.Layout
	if layout == "" || layout == clusters.LayoutAuto {
		layout = clusters.LayoutEntrypoint
	}
	if err := installer.InstallAgent(ctx, addons.Agent{
		Subject:     addons.Subject{Image: c.spec.Agent.Image, Layout: layout, Args: c.spec.Agent.Args, Env: c.spec.Agent.Env},
		ClusterName: c.env.ClusterName, Region: c.env.Region, Endpoint: c.options.PodEndpointURL,
	}); err != nil {
		return err
	}
	return installer.WaitAgent(ctx, task)
}

// probe pushes the probe's image to a registry that the nodes pull from.
func (c *creation) probe(ctx context.Context, task clusters.Task) error {
	if c.env.ProbeImage = c.options.ProbeImage; c.env.ProbeImage != "" {
		task.Detail("%s", c.env.ProbeImage)
		return nil
	}
	image, err := images.Build(c.spec.Binaries, images.Program{Name: "epi-probe", User: "65532"})
	if err != nil {
		return err
	}
	client := ecr.NewFromConfig(c.cfg)
	name := strings.TrimSuffix(ownership.Prefix, "-") + "/" + c.spec.Name + "/epi-probe"
	made, err := client.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &name})
	if err != nil {
		return fmt.Errorf("create repository %s: %w", name, err)
	}
	answer, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return fmt.Errorf("ask ECR for a token: %w", err)
	}
	if len(answer.AuthorizationData) == 0 {
		return errors.New("ask ECR for a token: it gives none")
	}
	decoded, err := base64.StdEncoding.DecodeString(aws.ToString(answer.AuthorizationData[0].AuthorizationToken))
	if err != nil {
		return errors.New("read ECR's token: it is not base64")
	}
	user, password, _ := strings.Cut(string(decoded), ":")
	ref := aws.ToString(made.Repository.RepositoryUri) + ":" + strings.TrimPrefix(image.Digest, "sha256:")[:12]
	task.Detail("pushing %s", ref)
	if err := images.Push(ctx, image, ref, &authn.Basic{Username: user, Password: password}); err != nil {
		return err
	}
	c.env.ProbeImage = ref
	return nil
}
