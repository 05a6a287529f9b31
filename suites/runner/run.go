package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// Options of a run.
type Options struct {
	// Command is the program, with its arguments, that calls Process.
	Command []string
	// Procs is how many processes run specs at once; at least 1.
	Procs int
	// Focus is a regular expression on the whole text of specs, LabelFilter an expression on labels
	// in Ginkgo's syntax. Empty ones choose all.
	Focus, LabelFilter string
	// Decide, if set, decides further what becomes of the specs that Focus and LabelFilter choose.
	Decide func(Planned) Decision
	// Check, if set, may refuse the selection when the whole tree is known.
	Check func([]Planned) error
	// Payload is encoded as JSON and given to each process.
	Payload any
	// Grace is how long processes may clean up after an interrupt; 0 means 45 s.
	Grace time.Duration
	// Started, if set, is told when a process begins a spec. Never called concurrently.
	Started func(spec Planned, process int)
}

// Decision is what a run makes of a spec. The zero value runs it.
type Decision struct {
	// Excluded leaves the spec out: it was not asked for, and there is no record of it.
	Excluded bool
	// Instead of being run the spec is recorded with this outcome, because of Reason; empty runs it.
	Instead reports.Outcome
	Reason  string
}

// SelectionError says that the selection of specs cannot be run: the user's mistake.
type SelectionError struct{ Reason string }

func (e *SelectionError) Error() string { return "select specs: " + e.Reason }

// List returns the specs of the tree, in its order; those that Focus and LabelFilter choose are Selected.
func List(ctx context.Context, options Options) ([]Planned, error) {
	c, err := start(ctx, options, order{Process: 1, ListOnly: true, Focus: options.Focus, LabelFilter: options.LabelFilter})
	if err != nil {
		return nil, err
	}
	var tree *plan
	for m := range c.messages {
		if m.Plan != nil {
			tree = m.Plan
		}
	}
	if err := c.wait(); err != nil || tree == nil {
		return nil, fmt.Errorf("list specs: %w", c.explain(err))
	}
	if err := checkTree(tree); err != nil {
		return nil, err
	}
	if options.Check != nil {
		if err := options.Check(tree.Specs); err != nil {
			return nil, err
		}
	}
	return tree.Specs, nil
}

func checkTree(tree *plan) error {
	if tree.Focused {
		return &SelectionError{Reason: "somebody left an FIt, FDescribe or FEntry in the specs: a run of part of them would look like a run of all"}
	}
	seen := map[string]string{}
	for _, spec := range tree.Specs {
		if other, twice := seen[spec.Key]; twice {
			return fmt.Errorf("two specs are called %q: %s and %s", spec.Key, other, spec.Location)
		}
		seen[spec.Key] = spec.Location
	}
	return nil
}

// Run runs the chosen specs and gives each record to sink as soon as it is there, never
// concurrently: one for each chosen spec, whatever happens. When ctx ends the processes are
// interrupted and clean up; specs that did not end are recorded as not run, and Run returns the
// context's error. A selection that chooses nothing is a *SelectionError.
func Run(ctx context.Context, options Options, sink func(reports.Spec)) error {
	specs, err := List(ctx, options)
	if err != nil {
		return err
	}
	r := &run{options: options, sink: sink, state: map[string]*state{}, holds: map[int]string{}}
	if err := r.choose(specs); err != nil {
		return err
	}
	var problems []error
	for _, serial := range []bool{false, true} {
		r.serial = serial
		procs := options.Procs
		if serial {
			procs = 1
		}
		problems = append(problems, r.processes(ctx, min(max(procs, 1), r.waiting())))
	}
	err = errors.Join(problems...)
	r.settle(ctx, err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

type run struct {
	options Options
	sink    func(reports.Spec)

	mu     sync.Mutex
	serial bool
	order  []string
	state  map[string]*state
	// holds is the spec that each process is in.
	holds map[int]string
}

type state struct {
	spec    Planned
	claimed bool
	began   time.Time
	done    bool
}

// choose takes the selected specs in and records those that are not to be run.
func (r *run) choose(specs []Planned) error {
	for _, spec := range specs {
		if !spec.Selected {
			continue
		}
		var decision Decision
		if r.options.Decide != nil {
			decision = r.options.Decide(spec)
		}
		if decision.Excluded {
			continue
		}
		r.order = append(r.order, spec.Key)
		r.state[spec.Key] = &state{spec: spec}
		if spec.Pending {
			r.finish(spec.Key, reports.Spec{Outcome: reports.Skipped, Reason: "marked as pending in " + spec.Location})
		} else if decision.Instead != "" {
			r.finish(spec.Key, reports.Spec{Outcome: decision.Instead, Reason: decision.Reason})
		}
	}
	if len(r.order) == 0 {
		return &SelectionError{Reason: "no spec matches; epi test --list shows what there is"}
	}
	return nil
}

// waiting counts the specs of this part of the run that nobody has claimed.
func (r *run) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.state {
		if r.open(s) {
			n++
		}
	}
	return n
}

func (r *run) open(s *state) bool { return !s.claimed && !s.done && s.spec.Serial == r.serial }

// processes runs n processes at once until nothing waits, and replaces those that died in a spec.
func (r *run) processes(ctx context.Context, n int) error {
	var group sync.WaitGroup
	problems := make([]error, n)
	for i := range n {
		group.Go(func() {
			for again := true; again; {
				again, problems[i] = r.process(ctx, i+1)
			}
		})
	}
	group.Wait()
	return errors.Join(problems...)
}

// process runs one process to its end. It is worth starting another if this one died in a spec and
// others wait.
func (r *run) process(ctx context.Context, number int) (again bool, _ error) {
	if interrupted(ctx) {
		return false, nil
	}
	c, err := start(ctx, r.options, order{Process: number, LabelFilter: r.options.LabelFilter})
	if err != nil {
		return false, err
	}
	problem := ""
	for m := range c.messages {
		switch {
		case m.Claim != "":
			_ = c.answer(ctx.Err() == nil && r.claim(m.Claim, number)) // the end of a process that is gone tells why
		case m.Record != nil:
			r.record(number, *m.Record)
		case m.Problem != "":
			problem = m.Problem
		}
	}
	err = c.wait()
	if problem != "" {
		return false, errors.New(problem)
	}
	lost := r.lose(ctx, number, c.explain(err))
	if err == nil || interrupted(ctx) {
		return false, nil
	}
	if lost {
		return r.waiting() > 0, nil
	}
	return false, fmt.Errorf("run specs in process %d: %w", number, c.explain(err))
}

// interrupted says that the run was stopped, which is told once, at its end.
func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

func (r *run) claim(key string, number int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, known := r.state[key]
	if !known || !r.open(s) {
		return false
	}
	s.claimed, s.began = true, time.Now()
	r.holds[number] = key
	if r.options.Started != nil {
		r.options.Started(s.spec, number)
	}
	return true
}

func (r *run) record(number int, record reports.Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds[number] != record.Name {
		return // not this process's to tell
	}
	delete(r.holds, number)
	r.finish(record.Name, record)
}

// lose records the spec that a process held when it ended, and reports whether there was one.
func (r *run) lose(ctx context.Context, number int, why error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, held := r.holds[number]
	if !held {
		return false
	}
	delete(r.holds, number)
	record := reports.Spec{Process: number, Started: r.state[key].began.UTC(), Duration: time.Since(r.state[key].began)}
	if ctx.Err() != nil {
		record.Outcome, record.Reason = reports.NotRun, "interrupted while it ran; its clean-up did not end in time"
	} else {
		record.Outcome = reports.Error
		record.Failure = &reports.Failure{
			Message:  reports.Redact(fmt.Sprintf("process %d ended in this spec: %v", number, why)),
			Location: r.state[key].spec.Location,
		}
	}
	r.finish(key, record)
	return true
}

// settle records every spec that nobody ran: interrupted, or in want of a process.
func (r *run) settle(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range r.order {
		s := r.state[key]
		if s.done {
			continue
		}
		record := reports.Spec{Outcome: reports.NotRun, Reason: "the run was interrupted before its turn"}
		if ctx.Err() == nil {
			message := "no process took this spec"
			if err != nil {
				message = reports.Redact(err.Error())
			}
			record = reports.Spec{Outcome: reports.Error, Failure: &reports.Failure{Message: message, Location: s.spec.Location}}
		}
		r.finish(key, record)
	}
}

// finish gives a record to the sink, once for each spec. The caller holds mu, or is alone.
func (r *run) finish(key string, record reports.Spec) {
	s := r.state[key]
	if s.done {
		return
	}
	s.done = true
	record.Suite, record.Name, record.Requirements = s.spec.Suite, s.spec.Key, s.spec.Requirements
	record.Slow, _ = requirement.HowSlow(s.spec.Labels)
	record.Client = requirement.ClientOf(s.spec.Labels)
	r.sink(record)
}

func (o Options) encodePayload() (json.RawMessage, error) {
	if o.Payload == nil {
		return nil, nil
	}
	data, err := json.Marshal(o.Payload)
	if err != nil {
		return nil, fmt.Errorf("encode order of specs: %w", err)
	}
	return data, nil
}
