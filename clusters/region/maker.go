// Package region creates what the EKS of an AWS emulator is asked for. Its Maker compares the wanted clusters with the
// existing ones, acts, and reports. It stores nothing. A new Maker finds the same state after any end of the earlier one.
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

// Control is the part of the emulator's control API that a Maker needs. control.Client implements it.
type Control interface {
	Wanted(ctx context.Context, after string, wait time.Duration) (control.Wanted, error)
	Observe(ctx context.Context, cluster string, report control.Observed) error
	ObserveNodegroup(ctx context.Context, cluster, name string, report control.ObservedPart) error
	ObserveAddon(ctx context.Context, cluster, name string, report control.ObservedPart) error
}

// ErrLost is a Backend's error for a cluster that existed and cannot be restored.
var ErrLost = errors.New("the cluster is lost")

// ErrUnsupported is wrapped by a Backend's errors that a retry cannot fix, such as an unsupported Kubernetes version.
var ErrUnsupported = errors.New("not supported in this region")

// Backend has the clusters. Each method compares and acts. It may be called any number of times, also after another process
// was killed in the middle of the same. Methods for different clusters may be called at the same time.
type Backend interface {
	// Clusters returns the IDs of all clusters of which any part exists.
	Clusters(ctx context.Context) ([]string, error)
	// Cluster creates a control plane that is incomplete, if it may be created anew, and starts one that has stopped. It
	// returns the cluster's data. It returns ErrLost if the cluster is missing and may not be created anew.
	Cluster(ctx context.Context, wanted control.WantedCluster, anew bool) (control.Cluster, error)
	// Nodegroup creates missing nodes and removes surplus ones. It returns the existing nodes, and the problems with them.
	// A node group is complete if there are none.
	Nodegroup(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup) ([]control.ObservedInstance, []control.Issue, error)
	// RemoveNodegroup removes all nodes of a node group, by its ID.
	RemoveNodegroup(ctx context.Context, wanted control.WantedCluster, id string) error
	// Addon deploys or adopts an add-on, and returns the problems with it; none if it runs. settling says that it may still
	// become ready by itself.
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
	// Look is the interval of checks of clusters if nothing changes.
	Look time.Duration
	// Settle is how long an add-on or a node group may take before it is reported as degraded.
	Settle time.Duration
	// Attempts is the number of attempts before a failure counts.
	Attempts int
	Now      func() time.Time
}

const (
	defaultLook     = 3 * time.Second
	defaultSettle   = 45 * time.Second
	defaultAttempts = 3
	// afterError is the pause before an attempt after a failure.
	afterError = time.Second
)

// Maker creates clusters. Its only method is Run.
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

// Run creates clusters until ctx ends, and returns when all work has ended.
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

// assign gives each cluster a worker, and the worker the current wanted state.
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

// sweep removes clusters that are not wanted, which a reset of the emulator or an interruption leaves.
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

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// issueOf returns an error as a health issue.
func issueOf(code string, err error) []control.Issue {
	return []control.Issue{{Code: code, Message: fmt.Sprint(err)}}
}
