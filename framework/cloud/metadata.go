package cloud

import (
	"context"

	"github.com/podidentity/epi/framework"
)

// SetHopLimit changes the hop limit of the nodes' instance metadata and sets it back to what it was,
// also after a failure or an interrupt. It needs clusters.EmulatorControl.
func SetHopLimit(ctx context.Context, env *framework.Env, hopLimit int) {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("set hop limit: the environment has no control API, though it says so")
	}
	before, err := env.Control.HopLimit(ctx)
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	env.T.Cleanup("hop limit of instance metadata", func(ctx context.Context) error { return env.Control.SetHopLimit(ctx, before) })
	if err := env.Control.SetHopLimit(ctx, hopLimit); err != nil {
		env.T.Fatalf("%v", err)
	}
}
