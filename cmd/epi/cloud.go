package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/detached"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/health"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/nodeimage"
	"github.com/podidentity/epi/clusters/region"
	"github.com/podidentity/epi/reports"
)

const (
	// defaultCloud is the default name of a region.
	defaultCloud = "cloud"
	// makerStart is how long a cluster maker may take to start.
	makerStart = 20 * time.Second
)

func (a *app) cloudCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cloud",
		GroupID: "environment",
		Short:   "An AWS region on this machine, in which EKS clusters are real",
		Long: `Cloud is an AWS region without AWS. It is epi's emulator of EKS, EC2, CloudFormation,
IAM, STS and S3, and a cluster maker, which makes a kind cluster for each EKS cluster.
eksctl, the AWS CLI, kubectl and the AWS SDKs work with it as with AWS, from any
terminal:

  epi cloud up
  eval "$(epi cloud env)"
  eksctl create cluster --name demo --managed -N 1
  aws eks create-addon --cluster-name demo --addon-name eks-pod-identity-agent
  kubectl get daemonset -n kube-system eks-pod-identity-agent
  eksctl delete cluster --name demo --wait
  epi cloud down

Node groups become nodes that join and leave. Add-ons are deployed. One that cannot be
deployed reports the reason. --disable-pod-imds keeps pods from instance metadata. kubectl
authenticates by tokens of aws eks get-token. The identity that made a cluster is its
administrator, and others need access entries. Pods reach the region's AWS by AWS's host
names and by AWS_ENDPOINT_URL.

The region lacks the VPC CNI, Auto Mode, Fargate and load balancers. Its only Kubernetes
version is that of its nodes.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.cloudUpCommand(), a.cloudEnvCommand(), a.cloudLoadCommand(), a.cloudStatusCommand(), a.cloudDownCommand(), a.cloudMakerCommand())
	return cmd
}

// cloudNameFlag registers the flag --name of a command about a region.
func cloudNameFlag(flags *pflag.FlagSet, name *string) {
	*name = defaultCloud
	flags.Var((*environmentName)(name), "name", "name of the region on this machine")
}

func (a *app) cloudUpCommand() *cobra.Command {
	var spec kind.RegionSpec
	var selected []string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring a region up, or restart what has stopped",
		Long: `Up starts a container engine if there is none, the AWS emulator, and the cluster maker,
which continues in the background after up has ended. If the region is up already, up
restarts the emulator or the cluster maker if they have stopped.

The account is 123456789012, and its credentials belong to the user epi-admin.

--clients makes images of AWS clients, as epi up does, and loads them onto all nodes, also
those of later clusters. epi cloud env names the image of the AWS CLI.`,
		Example: `  epi cloud up
  epi cloud up --region eu-west-1 --agent-image my/agent:dev
  epi cloud up --clients aws-cli@trixie`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := validateRegion(spec); err != nil {
				return err
			}
			chosen, err := clients.Select(selected)
			if err != nil {
				return usageError("flag --clients: %w", err)
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			release, err := clusters.Lock(dirs, spec.Name, clusters.Use{Verb: "cloud up", Makes: true})
			if err != nil {
				return err
			}
			defer release()
			a.interrupts.at(a.makingRegion(spec.Name, dirs))
			steps := a.newSteps(nil)
			defer steps.Close()
			if spec.Binaries, err = a.binaries(cmd.Context(), steps); err != nil {
				return err
			}
			env, err := a.cloudUp(cmd.Context(), dirs, spec, steps)
			if err == nil {
				err = kind.NewRegions(dirs).AddClients(cmd.Context(), env, chosen, spec.Binaries, steps)
			}
			steps.Close()
			if err != nil {
				return err
			}
			return a.printRegion(env)
		},
	}
	flags := cmd.Flags()
	cloudNameFlag(flags, &spec.Name)
	flags.StringVar(&spec.Region, "region", "us-east-1", "AWS region that it is")
	flags.StringVar(&spec.KubernetesVersion, "kubernetes-version", "", "Kubernetes version of its clusters: "+strings.Join(nodeimage.Versions(), " or ")+" (default the first)")
	flags.StringVar(&spec.NodeImage, "node-image", "", "node image to use as it is, such as kindest/node:v1.36.3")
	flags.DurationVar(&spec.PropagationDelay, "iam-propagation-delay", 0, "how long a change in IAM takes to count, as on AWS it takes seconds")
	flags.StringSliceVar(&selected, "clients", []string{clients.SelectNone}, "AWS clients to put on the nodes: all, none, default (what costs little), or names such as aws-cli@trixie")
	registerGiven(flags, &spec.Agent, "agent")
	return cmd
}

func validateRegion(spec kind.RegionSpec) error {
	problems := []error{
		checkGiven(spec.Agent, "agent"), kind.CheckReference("node-image", spec.NodeImage), checkKubernetesVersion(spec.KubernetesVersion, spec.NodeImage), checkRegion(spec.Region),
	}
	if spec.PropagationDelay < 0 {
		problems = append(problems, fmt.Errorf("flag --iam-propagation-delay: %s is negative", spec.PropagationDelay))
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%w", err)
	}
	return nil
}

// makingRegion is the work of a command that brings up a region.
func (a *app) makingRegion(name string, dirs clusters.Dirs) work {
	left := func() string {
		if there, err := clusters.HasEnvironmentDir(dirs, name); err == nil && !there {
			return ""
		}
		return fmt.Sprintf("region %q, whole or in part; remove it with: %s", name, a.commandLine("cloud", "down", "--name", name))
	}
	return work{
		doing: "removing what was made",
		ended: func() string {
			if text := left(); text != "" {
				return "left is " + text
			}
			return "what this command had made is removed."
		},
		left: left,
	}
}

// cloudUp lists the steps of bringing a region up.
func (a *app) cloudUp(ctx context.Context, dirs clusters.Dirs, spec kind.RegionSpec, progress clusters.Progress) (*clusters.Environment, error) {
	regions := kind.NewRegions(dirs)
	env, err := regions.Up(ctx, spec, progress)
	if err != nil {
		return nil, err
	}
	task := progress.Start("Cluster maker")
	err = a.startMaker(ctx, dirs, regions, spec.Name)
	task.End(err)
	if err != nil {
		return nil, &clusters.EnvironmentError{Doing: "start cluster maker", Err: err, Remedy: "try again: " + a.commandLine("cloud", "up", "--name", spec.Name)}
	}
	return env, nil
}

// startMaker starts the cluster maker in a session of its own, unless one runs, and waits until it has started.
func (a *app) startMaker(ctx context.Context, dirs clusters.Dirs, regions *kind.Regions, name string) error {
	if pid, err := regions.Maker(name); err != nil || pid != 0 {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := dirs.EnvironmentDir(name)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, kind.MakerLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the maker has its own
	// It outlives this command and its terminal, so it does not get the command's context.
	command := exec.Command(self, "cloud", "maker", "--name", name, "--state-dir", dirs.State, "--cache-dir", dirs.Cache) //nolint:noctx // see above
	command.Stdout, command.Stderr = log, log
	if err := detached.Start(command); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	deadline := time.After(makerStart)
	for {
		if pid, err := regions.Maker(name); err == nil && pid == command.Process.Pid {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it has ended: %w; its log is %s", err, log.Name())
		case <-deadline:
			_ = command.Process.Kill() // it is not usable
			return fmt.Errorf("it has not begun within %v; its log is %s", makerStart, log.Name())
		case <-ctx.Done():
			_ = command.Process.Kill() // it is no longer needed
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (a *app) printRegion(env *clusters.Environment) error {
	name := ""
	if env.Name != defaultCloud {
		name = " --name " + env.Name
	}
	_, err := fmt.Fprintf(a.out, `
Region %s is up, account %s, Kubernetes %s

  eval "$(epi cloud env%[4]s)"       AWS of this shell is the region, until it ends
  eksctl create cluster --name demo --version %[5]s --managed -N 1
  aws eks update-kubeconfig --name demo
  epi cloud status%[4]s              what is in it, and whether it is well
  epi cloud down%[4]s                remove it with all its clusters
`, env.Region, env.AccountID, env.KubernetesVersion, name, minorOf(env.KubernetesVersion))
	return err
}

// minorOf is EKS's form of a Kubernetes version: "1.36" for "v1.36.3".
func minorOf(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// loadRegion loads a region that is up. Its error says how to bring one up.
func loadRegion(dirs clusters.Dirs, name string) (*clusters.Environment, error) {
	env, err := clusters.LoadEnvironment(dirs, name)
	doing := fmt.Sprintf("use region %q", name)
	switch {
	case errors.Is(err, clusters.ErrNoEnvironment):
		return nil, &clusters.EnvironmentError{Doing: doing, Err: errors.New("there is none of that name"), Remedy: "bring it up with: epi cloud up --name " + name}
	case err != nil:
		return nil, err
	case env.Provider != kind.RegionName:
		return nil, &clusters.EnvironmentError{Doing: doing, Err: fmt.Errorf("it is an environment of provider %s", env.Provider), Remedy: "bring up a region with another --name: epi cloud up --name NAME"}
	case env.Control == nil:
		return nil, &clusters.EnvironmentError{Doing: doing, Err: errors.New("its record does not say where the emulator is"), Remedy: "remove it with: epi cloud down --name " + name}
	}
	return env, nil
}

func (a *app) cloudEnvCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables of a region for a shell: eval \"$(epi cloud env)\"",
		Long: `Env prints commands of a POSIX shell that set AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that hide your own profile and session.
KUBECONFIG becomes a file of the region, and your own file stays as it is. If kubectl is
not installed, the node image's kubectl is last in PATH. EPI_PROBE_IMAGE is the image of
epi-probe on the nodes. EPI_AWS_CLI_IMAGE is the image of the AWS CLI, which epi cloud up
--clients aws-cli@trixie makes. In fish: epi cloud env | source`,
		Example: `  eval "$(epi cloud env)"`,
		RunE: func(*cobra.Command, []string) error {
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, err := loadRegion(dirs, name)
			if err != nil {
				return err
			}
			dir, err := dirs.EnvironmentDir(name)
			if err != nil {
				return err
			}
			var text strings.Builder
			for _, variable := range regionVariables(env, dir) {
				fmt.Fprintf(&text, "export %s=%s\n", variable[0], shellescape.Quote(variable[1]))
			}
			fmt.Fprintf(&text, "export PATH=\"$PATH\":%s\n", shellescape.Quote(filepath.Join(dir, "bin")))
			fmt.Fprintln(&text, "unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE AWS_CA_BUNDLE")
			_, err = fmt.Fprint(a.out, text.String())
			return err
		},
	}
	cloudNameFlag(cmd.Flags(), &name)
	return cmd
}

// regionVariables are the variables for the region's AWS.
func regionVariables(env *clusters.Environment, dir string) [][2]string {
	return [][2]string{
		{"AWS_ENDPOINT_URL", env.AWS.EndpointURL}, {"AWS_REGION", env.Region}, {"AWS_DEFAULT_REGION", env.Region},
		{"AWS_ACCESS_KEY_ID", env.AWS.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", env.AWS.SecretAccessKey},
		{"AWS_EC2_METADATA_DISABLED", "true"}, {"AWS_CONFIG_FILE", os.DevNull}, {"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
		{"KUBECONFIG", filepath.Join(dir, "kubeconfig.user")}, {"EPI_PROBE_IMAGE", env.ProbeImage}, {"EPI_AWS_CLI_IMAGE", commandImage(env)},
	}
}

func (a *app) cloudLoadCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "load IMAGE|ARCHIVE",
		Short: "Load your own image onto the nodes of all clusters of a region",
		Long: `Load loads a container image onto the nodes of all clusters of a region, so that pods can
run it without a registry. It also keeps the image for later nodes and clusters. The image
is in your container engine or in an archive. An archive is of docker save, or an OCI
layout in a tar archive, and may be compressed with gzip. Load pulls nothing.

Pods use the image by the printed name, with imagePullPolicy IfNotPresent or Never. For a
tag :latest the default is to pull. The exit code is 2 if the image does not exist or does
not run on the nodes, and 3 if the region is not up or cannot load it.`,
		Example: `  docker build -t my/app:dev . && epi cloud load my/app:dev
  epi cloud load app.tar --name elsewhere`,
		Args: oneImage,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			if _, err := loadRegion(dirs, name); err != nil {
				return err
			}
			release, err := clusters.Lock(dirs, name, clusters.Use{Verb: "cloud load"})
			if err != nil {
				return err
			}
			defer release()
			env, err := loadRegion(dirs, name) // it may have been removed or created again before it was locked
			if err != nil {
				return err
			}
			return a.load(cmd.Context(), dirs, env, args[0], kind.NewRegions(dirs).Load)
		},
		ValidArgsFunction: completeImage,
	}
	cloudNameFlag(cmd.Flags(), &name)
	return cmd
}

// regionCluster is a cluster of a region, for programs.
type regionCluster struct {
	Name       string       `json:"name"`
	Version    string       `json:"version"`
	Status     string       `json:"status"`
	Nodegroups []regionPart `json:"nodegroups"`
	Addons     []regionPart `json:"addons"`
}

// regionPart is a node group or an add-on.
type regionPart struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	// Nodes that a node group wants.
	Nodes int `json:"nodes,omitempty"`
}

// regionStatus is the current state of a region.
type regionStatus struct {
	Name    string `json:"name"`
	Region  string `json:"region"`
	Healthy bool   `json:"healthy"`
	// EndpointURL is where AWS is.
	EndpointURL string          `json:"endpointURL"`
	Parts       []health.Part   `json:"parts"`
	Clusters    []regionCluster `json:"clusters"`
	Remedy      string          `json:"remedy,omitempty"`
}

func (a *app) cloudStatusCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What is in a region, and whether it is well",
		Long: `Status looks at the container engine, the AWS emulator and the cluster maker of a
region, and lists its clusters. It changes and starts nothing. The exit code is 0 if all
three are well, and 3 if one is not or there is no region of that name.`,
		Example: `  epi cloud status
  epi cloud status -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, err := loadRegion(dirs, name)
			if err != nil {
				return err
			}
			status := a.lookAtRegion(cmd.Context(), dirs, env)
			if a.output == "json" {
				err = a.printJSON(status)
			} else {
				err = a.printRegionStatus(status)
			}
			if err == nil && !status.Healthy {
				return &codedError{code: exitEnvironment, err: fmt.Errorf("region %q is not healthy", name), reported: true}
			}
			return err
		},
	}
	cloudNameFlag(cmd.Flags(), &name)
	a.outputFlag(cmd)
	return cmd
}

// lookAtRegion reads the current state of a region.
func (a *app) lookAtRegion(ctx context.Context, dirs clusters.Dirs, env *clusters.Environment) regionStatus {
	status := regionStatus{Name: env.Name, Region: env.Region, EndpointURL: env.AWS.EndpointURL, Clusters: []regionCluster{}}
	found, err := engine.Running(ctx, engine.Options{Dirs: dirs})
	status.Parts = append(status.Parts, enginePart(found, err), health.Emulator(ctx, env), makerPart(dirs, env.Name))
	status.Healthy = !slices.ContainsFunc(status.Parts, func(p health.Part) bool { return !p.Healthy })
	if !status.Healthy {
		status.Remedy = "start what has stopped with: " + a.commandLine("cloud", "up", "--name", env.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	wanted, err := control.New(env.Control.URL, env.Control.Token).Wanted(ctx, "", 0)
	if err != nil {
		return status // the emulator's part has the reason
	}
	for _, c := range wanted.Clusters {
		listed := regionCluster{Name: c.Name, Version: c.Version, Status: c.Status, Nodegroups: []regionPart{}, Addons: []regionPart{}}
		for _, g := range c.Nodegroups {
			listed.Nodegroups = append(listed.Nodegroups, regionPart{g.Name, g.Status, g.Size})
		}
		for _, addon := range c.Addons {
			listed.Addons = append(listed.Addons, regionPart{Name: addon.Name, Status: addon.Status})
		}
		status.Clusters = append(status.Clusters, listed)
	}
	return status
}

// makerPart says whether the cluster maker of a region runs.
func makerPart(dirs clusters.Dirs, name string) health.Part {
	part := health.Part{Name: "cluster maker"}
	pid, err := kind.NewRegions(dirs).Maker(name)
	switch {
	case err != nil:
		part.State = reports.FirstLine(err.Error())
	case pid == 0:
		part.State = "does not run"
	default:
		part.Healthy, part.State = true, fmt.Sprintf("runs, process %d", pid)
	}
	return part
}

func (a *app) printRegionStatus(status regionStatus) error {
	state := stateUp
	if !status.Healthy {
		state = stateUnhealthy
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "Region %q is %s: %s at %s\n", status.Name, state, status.Region, status.EndpointURL)
	for _, part := range status.Parts {
		_, _ = fmt.Fprintf(table, "  %s %s\t%s\n", markOf(part.Healthy), part.Name, part.State)
	}
	if len(status.Clusters) == 0 {
		_, _ = fmt.Fprintln(table, "No clusters.")
	} else {
		_, _ = fmt.Fprintln(table, "\nCLUSTER\tVERSION\tSTATUS\tNODE GROUPS\tADD-ONS")
	}
	for _, c := range status.Clusters {
		var groups, addons []string
		for _, g := range c.Nodegroups {
			groups = append(groups, fmt.Sprintf("%s (%d) %s", g.Name, g.Nodes, g.Status))
		}
		for _, addon := range c.Addons {
			addons = append(addons, addon.Name+" "+addon.Status)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.Name, c.Version, c.Status, strings.Join(groups, ", "), strings.Join(addons, ", "))
	}
	if status.Remedy != "" {
		_, _ = fmt.Fprintf(table, "Hint: %s\n", status.Remedy)
	}
	return table.Flush()
}

func (a *app) cloudDownCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove a region with all its clusters",
		Long: `Down ends the cluster maker and removes the region's clusters, emulator, network and
folder, also after a crash. Removing what is not there is no error. Nothing is removed
that is not epi's own.`,
		Example: `  epi cloud down`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.interrupts.at(removing(a.commandLine("cloud", "down", "--name", name)))
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			provider, err := clusters.ProviderOf(dirs, name)
			if err != nil && !errors.Is(err, clusters.ErrNoEnvironment) {
				return err
			}
			if err == nil && provider != "" && provider != kind.RegionName {
				return &clusters.EnvironmentError{
					Doing: fmt.Sprintf("remove region %q", name), Err: fmt.Errorf("it is an environment of provider %s", provider), Remedy: "remove that with: epi down --name " + name,
				}
			}
			release, err := useToRemove(dirs, name, false, false)
			if err != nil {
				return err
			}
			defer release()
			steps := a.newSteps(nil)
			defer steps.Close()
			return kind.NewRegions(dirs).Down(cmd.Context(), name, steps)
		},
	}
	cloudNameFlag(cmd.Flags(), &name)
	return cmd
}

// cloudMakerCommand is the cluster maker, which up starts.
func (a *app) cloudMakerCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:    "maker",
		Short:  "Make the clusters of a region until a signal comes",
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			regions := kind.NewRegions(dirs)
			release, err := regions.LockMaker(name)
			if err != nil {
				return &clusters.EnvironmentError{Doing: "make clusters", Err: err, Remedy: "one maker is enough"}
			}
			defer release()
			level := slog.LevelInfo
			if a.verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
			made, err := regions.Clusters(cmd.Context(), name, log, region.ErrLost, region.ErrUnsupported)
			if err != nil {
				return err
			}
			region.New(region.Options{Control: made.Control(), Backend: made, Log: log}).Run(cmd.Context())
			return nil
		},
	}
	cloudNameFlag(cmd.Flags(), &name)
	return cmd
}
