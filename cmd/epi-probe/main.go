// Command epi-probe runs in test pods. It waits, and when a spec executes it in a container it does one check as any
// workload would, with the AWS SDK's default credential chain, and prints the result.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

// version is set by the linker.
var version = "devel"

const usage = `epi-probe does what a workload does with EKS Pod Identity.

  epi-probe pause                    wait for a signal
  epi-probe do [FLAGS] OP [ARG...]   one check; one JSON object on standard output
  epi-probe ask                      HTTP requests as JSON from standard input; JSON on standard output
  epi-probe s3 cp s3://BUCKET/KEY -  an object to standard output, as the AWS CLI would
  epi-probe client [FLAGS] -- PROGRAM [ARG...]
                                     another AWS client's check, on terms of ours; one JSON object
  epi-probe load                     open-loop load as JSON from standard input; its result as JSON
  epi-probe null ADDRESS             answer every request with 1 KB until a signal, to measure load itself
  epi-probe calibrate [--rate N] URL what load measures of a null handler: its ceiling and its own latency
  epi-probe meter [FLAGS] ID...      CPU and memory of containers on this node, by ID, as JSON
  epi-probe machine [FLAGS]          CPU, memory and kernel of this node, as JSON
  epi-probe version

Operations:
  identity                 who the default credential chain makes of this process
  s3-cp|s3-get|s3-head BUCKET KEY
  first-object BUCKET KEY  credentials, then the object: when the program had which
  s3-put BUCKET KEY TEXT
  s3-list BUCKET [PREFIX]
  env                      the container-credential variables, without secrets
  token [FILE]             the claims of the projected token, never the token
  imds                     instance metadata: a session token and the role's name
  imds-rules               instance metadata: what it refuses
  http METHOD URL          one request; credentials in the answer are redacted
  links                    links, addresses and routes of this network
  remove-address IP        remove an address from this network
  clock                    the time on this node
  refresh TIMES            credentials, so many times, of one configuration of the SDK

The exit code of do is 0 whenever the check could be made: a refusal by AWS is a result.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	awsCLIError = 254 // the AWS CLI's exit code if a service refuses
)

// errUsage marks errors of the command line.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = io.WriteString(stderr, usage)
		return exitUsage
	}
	var err error
	switch args[0] {
	case "pause":
		<-ctx.Done()
		return exitOK
	case "version":
		_, err = fmt.Fprintln(stdout, version)
	case "do":
		err = do(ctx, args[1:], stdout, stderr)
	case probe.CommandAsk:
		err = ask(ctx, os.Stdin, stdout)
	case "load":
		err = makeLoad(ctx, os.Stdin, stdout)
	case "meter", "machine":
		err = measure(args, stdout, stderr)
	case "calibrate":
		err = calibrate(ctx, args[1:], stdout, stderr)
	case "null":
		err = null(ctx, args[1:], stdout)
	case "client":
		err = runClient(ctx, args[1:], stdout, stderr)
	case "s3":
		return copyObject(ctx, args[1:], stdout, stderr)
	case "help", "-h", "--help":
		_, err = io.WriteString(stdout, usage)
	default:
		err = fmt.Errorf("%w: unknown command %q", errUsage, args[0])
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprintf(stderr, "Error: %v\n\n%s", err, usage)
		return exitUsage
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// do runs one operation and prints its result.
func do(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := check{began: time.Now()}
	flags := flag.NewFlagSet("do", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&c.timeout, "timeout", defaultTimeout, "time for the whole check")
	flags.IntVar(&c.attempts, "attempts", 1, "attempts of each AWS request")
	flags.BoolVar(&c.body, "body", false, "s3-get, s3-cp: print the object's contents too (base64)")
	flags.StringVar(&c.tokenFile, "token-file", "", "http: send the contents of this file as the Authorization header")
	flags.Var(&c.header, "header", "http: a header as Name: value; may be repeated")
	output := flags.String("output", "-", "file to write the result to, such as the container's termination log")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("%w: no operation given", errUsage)
	}
	operation, operands := flags.Arg(0), flags.Args()[1:]
	known, ok := operations[operation]
	if !ok {
		return fmt.Errorf("%w: unknown operation %q", errUsage, operation)
	}
	if len(operands) < known.atLeast || len(operands) > known.atMost {
		return fmt.Errorf("%w: operation %s takes %s", errUsage, operation, known.operands)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	data, err := json.Marshal(known.run(&c, ctx, operands))
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	data = append(data, '\n')
	if *output == "-" {
		_, err = stdout.Write(data)
	} else {
		err = os.WriteFile(*output, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// operation is one entry of the list of operations.
type operation struct {
	atLeast, atMost int
	operands        string
	run             func(c *check, ctx context.Context, operands []string) any
}

var operations = map[string]operation{
	probe.OpIdentity:      {0, 0, "no operand", (*check).identity},
	probe.OpCopy:          {2, 2, "BUCKET KEY", (*check).copyObject},
	probe.OpGet:           {2, 2, "BUCKET KEY", (*check).getObject},
	probe.OpHead:          {2, 2, "BUCKET KEY", (*check).headObject},
	probe.OpFirstObject:   {2, 2, "BUCKET KEY", (*check).firstObject},
	probe.OpPut:           {3, 3, "BUCKET KEY TEXT", (*check).putObject},
	probe.OpList:          {1, 2, "BUCKET [PREFIX]", (*check).list},
	probe.OpVariables:     {0, 0, "no operand", (*check).variables},
	probe.OpToken:         {0, 1, "[FILE]", (*check).token},
	probe.OpMetadata:      {0, 0, "no operand", (*check).metadata},
	probe.OpMetadataRules: {0, 0, "no operand", (*check).metadataRules},
	probe.OpHTTP:          {2, 2, "METHOD URL", (*check).http},
	probe.OpLinks:         {0, 0, "no operand", (*check).links},
	probe.OpClock:         {0, 0, "no operand", (*check).clock},
	probe.OpRemoveAddress: {1, 1, "IP", (*check).removeAddress},
	probe.OpSpareDummy:    {1, 1, "NAME", (*check).spareDummy},
	probe.OpRefresh:       {1, 1, "TIMES", (*check).refresh},
}

// copyObject is `epi-probe s3 cp s3://bucket/key -`, with the AWS CLI's texts and exit codes.
func copyObject(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) != 3 || args[0] != "cp" || !strings.HasPrefix(args[1], "s3://") {
		_, _ = io.WriteString(stderr, "Usage: epi-probe s3 cp s3://BUCKET/KEY FILE, or - for standard output\n")
		return exitUsage
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(args[1], "s3://"), "/")
	ctx, cancel := context.WithTimeout(ctx, defaultTimeout)
	defer cancel()
	c := &check{timeout: defaultTimeout, attempts: 1}
	contents, failure := c.download(ctx, bucket, key)
	if failure != nil {
		_, _ = fmt.Fprintln(stderr, commandLineMessage(failure))
		return awsCLIError
	}
	if args[2] == "-" {
		if _, err := stdout.Write(contents); err != nil {
			_, _ = fmt.Fprintln(stderr, err)
			return exitFailed
		}
		return exitOK
	}
	file := args[2]
	if slices.Contains([]string{".", "./"}, file) {
		file = path.Base(key)
	}
	if err := os.WriteFile(file, contents, 0o644); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitFailed
	}
	_, _ = fmt.Fprintf(stdout, "download: %s to %s\n", args[1], file)
	return exitOK
}

// commandLineMessage is the AWS CLI's text for a failure.
func commandLineMessage(f *probe.Failure) string {
	switch f.Class {
	case probe.NoCredentials:
		return `Unable to locate credentials. You can configure credentials by running "aws configure".`
	case probe.APIError:
		code := f.Code
		if f.Operation == "HeadObject" { // a HEAD answer has no body, so the status is its only code
			code = fmt.Sprint(f.Status)
		}
		return fmt.Sprintf("fatal error: An error occurred (%s) when calling the %s operation: %s", code, f.Operation, f.Message)
	default:
		return "fatal error: " + f.String()
	}
}
