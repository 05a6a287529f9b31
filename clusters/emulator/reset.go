package emulator

import (
	"context"
	"fmt"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// hops is the hop limiter of the instance metadata, with its initial limit.
type hops struct {
	limiter control.HopLimiter
	limit   int
}

// keptTables belong to the operator of the emulator, not to its accounts.
var keptTables = []string{"tls"}

// Reset implements control.Resetter. Accounts, buckets, associations, add-ons and the instance metadata return to their
// initial state. Clusters stay known, without their associations. Credentials of the administrator and the nodes stay
// valid. All others are gone.
func (e *Emulator) Reset(context.Context) error {
	// The reset would wait for requests that a fault delays.
	e.faults.Clear()
	// It would also wait for requests whose bodies are incomplete.
	e.limits.Interrupt()
	e.reset.Lock()
	defer e.reset.Unlock()
	old := e.cloud.Load()
	if e.options.State != nil {
		if err := e.options.State.Clear(keptTables...); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	fresh, err := e.newCloud(old.accounts.SessionKey()) //nolint:contextcheck // what is kept is read to its end
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	for _, cluster := range old.eks.Clusters() {
		if err := fresh.eks.RegisterCluster(cluster); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	e.cloud.Store(fresh)
	old.eks.Close()
	if err := e.metadata.Reset(); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if e.hops.limiter != nil {
		if err := e.hops.limiter.SetHopLimit(e.hops.limit); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	return nil
}
