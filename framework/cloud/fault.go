package cloud

import (
	"context"
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
)

// FailOnce makes EKS Auth answer the next request about the association with an error. It needs
// clusters.EmulatorControl.
func FailOnce(ctx context.Context, env *framework.Env, association *Association, refusal control.Refusal) {
	env.T.Helper()
	if env.Control == nil {
		env.T.Fatalf("add a fault: the environment has no control API, though it says so")
	}
	fault, err := env.Control.AddFault(ctx, control.Fault{Association: association.ID, Count: 1, Error: &refusal})
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	env.T.Cleanup("fault "+fault.ID, func(ctx context.Context) error {
		err := env.Control.RemoveFault(ctx, fault.ID)
		if status, ok := errors.AsType[*control.StatusError](err); ok && status.Status == http.StatusNotFound {
			return nil
		}
		return err
	})
}
