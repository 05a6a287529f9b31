package mutation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
	"github.com/podidentity/epi/reports"
)

// module is the path that the compiler names the repository's files from.
const module = "github.com/podidentity/epi"

// decoders is the number of simultaneous decoders, each of which is a program.
const decoders = 2

// mostCounters bounds the report of an instrumented program, in bytes.
const mostCounters = 64 << 20

// measure runs every spec alone on instrumented subjects, which is also the baseline, and returns which specs reach which
// code. The probe runs in pods of the specs and is not measured.
func (r Run) measure(ctx context.Context, mutants []Mutant) (*reach.Map, []reports.Spec, error) {
	task := r.Progress.Start("Baseline: every spec alone, and which statements it reaches")
	var programs []string
	err := func() error {
		for _, subject := range []Subject{Agent, Emulator, Webhook} {
			if !slices.ContainsFunc(mutants, func(m Mutant) bool { return m.Subject == subject }) {
				continue
			}
			dir, err := r.Builder.Instrumented(ctx, subject)
			if err == nil {
				programs = append(programs, subject.Program())
				err = r.Cluster.Replace(ctx, subject.Program(), dir, task)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	var m gauge
	var specs []reports.Spec
	if err == nil {
		m, specs, err = r.runMeasured(ctx, programs, func(name string) { task.Detail("%s", name) })
	}
	restore, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	for _, program := range programs {
		err = errors.Join(err, r.Cluster.Replace(restore, program, r.Binaries, task))
	}
	var reached *reach.Map
	if err == nil {
		task.Detail("decoding counters")
		reached, err = m.decode(ctx)
	}
	task.Detail("%d specs", len(specs))
	task.End(err)
	return reached, specs, err
}

// runMeasured runs the specs and reads the counters of the programs after each.
func (r Run) runMeasured(ctx context.Context, programs []string, began func(string)) (gauge, []reports.Spec, error) {
	m := gauge{cluster: r.Cluster, programs: programs, meta: map[string][]byte{}}
	if err := m.start(ctx); err != nil {
		return m, nil, err
	}
	n := 0
	specs, err := r.Examine(ctx, r.Cluster.Environment(), Selection{
		Alone: true,
		Began: func(name string) {
			n++
			began(fmt.Sprintf("%d: %s", n, name))
			m.discard(ctx)
		},
		Ended: func(spec reports.Spec) { m.take(ctx, spec.Name) },
	})
	if err == nil {
		err = unbroken(specs)
	}
	return m, specs, err
}

// gauge collects the counters of instrumented programs.
type gauge struct {
	cluster  Cluster
	programs []string
	meta     map[string][]byte // by program
	startup  []reading
	taken    []reading
	lost     []string
	// before are the instances at the begin of the running spec.
	before map[string]bool
}

// reading is one program's report about one spec.
type reading struct {
	spec, program string
	counters      []byte
}

// start reads what the programs did before the first spec.
func (g *gauge) start(ctx context.Context) error {
	for _, program := range g.programs {
		list, client, err := g.cluster.Instances(ctx, program, reach.Port)
		if err != nil {
			return err
		}
		for _, url := range list {
			if g.meta[program], err = fetch(ctx, client, http.MethodGet, url+"/meta"); err != nil {
				return fmt.Errorf("read what %s can reach: %w", program, err)
			}
			counters, err := fetch(ctx, client, http.MethodPost, url+"/take")
			if err != nil {
				return fmt.Errorf("read what %s reached: %w", program, err)
			}
			g.startup = append(g.startup, reading{program: program, counters: counters})
		}
	}
	return nil
}

// discard drops what was reached between two specs.
func (g *gauge) discard(ctx context.Context) {
	g.before, _ = g.read(ctx, func(reading) {})
}

// take records what was reached during the spec. If an instance started or ended meanwhile, or does not report, the spec
// may have reached anything.
func (g *gauge) take(ctx context.Context, spec string) {
	after, err := g.read(ctx, func(r reading) {
		r.spec = spec
		g.taken = append(g.taken, r)
	})
	same := len(after) == len(g.before)
	for name := range after {
		same = same && g.before[name]
	}
	if err != nil || !same {
		g.lost = append(g.lost, spec)
	}
}

// read reads and resets the counters of every instance, and returns the instances' names.
func (g *gauge) read(ctx context.Context, found func(reading)) (map[string]bool, error) {
	names := map[string]bool{}
	for _, program := range g.programs {
		list, client, err := g.cluster.Instances(ctx, program, reach.Port)
		if err != nil {
			return names, err
		}
		for name, url := range list {
			counters, err := fetch(ctx, client, http.MethodPost, url+"/take")
			if err != nil {
				return names, err
			}
			names[name] = true
			found(reading{program: program, counters: counters})
		}
	}
	return names, nil
}

func fetch(ctx context.Context, client *http.Client, method, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, mostCounters))
}

// decode turns all reports into a map.
func (g *gauge) decode(ctx context.Context) (*reach.Map, error) {
	var mu sync.Mutex
	m := &reach.Map{}
	for _, name := range g.lost {
		m.Lost(name)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(decoders)
	for _, job := range slices.Concat(g.startup, g.taken) {
		group.Go(func() error {
			profile, err := reach.Decode(ctx, module, g.meta[job.program], job.counters)
			if err != nil {
				return fmt.Errorf("read what %s reached: %w", job.program, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if job.spec == "" {
				m.Startup(profile)
			} else {
				m.Spec(job.spec, profile)
			}
			return nil
		})
	}
	return m, group.Wait()
}
