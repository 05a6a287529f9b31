// Command epi says whether EKS Pod Identity works, how fast it is and where it breaks: on this machine, with a kind cluster
// and an AWS emulator, or on a user's cluster.
package main

import (
	"context"
	"os"
)

func main() {
	a := newApp(newStream(os.Stdout), newStream(os.Stderr), os.LookupEnv)
	a.environ = os.Environ
	start(a)
}

// start runs a as the program and does not return.
func start(a *app) {
	signals, ctx := a.newInterrupts(context.Background())
	signals.watch()
	os.Exit(run(ctx, a, os.Args[1:]))
}
