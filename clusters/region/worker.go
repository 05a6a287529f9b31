package region

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// Codes of health issues, of ClusterIssue, Issue and AddonIssue of the EKS API.
const (
	codeUnreachable   = "ClusterUnreachable"
	codeNodeFailure   = "NodeCreationFailure"
	codeInternalError = "InternalFailure"
	codeOther         = "Other"
)

// worker brings one cluster to its wanted state.
type worker struct {
	options Options
	news    chan struct{}

	mu     sync.Mutex
	wanted control.WantedCluster
	ended  bool
	// cancel ends the current work if the cluster is to be deleted instead.
	cancel context.CancelFunc

	// failures counts consecutive failed attempts at the control plane, the first of which was at since. reported is the
	// last reported status.
	failures int
	since    time.Time
	reported string
	parts    map[string]*part
}

// part is what a worker keeps about a node group or an add-on, by its ID.
type part struct {
	failures int
	// since is when it was first seen incomplete.
	since time.Time
}

// report gives the worker the current wanted state.
func (w *worker) report(wanted control.WantedCluster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wanted.Delete && !w.wanted.Delete && w.cancel != nil {
		w.cancel()
	}
	w.wanted = wanted
	w.wake()
}

// end ends the worker, because the cluster is no longer wanted.
func (w *worker) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.cancel != nil {
		w.cancel()
	}
	w.wake()
}

// wake requires that the caller holds the lock.
func (w *worker) wake() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// run repeats settle: after a change of the wanted state, and otherwise at intervals.
func (w *worker) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		case <-time.After(w.options.Look):
		}
		w.mu.Lock()
		wanted := w.wanted
		if w.ended {
			w.mu.Unlock()
			return
		}
		pass, cancel := context.WithCancel(ctx)
		w.cancel = cancel
		w.mu.Unlock()
		err := w.settle(pass, wanted)
		stale := errors.Is(err, control.ErrStale)
		if err != nil && !stale && pass.Err() == nil {
			w.options.Log.Warn("Cannot settle cluster", "cluster", wanted.Name, "error", err)
			pause(pass, afterError)
		}
		cancel()
	}
}

// settle is one pass.
func (w *worker) settle(ctx context.Context, wanted control.WantedCluster) error {
	if wanted.Delete {
		return w.remove(ctx, wanted)
	}
	if wanted.Status == control.Failed && w.reported == "" {
		// A cluster that an earlier maker has reported as failed stays so, unless it runs.
		w.reported = control.Failed
	}
	cluster, err := w.options.Backend.Cluster(ctx, wanted, wanted.Status == "CREATING")
	if err != nil {
		return w.failed(ctx, wanted, err)
	}
	w.failures = 0
	if w.reported != control.Active || wanted.Status != control.Active {
		report := control.Observed{ID: wanted.ID, Status: control.Active, Cluster: &cluster}
		if err := w.options.Control.Observe(ctx, wanted.Name, report); err != nil {
			return err
		}
		w.reported = control.Active
		w.options.Log.Info("Cluster is active", "cluster", wanted.Name, "endpoint", cluster.Endpoint)
	}
	var problems []error
	for _, group := range wanted.Nodegroups {
		problems = append(problems, w.nodegroup(ctx, wanted, group))
	}
	for _, addon := range wanted.Addons {
		problems = append(problems, w.addon(ctx, wanted, addon))
	}
	w.forget(wanted)
	return errors.Join(problems...)
}

// forget drops what is kept about removed parts.
func (w *worker) forget(wanted control.WantedCluster) {
	maps.DeleteFunc(w.parts, func(id string, _ *part) bool {
		return !slices.ContainsFunc(wanted.Nodegroups, func(g control.WantedNodegroup) bool { return g.ID == id }) &&
			!slices.ContainsFunc(wanted.Addons, func(a control.WantedAddon) bool { return a.ID == id })
	})
}

func (w *worker) remove(ctx context.Context, wanted control.WantedCluster) error {
	if err := w.options.Backend.Remove(ctx, wanted.ID); err != nil {
		w.failures++
		if w.failures == w.options.Attempts {
			report := control.Observed{ID: wanted.ID, Status: control.Failed, Issues: issueOf(codeOther, err)}
			return errors.Join(err, w.options.Control.Observe(ctx, wanted.Name, report))
		}
		return err
	}
	w.options.Log.Info("Cluster is gone", "cluster", wanted.Name)
	return w.options.Control.Observe(ctx, wanted.Name, control.Observed{ID: wanted.ID, Status: control.Gone})
}

// failed counts a failure, and reports it when it is certain.
func (w *worker) failed(ctx context.Context, wanted control.WantedCluster, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if w.failures++; w.failures == 1 {
		w.since = w.options.Now()
	}
	// On a busy machine a running control plane may not answer for a short time. EKS calls it ACTIVE meanwhile.
	certain := errors.Is(err, ErrLost) || errors.Is(err, ErrUnsupported) ||
		w.failures >= w.options.Attempts && (wanted.Status != control.Active || w.options.Now().Sub(w.since) >= w.options.Settle)
	if !certain {
		return err
	}
	if w.reported == control.Failed {
		return w.removeParts(ctx, wanted) // the rest is reported already
	}
	code := codeOther
	if wanted.Status == control.Active {
		code = codeUnreachable
	}
	if reportErr := w.options.Control.Observe(ctx, wanted.Name, control.Observed{ID: wanted.ID, Status: control.Failed, Issues: issueOf(code, err)}); reportErr != nil {
		return errors.Join(err, reportErr)
	}
	w.reported = control.Failed
	return errors.Join(err, w.removeParts(ctx, wanted))
}

// removeParts removes the parts to delete of a cluster that does not answer.
func (w *worker) removeParts(ctx context.Context, wanted control.WantedCluster) error {
	var problems []error
	for _, group := range wanted.Nodegroups {
		if group.Delete {
			problems = append(problems, w.nodegroup(ctx, wanted, group))
		}
	}
	for _, addon := range wanted.Addons {
		if addon.Delete {
			problems = append(problems, w.options.Control.ObserveAddon(ctx, wanted.Name, addon.Name, control.ObservedPart{ID: addon.ID, Status: control.Gone}))
		}
	}
	return errors.Join(problems...)
}

// part returns what is kept about a part.
func (w *worker) part(id string) *part {
	if _, ok := w.parts[id]; !ok {
		w.parts[id] = &part{}
	}
	return w.parts[id]
}

func (w *worker) nodegroup(ctx context.Context, wanted control.WantedCluster, group control.WantedNodegroup) error {
	p := w.part(group.ID)
	observe := func(report control.ObservedPart) error {
		report.ID = group.ID
		return w.options.Control.ObserveNodegroup(ctx, wanted.Name, group.Name, report)
	}
	if group.Delete {
		if err := w.options.Backend.RemoveNodegroup(ctx, wanted, group.ID); err != nil {
			return p.giveUp(w.options.Attempts, err, func() error {
				return observe(control.ObservedPart{Status: control.Failed, Issues: issueOf(codeInternalError, err)})
			})
		}
		return observe(control.ObservedPart{Status: control.Gone})
	}
	if group.Status == "CREATE_FAILED" || group.Status == "DELETE_FAILED" {
		return nil
	}
	instances, issues, err := w.options.Backend.Nodegroup(ctx, wanted, group)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return p.giveUp(w.options.Attempts, err, func() error {
			report := control.ObservedPart{Status: control.Failed, Issues: issueOf(codeNodeFailure, err)}
			if group.Status != "CREATING" {
				report.Status, report.Instances = control.Degraded, instances
			}
			return observe(report)
		})
	}
	p.failures = 0
	if !p.settled(len(issues) > 0, w.options) {
		return nil
	}
	status := control.Active
	if len(issues) > 0 {
		status = control.Degraded
	}
	return observe(control.ObservedPart{Status: status, Issues: issues, Instances: instances})
}

func (w *worker) addon(ctx context.Context, wanted control.WantedCluster, addon control.WantedAddon) error {
	p := w.part(addon.ID)
	observe := func(report control.ObservedPart) error {
		report.ID = addon.ID
		return w.options.Control.ObserveAddon(ctx, wanted.Name, addon.Name, report)
	}
	if addon.Delete {
		if err := w.options.Backend.RemoveAddon(ctx, wanted, addon); err != nil {
			return p.giveUp(w.options.Attempts, err, func() error {
				return observe(control.ObservedPart{Status: control.Failed, Issues: issueOf(codeInternalError, err)})
			})
		}
		return observe(control.ObservedPart{Status: control.Gone})
	}
	issues, settling, err := w.options.Backend.Addon(ctx, wanted, addon)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return p.giveUp(w.options.Attempts, err, func() error {
			return observe(control.ObservedPart{Status: control.Degraded, Issues: issueOf(codeInternalError, err)})
		})
	}
	p.failures = 0
	if !p.settled(len(issues) > 0 && settling, w.options) {
		return nil
	}
	if len(issues) > 0 {
		return observe(control.ObservedPart{Status: control.Degraded, Issues: issues})
	}
	return observe(control.ObservedPart{Status: control.Active})
}

// giveUp calls tell after that number of consecutive failures, and again after each further one.
func (p *part) giveUp(attempts int, err error, report func() error) error {
	p.failures++
	if p.failures < attempts {
		return err
	}
	return errors.Join(err, report())
}

// settled says whether to report now: at once if nothing is pending, and otherwise after some time.
func (p *part) settled(pending bool, options Options) bool {
	if !pending {
		p.since = time.Time{}
		return true
	}
	if p.since.IsZero() {
		p.since = options.Now()
	}
	return options.Now().Sub(p.since) >= options.Settle
}
