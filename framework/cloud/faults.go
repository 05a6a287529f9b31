package cloud

import (
	"context"
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
)

// Fault is an intended failure of AWS's side, until it is removed.
type Fault struct {
	id  string
	env *framework.Env
}

// AddFault sets a fault until the end of the spec or an earlier Remove. It needs clusters.EmulatorControl. A fault without
// an association affects every request, so only a Serial spec may set it.
func AddFault(ctx context.Context, env *framework.Env, rule control.Fault) *Fault {
	env.T.Helper()
	needControl(env)
	added, err := env.Control.AddFault(ctx, rule)
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	fault := &Fault{id: added.ID, env: env}
	env.T.Cleanup("fault "+fault.id, fault.remove)
	return fault
}

// Remove ends the fault now.
func (f *Fault) Remove(ctx context.Context) {
	f.env.T.Helper()
	if err := f.remove(ctx); err != nil {
		f.env.T.Fatalf("%v", err)
	}
}

func (f *Fault) remove(ctx context.Context) error {
	err := f.env.Control.RemoveFault(ctx, f.id)
	if answer, ok := errors.AsType[*control.StatusError](err); ok && answer.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// SessionCalls returns the calls that EKS Auth received with the token, which is a secret. It needs
// clusters.EmulatorControl.
func SessionCalls(ctx context.Context, env *framework.Env, token string) []control.Call {
	env.T.Helper()
	needControl(env)
	calls, err := env.Control.CallsWhere(ctx, control.Query{
		Operation: "AssumeRoleForPodIdentity", Token: control.Fingerprint(token),
	}, 0)
	if err != nil {
		env.T.Fatalf("count calls to EKS Auth: %v", err)
	}
	return calls.Calls
}

func needControl(env *framework.Env) {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("ask the emulator's control API: the environment has none, though it says so")
	}
}
