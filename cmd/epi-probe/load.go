package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/podidentity/epi/bench/load"
)

// makeLoad makes the load of a job and prints its result, also that of an interrupted one.
func makeLoad(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	job, err := load.DecodeJob(stdin)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	result, err := runJob(ctx, job)
	if result == nil {
		return err
	}
	return errors.Join(err, result.Encode(stdout))
}

// runJob runs a job with its target.
func runJob(ctx context.Context, job load.Job) (*load.Result, error) {
	// This is for a herd only, which is short. A sustained rate on a slow node would take its processors.
	if mayRaise() && job.Peak() == 0 {
		defer priority()()
	}
	if job.Target.S3 == nil {
		return job.Run(ctx)
	}
	target, err := newS3Target(ctx, *job.Target.S3)
	if err != nil {
		return nil, err
	}
	return job.RunOn(ctx, target)
}

// mayRaise says that this pod only makes load.
func mayRaise() bool { return os.Getenv(load.GeneratorVariable) != "" }

// calibrate measures this generator with a null handler and prints the calibration.
func calibrate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("calibrate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rate := flags.Float64("rate", 1000, "requests a second of the open loop")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("%w: calibrate takes the URL of a null handler", errUsage)
	}
	pacing := func() func() { return func() {} }
	calibration, err := load.Calibrate(ctx, load.HTTPOptions{URL: flags.Arg(0), Expect: load.Credentials}, *rate, pacing)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(calibration); err != nil {
		return fmt.Errorf("write the calibration: %w", err)
	}
	return nil
}

// null serves an address until it is stopped. Its first line is the address, because the port may be 0.
func null(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: null takes ADDRESS, such as 127.0.0.1:8080", errUsage)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	server := &http.Server{Handler: load.Null(), ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if _, err := fmt.Fprintf(stdout, "listening on %s\n", listener.Addr()); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the null handler: %w", err)
	}
	return nil
}
