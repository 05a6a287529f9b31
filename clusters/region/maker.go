// Package region makes what the EKS of an AWS emulator is asked for: its Maker compares the clusters that are
// wanted with those that there are, acts, and reports. It keeps nothing. One that begins anew, after whatever
// end, finds the same by looking.
package region

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// Control is what a Maker needs of the emulator's control API; control.Client has it.
type Control interface {
	Wanted(ctx context.Context, after string, wait time.Duration) (control.Wanted, error)
	Observe(ctx context.Context, cluster string, report control.Observed) error
	ObserveNodegroup(ctx context.Context, cluster, name string, report control.ObservedPart) error
	ObserveAddon(ctx context.Context, cluster, name string, report control.ObservedPart) error
}

// ErrLost is what a Backend returns of a cluster that was there and cannot be had again.
var ErrLost = errors.New("the cluster is lost")

// ErrUnsupported is wrapped by a Backend's errors that no repetition mends, such as a Kubernetes version that
// it does not have.
var ErrUnsupported = errors.New("not supported in this region")

// Backend has the clusters. Each method compares and acts: it may be called any number of times, after another
// process was killed in the middle of the same. Methods about different clusters may be called at once.
type Backend interface {
	// Clusters returns the IDs of all clusters of which anything is there.
	Clusters(ctx context.Context) ([]string, error)
	// Cluster makes a control plane, if it is not whole and may be made anew, and starts it, if it is stopped. It
	// returns how it is reached; ErrLost if it may not be made anew and is not there.
	Cluster(ctx context.Context, wanted control.WantedCluster, anew bool) (control.Cluster, error)
	// Nodegroup makes the nodes that are missing and removes those that are too many. It returns the nodes that
	// there are, and what is wrong with them; a node group is whole when nothing is.
	Nodegroup(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup) ([]control.ObservedInstance, []control.Issue, error)
	// RemoveNodegroup removes all nodes of a node group, by its ID.
	RemoveNodegroup(ctx context.Context, wanted control.WantedCluster, id string) error
	// Addon deploys an add-on or takes it over, and returns what is wrong with it; nothing if it runs. settling
	// says that it may yet come by itself.
	Addon(ctx context.Context, wanted control.WantedCluster, addon control.WantedAddon) (issues []control.Issue, settling bool, err error)
	// RemoveAddon removes an add-on from the cluster.
	RemoveAddon(ctx context.Context, wanted control.WantedCluster, addon control.WantedAddon) error
	// Remove removes a cluster with all its nodes, by its ID.
	Remove(ctx context.Context, id string) error
}

// Options of a Maker. Zero values of times mean the defaults.
type Options struct {
	Control Control
	Backend Backend
	Log     *slog.Logger
	// Look is how often clusters are looked at when nothing changes.
	Look time.Duration
	// Settle is how long an add-on or a node group may take before it is said to be degraded.
	Settle time.Duration
	// Attempts is how often something is tried before it has failed.
	Attempts int
	Now      func() time.Time
}

const (
	defaultLook     = 3 * time.Second
	defaultSettle   = 45 * time.Second
	defaultAttempts = 3
	// afterError is the pause before something that failed is tried again.
	afterError = time.Second
)

// Maker makes clusters. Its one method is Run.
type Maker struct {
	options Options
	workers map[string]*worker
	group   sync.WaitGroup
}

// New makes a Maker.
func New(options Options) *Maker {
	if options.Look == 0 {
		options.Look = defaultLook
	}
	if options.Settle == 0 {
		options.Settle = defaultSettle
	}
	if options.Attempts == 0 {
		options.Attempts = defaultAttempts
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Maker{options: options, workers: map[string]*worker{}}
}

// Run makes clusters until ctx ends, and returns when nothing is going on any more.
func (m *Maker) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer m.group.Wait()
	defer cancel()
	revision, reached := "", true
	for ctx.Err() == nil {
		wanted, err := m.options.Control.Wanted(ctx, revision, m.options.Look)
		if err != nil {
			if reached && ctx.Err() == nil {
				m.options.Log.Warn("The emulator is out of reach", "error", err)
			}
			reached, revision = false, ""
			pause(ctx, afterError)
			continue
		}
		reached, revision = true, wanted.Revision
		m.assign(ctx, wanted.Clusters)
		m.sweep(ctx, wanted.Clusters)
	}
}

// assign gives each cluster a worker, and the worker its news.
func (m *Maker) assign(ctx context.Context, clusters []control.WantedCluster) {
	wanted := map[string]bool{}
	for _, cluster := range clusters {
		wanted[cluster.ID] = true
		w, ok := m.workers[cluster.ID]
		if !ok {
			w = &worker{options: m.options, news: make(chan struct{}, 1), parts: map[string]*part{}}
			m.workers[cluster.ID] = w
			w.report(cluster)
			m.group.Go(func() { w.run(ctx) })
			continue
		}
		w.report(cluster)
	}
	for id, w := range m.workers {
		if !wanted[id] {
			w.end()
			delete(m.workers, id)
		}
	}
}

// sweep removes clusters that nobody wants, which a reset of the emulator or an end in the middle leaves.
func (m *Maker) sweep(ctx context.Context, clusters []control.WantedCluster) {
	there, err := m.options.Backend.Clusters(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.options.Log.Warn("Cannot list clusters", "error", err)
		}
		return
	}
	for _, id := range there {
		if slices.ContainsFunc(clusters, func(c control.WantedCluster) bool { return c.ID == id }) {
			continue
		}
		m.options.Log.Info("Removing a cluster that nobody wants", "id", id)
		if err := m.options.Backend.Remove(ctx, id); err != nil && ctx.Err() == nil {
			m.options.Log.Warn("Cannot remove cluster", "id", id, "error", err)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// issueOf is an error as a health issue.
func issueOf(code string, err error) []control.Issue {
	return []control.Issue{{Code: code, Message: fmt.Sprint(err)}}
}
