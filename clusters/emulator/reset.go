package emulator

import (
	"context"
	"fmt"

	"github.com/podidentity/epi/clusters/emulator/imds"
)

// hops is the listener of the instance metadata with the hop limit it began with.
type hops struct {
	listener *imds.Listener
	limit    int
}

// Reset implements control.Resetter: accounts, buckets, associations and add-ons are as they were at
// the very start, and so is the instance metadata. Clusters stay known, without their associations.
// Credentials of the administrator and the nodes stay valid; all others are gone.
func (e *Emulator) Reset(context.Context) error {
	e.reset.Lock()
	defer e.reset.Unlock()
	old := e.cloud.Load()
	if e.options.State != nil {
		if err := e.options.State.Clear(); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	fresh, err := e.newCloud(old.accounts.SessionKey())
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
	if e.hops.listener != nil {
		if err := e.hops.listener.SetHopLimit(e.hops.limit); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	return nil
}
