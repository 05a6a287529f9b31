// Command epi tells whether EKS Pod Identity works, how fast it is and where it breaks: on this
// machine, with a kind cluster and an AWS emulator, or on a cluster of the user's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first interrupt ends the context, and whoever made something removes it. A second one
	// ends the program at once: the default, which stop restores.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, newApp(os.Stdout, os.Stderr, os.LookupEnv), os.Args[1:])
	stop()
	os.Exit(code)
}
