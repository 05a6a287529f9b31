package region

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// world is an emulator and a container engine: the wanted state, the existing one, and the reports. It survives a maker.
type world struct {
	mu       sync.Mutex
	revision int
	wanted   []control.WantedCluster
	news     chan struct{}
	// there are clusters by ID, which may be complete or not. nodes are those of node groups. deployed are the add-ons.
	there    map[string]bool
	nodes    map[string]int
	deployed map[string]bool
	// broken are methods that fail, with the error.
	broken   map[string]error
	issues   map[string][]control.Issue
	reported []string
	// dies is called at each step, with its number.
	steps int
	dies  func(step int)
	// asks is called, with the lock, on a request for a control plane.
	asks func()
}

func newWorld() *world {
	return &world{news: make(chan struct{}), there: map[string]bool{}, nodes: map[string]int{}, deployed: map[string]bool{}, broken: map[string]error{}, issues: map[string][]control.Issue{}}
}

// step is a point at which a maker may be killed. It needs no lock.
func (w *world) step() {
	w.mu.Lock()
	w.steps++
	step, dies := w.steps, w.dies
	w.mu.Unlock()
	if dies != nil {
		dies(step)
	}
}

// want changes the wanted state.
func (w *world) want(change func(*[]control.WantedCluster)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.wanted)
	w.changed()
}

func (w *world) changed() {
	w.revision++
	close(w.news)
	w.news = make(chan struct{})
}

func (w *world) Wanted(ctx context.Context, after string, wait time.Duration) (control.Wanted, error) {
	w.mu.Lock()
	news, revision := w.news, fmt.Sprint(w.revision)
	w.mu.Unlock()
	if revision == after {
		select {
		case <-news:
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.broken["Wanted"]; err != nil {
		return control.Wanted{}, err
	}
	out := control.Wanted{Revision: fmt.Sprint(w.revision)}
	for _, c := range w.wanted {
		c.Nodegroups, c.Addons = slices.Clone(c.Nodegroups), slices.Clone(c.Addons)
		out.Clusters = append(out.Clusters, c)
	}
	return out, nil
}

// find requires that the caller holds the lock.
func (w *world) find(name string) *control.WantedCluster {
	for n := range w.wanted {
		if w.wanted[n].Name == name {
			return &w.wanted[n]
		}
	}
	return nil
}

func (w *world) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if len(w.reported) == 0 || w.reported[len(w.reported)-1] != line {
		w.reported = append(w.reported, line)
	}
}

func (w *world) Observe(_ context.Context, name string, report control.Observed) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.find(name)
	if c == nil || c.ID != report.ID {
		return control.ErrStale
	}
	w.say("%s %s", name, report.Status)
	if report.Status == control.Gone {
		w.wanted = slices.DeleteFunc(w.wanted, func(c control.WantedCluster) bool { return c.Name == name })
	} else {
		c.Status = report.Status
	}
	w.changed()
	return nil
}

func (w *world) ObserveNodegroup(_ context.Context, cluster, name string, report control.ObservedPart) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.find(cluster)
	if c == nil {
		return control.ErrStale
	}
	index := slices.IndexFunc(c.Nodegroups, func(g control.WantedNodegroup) bool { return g.ID == report.ID })
	if index < 0 {
		return control.ErrStale
	}
	w.say("%s/%s %s", cluster, name, report.Status)
	switch report.Status {
	case control.Gone:
		c.Nodegroups = slices.Delete(slices.Clone(c.Nodegroups), index, index+1)
	case control.Failed:
		c.Nodegroups[index].Status = "CREATE_FAILED"
	default:
		c.Nodegroups[index].Status = report.Status
	}
	return nil
}

func (w *world) ObserveAddon(_ context.Context, cluster, name string, report control.ObservedPart) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.find(cluster)
	if c == nil {
		return control.ErrStale
	}
	w.say("%s/%s %s", cluster, name, report.Status)
	if report.Status == control.Gone {
		c.Addons = slices.DeleteFunc(slices.Clone(c.Addons), func(a control.WantedAddon) bool { return a.ID == report.ID })
	}
	return nil
}

func (w *world) Clusters(context.Context) (ids []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.there {
		ids = append(ids, id)
	}
	return ids, nil
}

func (w *world) Cluster(_ context.Context, wanted control.WantedCluster, anew bool) (control.Cluster, error) {
	w.mu.Lock()
	err, whole := w.broken["Cluster"], w.there[wanted.ID]
	if w.asks != nil {
		w.asks()
	}
	w.mu.Unlock()
	switch {
	case err != nil:
		return control.Cluster{}, err
	case whole:
		return control.Cluster{Endpoint: "https://" + wanted.Name}, nil
	case !anew:
		return control.Cluster{}, ErrLost
	}
	for _, whole := range []bool{false, true} {
		w.step()
		w.mu.Lock()
		w.there[wanted.ID] = whole
		w.mu.Unlock()
	}
	return control.Cluster{Endpoint: "https://" + wanted.Name}, nil
}

func (w *world) Nodegroup(_ context.Context, _ control.WantedCluster, group control.WantedNodegroup) (instances []control.ObservedInstance, issues []control.Issue, err error) {
	for {
		w.step()
		w.mu.Lock()
		if err := w.broken["Nodegroup"]; err != nil {
			w.mu.Unlock()
			return nil, nil, err
		}
		switch there := w.nodes[group.ID]; {
		case there < group.Size:
			w.nodes[group.ID]++
		case there > group.Size:
			w.nodes[group.ID]--
		default:
			defer w.mu.Unlock()
			return make([]control.ObservedInstance, there), w.issues[group.ID], nil
		}
		w.mu.Unlock()
	}
}

func (w *world) RemoveNodegroup(_ context.Context, _ control.WantedCluster, id string) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.nodes, id)
	return w.broken["RemoveNodegroup"]
}

func (w *world) Addon(_ context.Context, _ control.WantedCluster, addon control.WantedAddon) ([]control.Issue, bool, error) {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deployed[addon.ID] = true
	return w.issues[addon.ID], false, w.broken["Addon"]
}

func (w *world) RemoveAddon(_ context.Context, _ control.WantedCluster, addon control.WantedAddon) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.deployed, addon.ID)
	return w.broken["RemoveAddon"]
}

func (w *world) Remove(_ context.Context, id string) error {
	w.step()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.broken["Remove"]; err != nil {
		return err
	}
	delete(w.there, id)
	for part := range w.nodes {
		if strings.HasPrefix(part, id) {
			delete(w.nodes, part)
		}
	}
	return nil
}

// make runs a maker until stop is called.
func (w *world) make(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	maker := New(Options{Control: w, Backend: w, Log: slog.New(slog.DiscardHandler), Look: 5 * time.Millisecond, Settle: time.Millisecond})
	go func() { defer close(done); maker.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// until waits for a condition of the world.
func (w *world) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		w.mu.Lock()
		ok, reported := holds(), slices.Clone(w.reported)
		w.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s; reported %q", what, reported)
		}
		time.Sleep(time.Millisecond)
	}
}

func wish(id string) control.WantedCluster {
	return control.WantedCluster{
		Name: "c-" + id, ID: id, Status: "CREATING", Version: "1.36",
		Nodegroups: []control.WantedNodegroup{{Name: "ng", ID: id + "-ng", Size: 2, Status: "CREATING"}},
		Addons:     []control.WantedAddon{{Name: "agent", ID: id + "-agent", Status: "CREATING"}},
	}
}

// whole says that a cluster has its wanted state and was reported so. The caller holds the lock.
func (w *world) whole(id string) bool {
	return w.there[id] && w.nodes[id+"-ng"] == 2 && w.deployed[id+"-agent"] &&
		slices.Contains(w.reported, "c-"+id+" ACTIVE") && slices.Contains(w.reported, "c-"+id+"/ng ACTIVE") && slices.Contains(w.reported, "c-"+id+"/agent ACTIVE")
}

// remove deletes the cluster "a".
func remove(list *[]control.WantedCluster) {
	for n := range *list {
		if c := &(*list)[n]; c.ID == "a" {
			c.Delete, c.Status = true, "DELETING"
		}
	}
}

func TestLife(t *testing.T) {
	w := newWorld()
	w.make(t)
	w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a"), wish("b")) })
	w.until(t, "two clusters", func() bool { return w.whole("a") && w.whole("b") })
	w.want(func(list *[]control.WantedCluster) { (*list)[0].Nodegroups[0].Size = 1 })
	w.until(t, "one node less", func() bool { return w.nodes["a-ng"] == 1 })
	w.want(func(list *[]control.WantedCluster) {
		(*list)[0].Nodegroups[0].Delete, (*list)[0].Addons[0].Delete = true, true
	})
	w.until(t, "without its parts", func() bool {
		return len(w.wanted[0].Nodegroups) == 0 && len(w.wanted[0].Addons) == 0 && w.nodes["a-ng"] == 0 && !w.deployed["a-agent"]
	})
	w.want(remove)
	w.until(t, "without a", func() bool { return len(w.wanted) == 1 && len(w.there) == 1 })
	if !w.there["b"] {
		t.Errorf("b is gone: %v", w.there)
	}
}

// TestKilled ends a maker at each of its steps in turn, while a cluster is created and while it is deleted. Another maker
// completes it.
func TestKilled(t *testing.T) {
	for at := 1; ; at++ {
		w := newWorld()
		killed := false
		// kill ends the maker at its step of that number, before the step's work.
		run := func(until func() bool, what string) {
			base := w.steps
			ctx, cancel := context.WithCancel(t.Context())
			w.dies = func(step int) {
				if step-base == at {
					killed = true
					cancel()
					<-ctx.Done()
				}
			}
			maker := New(Options{Control: w, Backend: w, Log: slog.New(slog.DiscardHandler), Look: time.Millisecond, Settle: time.Millisecond})
			done := make(chan struct{})
			go func() { defer close(done); maker.Run(ctx) }()
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				case <-time.After(time.Millisecond):
					w.mu.Lock()
					if until() {
						cancel()
					}
					w.mu.Unlock()
				}
			}
			cancel()
			w.mu.Lock()
			w.dies = nil
			w.mu.Unlock()
			stop := w.make(t)
			w.until(t, fmt.Sprintf("%s after an end at step %d", what, at), until)
			stop()
		}
		w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
		run(func() bool { return w.whole("a") }, "whole")
		w.want(remove)
		run(func() bool { return len(w.wanted) == 0 && len(w.there) == 0 && len(w.nodes) == 0 }, "gone")
		if !killed || at > 40 {
			if at < 5 {
				t.Errorf("only %d steps", at)
			}
			return
		}
	}
}

func TestSweep(t *testing.T) {
	w := newWorld()
	w.there["left"] = true
	w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
	w.make(t)
	w.until(t, "swept", func() bool { _, there := w.there["left"]; return !there && w.whole("a") })
}

// TestFailures: a failure is reported, and repaired once that is possible.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		do, mend       func(*world)
		reported, then string
	}{
		"a version that there is not": {
			do: func(w *world) { w.broken["Cluster"] = ErrUnsupported }, reported: "c-a FAILED",
		},
		"the engine fails": {
			do: func(w *world) { w.broken["Cluster"] = errors.New("no space") }, reported: "c-a FAILED",
		},
		"a node fails": {
			do: func(w *world) { w.broken["Nodegroup"] = errors.New("no space") }, reported: "c-a/ng FAILED",
		},
		"a node is not ready": {
			do:       func(w *world) { w.issues["a-ng"] = []control.Issue{{Code: "NodeCreationFailure"}} },
			reported: "c-a/ng DEGRADED", mend: func(w *world) { delete(w.issues, "a-ng") }, then: "c-a/ng ACTIVE",
		},
		"an add-on does not start": {
			do:       func(w *world) { w.issues["a-agent"] = []control.Issue{{Code: "InsufficientNumberOfReplicas"}} },
			reported: "c-a/agent DEGRADED", mend: func(w *world) { delete(w.issues, "a-agent") }, then: "c-a/agent ACTIVE",
		},
		"the emulator is away for a while": {
			do: func(w *world) { w.broken["Wanted"] = errors.New("connection refused") }, mend: func(w *world) { delete(w.broken, "Wanted") }, then: "c-a/agent ACTIVE",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			test.do(w)
			w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
			w.make(t)
			w.until(t, "reported "+test.reported, func() bool { return test.reported == "" || slices.Contains(w.reported, test.reported) })
			if test.mend == nil {
				return
			}
			w.mu.Lock()
			test.mend(w)
			w.mu.Unlock()
			w.until(t, "reported "+test.then, func() bool { return slices.Contains(w.reported, test.then) })
		})
	}
}

// TestDeath: a lost cluster is FAILED, can be deleted with its parts, and is not created anew.
func TestDeath(t *testing.T) {
	w := newWorld()
	w.make(t)
	w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
	w.until(t, "whole", func() bool { return w.whole("a") })
	w.mu.Lock()
	delete(w.there, "a")
	w.mu.Unlock()
	w.until(t, "reported", func() bool { return slices.Contains(w.reported, "c-a FAILED") })
	w.want(func(list *[]control.WantedCluster) {
		(*list)[0].Nodegroups[0].Delete, (*list)[0].Addons[0].Delete = true, true
	})
	w.until(t, "without its parts", func() bool { return len(w.wanted[0].Nodegroups) == 0 && len(w.wanted[0].Addons) == 0 })
	if w.there["a"] {
		t.Error("made anew")
	}
	w.want(remove)
	w.until(t, "gone", func() bool { return len(w.wanted) == 0 })
}

// TestDeletedWhileMade: a cluster that is deleted during its creation is removed.
func TestDeletedWhileMade(t *testing.T) {
	w := newWorld()
	reached, once := make(chan struct{}), sync.Once{}
	w.dies = func(int) { once.Do(func() { close(reached) }) }
	w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
	w.make(t)
	<-reached
	w.want(remove)
	w.until(t, "gone", func() bool { return len(w.wanted) == 0 && len(w.there) == 0 })
}

// TestBusy: a control plane that does not answer for a short time stays ACTIVE. After a longer time it is FAILED.
func TestBusy(t *testing.T) {
	w := newWorld()
	w.want(func(list *[]control.WantedCluster) { *list = append(*list, wish("a")) })
	var late atomic.Bool
	now := func() time.Time {
		if late.Load() {
			return time.Unix(3600, 0)
		}
		return time.Unix(0, 0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	maker := New(Options{Control: w, Backend: w, Log: slog.New(slog.DiscardHandler), Look: time.Millisecond, Settle: time.Hour, Attempts: 1, Now: now})
	go func() { defer close(done); maker.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	w.until(t, "whole", func() bool { return w.whole("a") })
	asked := 0
	w.mu.Lock()
	w.broken["Cluster"] = errors.New("500 Internal Server Error")
	w.asks = func() { asked++ }
	w.mu.Unlock()
	w.until(t, "asked again", func() bool { return asked >= 2 })
	w.mu.Lock()
	if slices.Contains(w.reported, "c-a FAILED") {
		t.Errorf("reported %q", w.reported)
	}
	w.mu.Unlock()
	late.Store(true)
	w.until(t, "reported", func() bool { return slices.Contains(w.reported, "c-a FAILED") })
	w.mu.Lock()
	delete(w.broken, "Cluster")
	w.reported = nil
	w.mu.Unlock()
	w.until(t, "reported", func() bool { return slices.Contains(w.reported, "c-a ACTIVE") })
}
