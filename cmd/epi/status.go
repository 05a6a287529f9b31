package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/health"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/reports"
)

// The states of an environment.
const (
	stateUp         = "up"         // all parts are healthy
	stateUnhealthy  = "unhealthy"  // a part is not healthy
	stateIncomplete = "incomplete" // it is being created or removed, or the process that did that was killed
)

// environmentStatus is the current state of an environment.
type environmentStatus struct {
	Name     string `json:"name"`
	Provider string `json:"provider,omitempty"`
	// State is "up", "unhealthy" or "incomplete".
	State   string `json:"state"`
	Healthy bool   `json:"healthy"`
	// Since is when it was brought up.
	Since             *time.Time    `json:"since,omitempty"`
	ClusterName       string        `json:"clusterName,omitempty"`
	Region            string        `json:"region,omitempty"`
	KubernetesVersion string        `json:"kubernetesVersion,omitempty"`
	Nodes             int           `json:"nodes,omitempty"`
	Parts             []health.Part `json:"parts"`
	Enter             *enter        `json:"enter,omitempty"`
	Remedy            string        `json:"remedy,omitempty"`
}

// enter has the ways in which programs can use an environment.
type enter struct {
	Kubeconfig     string `json:"kubeconfig"`
	EndpointURL    string `json:"awsEndpointURL,omitempty"`
	PodEndpointURL string `json:"podAWSEndpointURL,omitempty"`
	DockerHost     string `json:"dockerHost,omitempty"`
}

func (a *app) statusCommand() *cobra.Command {
	var flag string
	cmd := &cobra.Command{
		Use:     "status [NAME]",
		GroupID: "environment",
		Short:   "Whether an environment is healthy, since when it is up, and how to use it",
		Long: `Status checks the parts of an environment: container engine, nodes, API server, agent,
webhook and AWS emulator. It shows the reason for each part that is not healthy. It
changes and starts nothing. In your own cluster it checks API server, nodes, agent and
webhook.

The exit code is 0 if all parts are healthy. It is 3 if one is not, if the environment is
incomplete, or if no environment has that name. In an AWS region on this machine it
checks the emulator and the cluster maker. epi cloud status shows more.`,
		Example: `  epi status
  epi status pr-17 -o json
  until epi status >/dev/null; do sleep 1; done`,
		Args: atMostOne("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			name, err := a.nameOf(flag, args)
			if err != nil {
				return err
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			status, err := lookAt(cmd.Context(), dirs, name)
			if err != nil {
				return err
			}
			if a.output == "json" {
				err = a.printJSON(status)
			} else {
				err = a.printStatus(status)
			}
			if err == nil && !status.Healthy {
				return &codedError{code: exitEnvironment, err: fmt.Errorf("environment %q is not healthy", name), reported: true}
			}
			return err
		},
	}
	nameFlag(cmd.Flags(), &flag, "name of the environment")
	a.outputFlag(cmd)
	cmd.ValidArgsFunction = firstArgument(a.completeEnvironments)
	return cmd
}

// nameOf is the environment of an argument or the flag.
func (a *app) nameOf(flag string, args []string) (string, error) {
	switch {
	case len(args) == 0:
		return flag, nil
	case a.typed["name"] && flag != args[0]:
		return "", usageError("argument %q and flag --name=%s name two environments", args[0], flag)
	}
	if err := clusters.CheckName(args[0]); err != nil {
		return "", usageError("argument: %w", err)
	}
	return args[0], nil
}

// lookAt reads the current state of an environment.
func lookAt(ctx context.Context, dirs clusters.Dirs, name string) (environmentStatus, error) {
	status := environmentStatus{Name: name, Parts: []health.Part{}}
	env, err := clusters.LoadEnvironment(dirs, name)
	if err != nil && !errors.Is(err, clusters.ErrNoEnvironment) {
		return status, err
	}
	if env != nil && env.Provider == kind.RegionName {
		status.describe(env)
		status.Parts = []health.Part{health.Emulator(ctx, env), makerPart(dirs, name)}
		status.judge()
		return status, nil
	}
	if env != nil && env.Provider != kindProvider {
		status.describe(env)
		status.Parts = health.Cluster(ctx, env)
		status.judge()
		return status, nil
	}
	found, engineErr := engine.Running(ctx, engine.Options{Dirs: dirs})
	var containers []kind.Container
	if engineErr == nil {
		if containers, err = kind.Containers(ctx, found, name); err != nil && ctx.Err() == nil {
			engineErr = err
		}
	}
	if ctx.Err() != nil {
		return status, context.Cause(ctx)
	}
	if env == nil {
		return status.left(dirs, containers)
	}
	status.describe(env)
	if found != nil && found.Private {
		status.Enter.DockerHost = found.Host
	}
	status.Parts = append(status.Parts, enginePart(found, engineErr))
	if engineErr == nil {
		status.Parts = append(status.Parts, containerParts(containers, env.Nodes)...)
	}
	var cluster []health.Part
	var emulator health.Part
	var group sync.WaitGroup
	group.Go(func() { cluster = health.Cluster(ctx, env) })
	group.Go(func() { emulator = health.Emulator(ctx, env) })
	group.Wait()
	status.Parts = append(append(status.Parts, cluster...), emulator)
	status.judge()
	if paused := slices.IndexFunc(containers, func(c kind.Container) bool { return c.State == "paused" }); paused >= 0 {
		status.Remedy = fmt.Sprintf("let it go on with: epi aws --name %s -- %s unpause %s", name, found.Name, containers[paused].Name)
	}
	return status, nil
}

// left is an environment without a record: it was left incomplete.
func (s environmentStatus) left(dirs clusters.Dirs, containers []kind.Container) (environmentStatus, error) {
	names, err := clusters.EnvironmentNames(dirs)
	if err != nil {
		return s, err
	}
	if len(containers) == 0 && !slices.Contains(names, s.Name) {
		return s, noEnvironment(s.Name)
	}
	s.State, s.Remedy = stateIncomplete, "if no other epi is bringing it up or down now, remove what is left with: epi down --name "+s.Name
	for _, container := range containers {
		s.Parts = append(s.Parts, health.Part{Name: "container " + container.Name, Healthy: container.State == "running", State: container.Since})
	}
	if slices.Contains(names, s.Name) {
		s.Parts = append(s.Parts, health.Part{Name: "record", State: "its folder is there, and does not say that it is up"})
	}
	return s, nil
}

func (s *environmentStatus) describe(env *clusters.Environment) {
	s.Provider, s.ClusterName, s.Region, s.KubernetesVersion, s.Nodes = env.Provider, env.ClusterName, env.Region, env.KubernetesVersion, env.Nodes
	s.Since = &env.Created
	s.Enter = &enter{Kubeconfig: env.Kubeconfig, EndpointURL: env.AWS.EndpointURL, PodEndpointURL: env.AWS.PodEndpointURL}
}

// judge says whether all parts are healthy, and what to do if not.
func (s *environmentStatus) judge() {
	s.State, s.Healthy = stateUp, true
	for _, part := range s.Parts {
		if !part.Healthy {
			s.State, s.Healthy = stateUnhealthy, false
		}
	}
	if s.Healthy {
		return
	}
	s.Remedy = fmt.Sprintf("bring it up again with: epi down --name %[1]s && epi up --name %[1]s", s.Name)
	switch s.Provider {
	case kindProvider:
	case kind.RegionName:
		s.Remedy = "start what has stopped with: epi cloud up --name " + s.Name
	default:
		s.Remedy = "the cluster is yours: kubectl must reach it with the kubeconfig above, and agent and webhook must run"
	}
}

func enginePart(found *engine.Engine, err error) health.Part {
	part := health.Part{Name: "container engine", Healthy: err == nil}
	switch {
	case err == nil:
		part.State = found.String()
	case errors.Is(err, engine.ErrStopped):
		part.State = "epi's own is stopped"
	default:
		part.State = "does not answer: " + reports.FirstLine(err.Error())
	}
	return part
}

// containerParts are the containers that do not run, and those that are missing.
func containerParts(containers []kind.Container, nodes int) []health.Part {
	var parts []health.Part
	there := map[string]int{}
	for _, container := range containers {
		there[container.Role]++
		if container.State != "running" {
			parts = append(parts, health.Part{Name: "container " + container.Name, State: cmp.Or(container.Since, container.State)})
		}
	}
	for role, wanted := range map[string]int{kind.RoleNode: nodes, kind.RoleEmulator: 1} {
		if missing := wanted - there[role]; missing > 0 {
			parts = append(parts, health.Part{Name: "containers", State: fmt.Sprintf("%s is gone", reports.Plural(missing, role))})
		}
	}
	slices.SortStableFunc(parts, func(x, y health.Part) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.State, y.State)) })
	return parts
}

func (a *app) printStatus(status environmentStatus) error {
	headline := fmt.Sprintf("Environment %q is %s", status.Name, status.State)
	if status.Provider == kind.RegionName {
		headline = fmt.Sprintf("%q is an AWS region on this machine, and %s, since %s (%s): %s",
			status.Name, status.State, status.Since.Local().Format("2006-01-02 15:04"), age(a.now().Sub(*status.Since)), status.Region)
	} else if status.Since != nil {
		headline += fmt.Sprintf(", since %s (%s): Kubernetes %s on %s, provider %s",
			status.Since.Local().Format("2006-01-02 15:04"), age(a.now().Sub(*status.Since)), status.KubernetesVersion, reports.Plural(status.Nodes, "node"), status.Provider)
	}
	if _, err := fmt.Fprintln(a.out, headline); err != nil {
		return err
	}
	widest := 0
	for _, part := range status.Parts {
		widest = max(widest, runewidth.StringWidth(part.Name))
	}
	for _, part := range status.Parts {
		line := fmt.Sprintf(" %s %s  %s", markOf(part.Healthy), runewidth.FillRight(part.Name, widest), part.State)
		if width := a.width(); width > 0 && part.Healthy {
			line = runewidth.Truncate(line, width, "…")
		}
		if _, err := fmt.Fprintln(a.out, line); err != nil {
			return err
		}
	}
	var b strings.Builder
	if status.Remedy != "" {
		fmt.Fprintf(&b, "Hint: %s\n", status.Remedy)
	}
	if status.Provider == kind.RegionName {
		fmt.Fprintf(&b, "\n  AWS at %s\n  eval \"$(epi cloud env --name %[2]s)\"   makes a shell's AWS the region\n  epi cloud status --name %[2]s   lists its clusters\n", status.Enter.EndpointURL, status.Name)
	} else if status.Enter != nil {
		fmt.Fprintf(&b, "\n  export KUBECONFIG=%s\n", status.Enter.Kubeconfig)
		if status.Enter.DockerHost != "" {
			fmt.Fprintf(&b, "  export DOCKER_HOST=%s\n", status.Enter.DockerHost)
		}
		if status.Enter.EndpointURL != "" {
			fmt.Fprintf(&b, "  AWS at %s, for pods at %s\n", status.Enter.EndpointURL, status.Enter.PodEndpointURL)
		}
		fmt.Fprintf(&b, "  epi aws%s -- COMMAND   sets all of it, with AWS credentials\n", nameSuffix(status.Name))
	}
	_, err := fmt.Fprint(a.out, b.String())
	return err
}

// nameSuffix is the flag that names an environment in a command.
func nameSuffix(name string) string {
	if name == defaultName {
		return ""
	}
	return " --name " + name
}

// age is an elapsed time, in its two largest units.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		GroupID: "environment",
		Short:   "The environments of this machine, and its AWS regions",
		Long: `List prints the environments and the AWS regions (epi cloud) of this machine, with their
state as in epi status. It includes incomplete ones. It starts no container engine. An
environment in a stopped engine is unhealthy.`,
		Example: `  epi list
  epi list -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			list, err := lookAtAll(cmd.Context(), dirs)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(list)
			}
			return a.printList(list)
		},
	}
	a.outputFlag(cmd)
	return cmd
}

// lookAtAll reads the current state of all environments, at the same time.
func lookAtAll(ctx context.Context, dirs clusters.Dirs) ([]environmentStatus, error) {
	names, err := clusters.EnvironmentNames(dirs)
	if err != nil {
		return nil, err
	}
	if found, err := engine.Running(ctx, engine.Options{Dirs: dirs}); err == nil {
		labelled, err := kind.Labelled(ctx, found)
		if err != nil {
			return nil, err
		}
		names = append(names, labelled...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	list := make([]environmentStatus, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() {
			status, err := lookAt(ctx, dirs, name)
			if err != nil {
				status.State, status.Parts = stateIncomplete, []health.Part{{Name: "record", State: reports.FirstLine(err.Error())}}
				status.Remedy = clusters.Remedy(err)
			}
			list[i] = status
		})
	}
	group.Wait()
	return list, ctx.Err()
}

func (a *app) printList(list []environmentStatus) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.err, "No environment is up; bring one up with: epi up")
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tPROVIDER\tSTATE\tAGE\tKUBERNETES\tNODES\tWHY")
	for _, status := range list {
		since, why := "–", ""
		if status.Since != nil {
			since = age(a.now().Sub(*status.Since))
		}
		if i := slices.IndexFunc(status.Parts, func(p health.Part) bool { return !p.Healthy }); i >= 0 {
			why = status.Parts[i].Name + ": " + status.Parts[i].State
			if width := a.width(); width > 0 {
				why = runewidth.Truncate(why, max(width-60, 20), "…")
			}
		}
		provider, nodes := cmp.Or(status.Provider, "–"), strconv.Itoa(status.Nodes)
		if status.Provider == kind.RegionName {
			// A region's clusters have nodes, which epi cloud status lists.
			provider, nodes = "AWS region", "–"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", status.Name, provider, status.State, since, cmp.Or(status.KubernetesVersion, "–"), nodes, why)
	}
	return table.Flush()
}
