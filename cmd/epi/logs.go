package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/cmd/epi/nearest"
	"github.com/podidentity/epi/reports"
)

// logParts are the parts with logs.
var logParts = []string{"agent", "webhook", "emulator", "node", "engine"}

// logLine is a line, for programs.
type logLine struct {
	Part string `json:"part"`
	// Source is the pod with its container, the container or the file.
	Source string `json:"source"`
	Line   string `json:"line"`
}

// logSource is a source of lines.
type logSource struct {
	part, name string
	open       func(ctx context.Context) (io.ReadCloser, error)
}

func (a *app) logsCommand() *cobra.Command {
	var name string
	var tail int
	cmd := &cobra.Command{
		Use:     "logs [PART]",
		GroupID: "environment",
		Short:   "The logs of agent, webhook, emulator, nodes and engine of an environment",
		Long: `Logs prints the last lines of each part of an environment, or of one: agent, webhook,
emulator, node (kubelet and containerd), engine (epi's own container engine). Tokens
and keys are removed. Your own cluster has the parts agent and webhook.

The exit code is 3 if the named part cannot be read. Without a name it is 3 if no part can
be read.`,
		Example: `  epi logs
  epi logs agent --tail 200
  epi logs emulator -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one PART, or none for all of them, not %d", len(args))
			}
			if len(args) == 1 && !slices.Contains(logParts, args[0]) {
				return fmt.Errorf("there is no part %q%s; parts are %s", args[0], nearest.DidYouMean(args[0], "", logParts), strings.Join(logParts, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if tail < 1 || tail > maxTail {
				return usageError("flag --tail: %d is not between 1 and %d", tail, maxTail)
			}
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, err := loadEnvironment(dirs, name)
			if err != nil {
				return err
			}
			parts := logParts
			if len(args) == 1 {
				parts = args
			}
			return a.printLogs(cmd.Context(), dirs, env, parts, tail, len(args) == 1)
		},
		ValidArgsFunction: firstArgument(func(string) []cobra.Completion { return logParts }),
	}
	nameFlag(cmd.Flags(), &name, "name of the environment")
	cmd.Flags().IntVar(&tail, "tail", defaultTail, "how many of the last lines of each")
	a.outputFlag(cmd)
	return cmd
}

const (
	defaultTail = 50
	maxTail     = 100_000
)

// printLogs prints the logs of the parts. A part that was not named may be missing.
func (a *app) printLogs(ctx context.Context, dirs clusters.Dirs, env *clusters.Environment, parts []string, tail int, asked bool) error {
	var problems []error
	read := false
	for _, part := range parts {
		sources, err := logSources(ctx, dirs, env, part, tail)
		if err == nil && len(sources) == 0 {
			err = errors.New("the environment has none")
		}
		for _, source := range sources {
			err = errors.Join(err, a.printLog(ctx, source, tail))
		}
		switch {
		case err == nil:
			read = true
		case asked:
			problems = append(problems, &clusters.EnvironmentError{Doing: "read logs of " + part, Err: err, Remedy: "see what is wrong with the environment: epi status" + nameSuffix(env.Name)})
		default:
			_, _ = fmt.Fprintf(a.err, "Warning: no logs of %s: %s\n", part, reports.FirstLine(err.Error()))
		}
	}
	if !read && !asked {
		problems = append(problems, &clusters.EnvironmentError{Doing: "read logs", Err: errors.New("no part says anything"), Remedy: "see what is wrong with the environment: epi status" + nameSuffix(env.Name)})
	}
	return errors.Join(problems...)
}

func (a *app) printLog(ctx context.Context, source logSource, tail int) error {
	reader, err := source.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // read only
	lines, err := lastOf(reader, tail)
	if err != nil {
		return err
	}
	if a.output != "json" {
		if _, err := fmt.Fprintf(a.out, "==> %s: %s\n", source.part, source.name); err != nil {
			return err
		}
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	for _, line := range lines {
		line = reports.Redact(line)
		if a.output == "json" {
			err = encoder.Encode(logLine{Part: source.part, Source: source.name, Line: line})
		} else {
			_, err = fmt.Fprintln(a.out, line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lastOf returns the last lines of a text.
func lastOf(reader io.Reader, count int) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(reader)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if lines = append(lines, scanner.Text()); len(lines) > 2*count {
			lines = slices.Clone(lines[len(lines)-count:])
		}
	}
	return lines[max(0, len(lines)-count):], scanner.Err()
}

// logSources finds the sources of a part's lines.
func logSources(ctx context.Context, dirs clusters.Dirs, env *clusters.Environment, part string, tail int) ([]logSource, error) {
	switch part {
	case "agent":
		return podLogs(ctx, env, part, clusters.AgentNamespace, "app.kubernetes.io/name="+clusters.AgentName, tail)
	case "webhook":
		return podLogs(ctx, env, part, clusters.WebhookNamespace, "app.kubernetes.io/name="+clusters.WebhookName, tail)
	case "engine":
		file := engine.LogFile(dirs)
		if file == "" || env.Provider != kindProvider {
			return nil, nil
		}
		return []logSource{{part, file, func(context.Context) (io.ReadCloser, error) { return os.Open(file) }}}, nil
	}
	if env.Provider != kindProvider {
		return nil, nil
	}
	found, err := engine.Running(ctx, engine.Options{Dirs: dirs})
	if err != nil {
		return nil, err
	}
	containers, err := kind.Containers(ctx, found, env.Name)
	if err != nil {
		return nil, err
	}
	var sources []logSource
	for _, container := range containers {
		if (part == "emulator") == (container.Role == kind.RoleEmulator) {
			sources = append(sources, logSource{part, container.Name, containerLog(found, container, tail)})
		}
	}
	return sources, nil
}

// containerLog reads a container's log through its engine; for a running node, its journal.
func containerLog(found *engine.Engine, container kind.Container, tail int) func(context.Context) (io.ReadCloser, error) {
	args := []string{"logs", "--tail", fmt.Sprint(tail), container.Name}
	if container.Role == kind.RoleNode && container.State == "running" {
		args = []string{"exec", container.Name, "journalctl", "--no-pager", "--lines", fmt.Sprint(tail), "--unit", "kubelet", "--unit", "containerd"}
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		var text strings.Builder
		command := found.Command(args...)
		command.Log = &text // a program's log is on its standard error
		if err := command.Run(ctx); err != nil {
			return nil, err
		}
		return io.NopCloser(strings.NewReader(text.String())), nil
	}
}

func podLogs(ctx context.Context, env *clusters.Environment, part, namespace, selector string, tail int) ([]logSource, error) {
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Timeout = reachTime
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var sources []logSource
	lines := int64(tail)
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			options := &corev1.PodLogOptions{Container: container.Name, TailLines: &lines}
			sources = append(sources, logSource{part, pod.Name + "/" + container.Name, func(ctx context.Context) (io.ReadCloser, error) {
				return client.CoreV1().Pods(namespace).GetLogs(pod.Name, options).Stream(ctx)
			}})
		}
	}
	return sources, nil
}
