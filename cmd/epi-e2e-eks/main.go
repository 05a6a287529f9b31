// Command epi-e2e-eks tests everything once on EKS, without AWS: in a region of `epi cloud up` the real eksctl creates a
// cluster, and `epi run --provider eks` tests it. The command then checks that each creation has its deletion. It is a tool
// of this repository and not part of a release.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
)

// Exit codes: those of epi, and 1 also if something is left.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitError       = 3
	exitInterrupted = 130
)

// account is that of every region.
const account = "123456789012"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code, err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		code = exitInterrupted
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	os.Exit(code)
}

// end has a region and an environment in it.
type end struct {
	program, name string
	// delay is how long a change in IAM takes to count. throttling is the share of throttled requests.
	delay      time.Duration
	throttling float64
	out, errs  io.Writer
}

func run(ctx context.Context, args []string, out, errs io.Writer) (code int, err error) {
	e := &end{out: out, errs: errs}
	flags := flag.NewFlagSet("epi-e2e-eks", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.StringVar(&e.program, "epi", "bin/epi", "the program")
	flags.StringVar(&e.name, "name", "e2e-eks", "name of the region, and the beginning of the environment's")
	flags.DurationVar(&e.delay, "iam-propagation-delay", 0, "how long a change in IAM takes to count, as on AWS it takes seconds")
	flags.Float64Var(&e.throttling, "throttling", 0, "share of the requests to IAM, EKS, EC2, CloudFormation and ECR that are refused as too many, 0 to 1")
	flags.Usage = func() {
		_, _ = fmt.Fprintln(errs, "Usage: epi-e2e-eks [flags] [-- flags of epi run, such as --label-filter ABAC-02]")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0, nil
	case err != nil:
		return exitUsage, nil // it has been reported
	}
	if err := clusters.CheckName(e.name); err != nil {
		return exitUsage, err
	}
	if e.throttling < 0 || e.throttling >= 1 {
		return exitUsage, fmt.Errorf("-throttling: %g is not 0 to below 1", e.throttling)
	}
	began := time.Now()
	defer func() {
		// This happens also after an interrupt, because nothing may stay.
		removal, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		if downErr := e.epi(removal, nil, "cloud", "down", "--name", e.name); downErr != nil {
			code, err = max(code, exitError), errors.Join(err, downErr)
		}
		_, _ = fmt.Fprintf(out, "epi-e2e-eks: exit code %d after %s\n", code, time.Since(began).Round(time.Second))
	}()
	if err := e.epi(ctx, nil, "cloud", "up", "--name", e.name, "--iam-propagation-delay", e.delay.String()); err != nil {
		return exitError, err
	}
	env, err := load(e.name)
	if err != nil {
		return exitError, err
	}
	if err := e.throttle(ctx, env); err != nil {
		return exitError, err
	}
	code, err = e.test(ctx, env, flags.Args())
	if ctx.Err() != nil {
		return code, err
	}
	if leftErr := e.left(ctx, env); leftErr != nil {
		code, err = max(code, exitFailed), errors.Join(err, leftErr)
	}
	return code, err
}

// throttle makes the services throttle a share of the requests that change and describe resources. AWS does not throttle
// pods' sessions at this rate.
func (e *end) throttle(ctx context.Context, env *clusters.Environment) error {
	if e.throttling == 0 {
		return nil
	}
	region := control.New(env.Control.URL, env.Control.Token)
	for _, service := range []string{"iam", "eks", "ec2", "cloudformation", "ecr"} {
		if _, err := region.AddFault(ctx, control.Fault{Service: service, Probability: e.throttling, Error: &control.Refusal{Kind: control.Throttling}}); err != nil {
			return err
		}
	}
	return nil
}

// environment is the name of the environment in the region.
func (e *end) environment() string { return e.name + "-run" }

// test creates a cluster in the region, tests and removes it. The code is that of epi run.
func (e *end) test(ctx context.Context, env *clusters.Environment, more []string) (int, error) {
	err := e.epi(ctx, variables(env), append(inRegion(env, "run", e.environment()), more...)...)
	if err == nil {
		return 0, nil
	}
	code := exitError
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.ExitCode() > 0 {
		code = ended.ExitCode()
	}
	if ctx.Err() != nil {
		return code, err // epi run has removed what it created
	}
	// If epi run could not remove the environment, this shows why. If it could, it does nothing.
	if downErr := e.epi(ctx, variables(env), "down", "--name", e.environment()); downErr != nil {
		err = errors.Join(err, downErr)
	}
	return code, err
}

// inRegion has the arguments of a command of epi for an environment with a cluster of its own in the region.
func inRegion(region *clusters.Environment, command, name string) []string {
	return []string{
		command, "--provider", "eks", "--yes", "--name", name, "--account", account, "--region", region.Region,
		"--probe-image", region.ProbeImage, "--pod-aws-endpoint-url", region.AWS.PodEndpointURL,
	}
}

// left returns an error if anything of the environment exists, by epi janitor's result and by the calls.
func (e *end) left(ctx context.Context, env *clusters.Environment) error {
	var listed bytes.Buffer
	janitor := &end{program: e.program, name: e.name, out: &listed, errs: e.errs}
	var problems []error
	if err := janitor.epi(ctx, variables(env), "janitor", "--account", account, "--older-than", "0s", "-o", "json"); err != nil {
		problems = append(problems, err)
	}
	var found []struct{ Kind, ID string }
	if err := json.Unmarshal(listed.Bytes(), &found); err != nil {
		problems = append(problems, fmt.Errorf("read what epi janitor lists: %w", err))
	}
	for _, one := range found {
		problems = append(problems, fmt.Errorf("epi janitor finds %s %s", one.Kind, one.ID))
	}
	region := control.New(env.Control.URL, env.Control.Token)
	wanted, err := region.Wanted(ctx, "", 0)
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	for _, cluster := range wanted.Clusters {
		problems = append(problems, fmt.Errorf("cluster %s is %s", cluster.Name, cluster.Status))
	}
	counts, err := region.Counts(ctx)
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	balance := balanceOf(counts)
	_, _ = fmt.Fprintln(e.out, "What was made and removed, by the calls:")
	for _, b := range balance {
		_, _ = fmt.Fprintf(e.out, "  %-16s %-32s %5d made %5d removed\n", b.service, b.what, b.made, b.removed)
		if b.made > b.removed {
			problems = append(problems, fmt.Errorf("%s: %d of %s were made, and %d removed", b.service, b.made, b.what, b.removed))
		}
	}
	if len(balance) == 0 {
		problems = append(problems, errors.New("no call made anything"))
	}
	return errors.Join(problems...)
}

// load returns the record of the region or of an environment.
func load(name string) (*clusters.Environment, error) {
	dirs, err := clusters.FindDirs(clusters.Dirs{}, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return clusters.LoadEnvironment(dirs, name)
}

// variables are the variables for AWS clients in a region.
func variables(env *clusters.Environment) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "EPI_") || strings.HasPrefix(v, "KUBECONFIG=")
	})
	return append(kept,
		"AWS_ENDPOINT_URL="+env.AWS.EndpointURL, "AWS_REGION="+env.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+env.AWS.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+env.AWS.SecretAccessKey,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
	)
}

// epi runs epi, with its own variables unless they are nil. It passes an interrupt on and waits for the end.
func (e *end) epi(ctx context.Context, variables []string, args ...string) error {
	command := exec.CommandContext(ctx, e.program, args...)
	command.Env, command.Stdout, command.Stderr = variables, e.out, e.errs
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	// epi has its own group, so that it gets a terminal's interrupt once, from here.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	_, _ = fmt.Fprintf(e.errs, "$ epi %s\n", strings.Join(args, " "))
	if err := command.Run(); err != nil {
		return fmt.Errorf("epi %s: %w", args[0], err)
	}
	return nil
}
