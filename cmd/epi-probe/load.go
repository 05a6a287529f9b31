package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/podidentity/epi/bench/load"
)

// makeLoad makes the load of a job and prints its result, also of one that was interrupted.
func makeLoad(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	job, err := load.DecodeJob(stdin)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	result, err := job.Run(ctx)
	if result == nil {
		return err
	}
	return errors.Join(err, result.Encode(stdout))
}

// null answers at an address until it is told to stop. Its first line says where: the port may be 0.
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
