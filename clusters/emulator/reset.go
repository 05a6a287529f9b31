package emulator

import (
	"context"
	"fmt"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// hops is who limits the hops of the instance metadata, with the limit it began with.
type hops struct {
	limiter control.HopLimiter
	limit   int
}

// keptTables belong to whoever runs the emulator, not to its accounts.
var keptTables = []string{"tls"}

// Reset implements control.Resetter: accounts, buckets, associations and add-ons are as they were at
// the very start, and so is the instance metadata. Clusters stay known, without their associations.
// Credentials of the administrator and the nodes stay valid; all others are gone.
func (e *Emulator) Reset(context.Context) error {
	// Requests that a fault holds would be waited for.
	e.faults.Clear()
	// So would those whose bodies are on their way.
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
