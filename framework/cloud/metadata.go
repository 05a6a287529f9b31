package cloud

import (
	"context"

	"github.com/podidentity/epi/framework"
)

// SetHopLimit changes the hop limit of the nodes' instance metadata. It is restored at the end, also after a failure or an
// interrupt. It needs clusters.EmulatorControl.
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

// SetIMDSv1 sets whether the nodes' instance metadata answers requests without a session token. It is restored at the end,
// also after a failure or an interrupt. It needs clusters.EmulatorControl.
func SetIMDSv1(ctx context.Context, env *framework.Env, enabled bool) {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("set IMDSv1: the environment has no control API, though it says so")
	}
	before, err := env.Control.IMDSv1(ctx)
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	env.T.Cleanup("IMDSv1", func(ctx context.Context) error { return env.Control.SetIMDSv1(ctx, before) })
	if err := env.Control.SetIMDSv1(ctx, enabled); err != nil {
		env.T.Fatalf("%v", err)
	}
}
