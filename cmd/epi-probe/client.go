package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

const (
	// clientTimeout bounds a client's program.
	clientTimeout = 20 * time.Second
	// endpointLife is longer than any SDK's margin, so no client renews such credentials. 10 s is less than the 15 s of SDK
	// for JavaScript v2 and the five minutes of others, so every client renews them.
	endpointLife = time.Hour
	// keptOutput is how much of the end of a client's output is kept.
	keptOutput = 2 << 10
)

// clientRun is a run of another AWS client's program.
type clientRun struct {
	timeout, life     time.Duration
	set, unset        repeated
	endpoint, answers string
	variable          bool
	program           []string
}

// repeated collects the values of a flag that may be repeated.
type repeated []string

func (w *repeated) String() string { return strings.Join(*w, ", ") }

func (w *repeated) Set(value string) error {
	*w = append(*w, value)
	return nil
}

// runClient runs a client's program with given variables, ends it after its time, and prints the result.
func runClient(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c clientRun
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&c.timeout, "timeout", clientTimeout, "time for the program")
	flags.Var(&c.set, "set", "a variable of the program, NAME=VALUE; may be repeated")
	flags.Var(&c.unset, "unset", "a variable that the program must not have; may be repeated")
	flags.StringVar(&c.endpoint, "endpoint", "", "credentials endpoint of the run's own, in place of the agent: loopback, pod or pod-https")
	flags.StringVar(&c.answers, "answers", "200", "HTTP statuses of its answers, with commas; the last is that of all that follow")
	flags.DurationVar(&c.life, "life", endpointLife, "life of its credentials")
	flags.BoolVar(&c.variable, "variable", false, "set AWS_CONTAINER_AUTHORIZATION_TOKEN too, to a token that must not be used")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if c.program = flags.Args(); len(c.program) == 0 {
		return fmt.Errorf("%w: no program given", errUsage)
	}
	result, err := c.run(ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(result); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func (c *clientRun) run(ctx context.Context) (result probe.ClientRun, err error) {
	variables := os.Environ()
	var standIn *endpoint
	if c.endpoint != "" {
		answers, err := statuses(c.answers)
		if err != nil {
			return result, err
		}
		dir, err := os.MkdirTemp("", "epi-endpoint-")
		if err != nil {
			return result, fmt.Errorf("start credentials endpoint: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		started, lead, stop, err := startEndpoint(ctx, c.endpoint, dir, answers, c.life)
		if err != nil {
			return result, err
		}
		defer stop()
		standIn, variables = started, append(variables, lead...)
		if c.variable {
			variables = append(variables, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+variableToken)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.program[0], c.program[1:]...)
	command.Env = without(append(variables, c.set...), c.unset)
	// This also ends its children, and does not wait for a pipe that one of them may hold.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	started := time.Now()
	ended := command.Run()
	if errors.Is(ended, exec.ErrWaitDelay) {
		_ = command.Cancel() // it succeeded and left a child that holds the pipe
		ended = nil
	}
	result = probe.ClientRun{Took: time.Since(started), Late: errors.Is(ctx.Err(), context.DeadlineExceeded)}
	if standIn != nil {
		result.Endpoint = standIn.seen()
	}
	// An SDK may print something on standard output before: SDK for Go v1 does.
	text := strings.TrimSpace(out.String())
	text = probe.Redact(text[strings.LastIndexByte(text, '\n')+1:])
	switch {
	case result.Late:
		result.Broken = fmt.Sprintf("it did not end in %s: %s", c.timeout, last(said.String()))
	case ended != nil:
		result.Broken = fmt.Sprintf("%v: %s", ended, last(said.String()))
	case !json.Valid([]byte(text)):
		result.Broken = fmt.Sprintf("it printed no result: %s %s", last(out.String()), last(said.String()))
	default:
		result.Output = json.RawMessage(text)
	}
	return result, nil
}

// last is the end of the output, without secrets.
func last(text string) string {
	text = probe.Redact(strings.TrimSpace(text))
	return text[max(0, len(text)-keptOutput):]
}

// without removes the named variables.
func without(variables, names []string) []string {
	var list []string
	for _, variable := range variables {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(names, name) {
			list = append(list, variable)
		}
	}
	return list
}

func statuses(text string) ([]int, error) {
	var list []int
	for _, value := range strings.Split(text, ",") {
		status, err := strconv.Atoi(value)
		if err != nil || http.StatusText(status) == "" {
			return nil, fmt.Errorf("%w: %q is not an HTTP status", errUsage, value)
		}
		list = append(list, status)
	}
	return list, nil
}

// refresh gets credentials of one configuration several times. The configuration decides when to request new ones.
func (c *check) refresh(ctx context.Context, operands []string) any {
	result := probe.Refresh{AccessKeyIDs: []string{}}
	count, err := strconv.Atoi(operands[0])
	if err != nil {
		result.Failure = &probe.Failure{Class: probe.CredentialsFailed, Operation: probe.OpRefresh, Message: err.Error()}
		return result
	}
	cfg, found, failure := c.credentials(ctx)
	for range count {
		if failure != nil {
			result.Failure = failure
			return result
		}
		result.AccessKeyIDs = append(result.AccessKeyIDs, probe.Shorten(found.AccessKeyID))
		if len(result.AccessKeyIDs) < count {
			found, failure = retrieve(ctx, cfg)
		}
	}
	return result
}
