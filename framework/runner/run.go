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
	// Procs is the number of simultaneous processes; at least 1.
	Procs int
	// Focus is a regular expression on the whole text of specs, and LabelFilter is an expression on labels in Ginkgo's
	// syntax. Empty ones choose all.
	Focus, LabelFilter string
	// Seed determines the order of the specs, separately for those that run alone; 0 means 1.
	Seed int64
	// Decide, if set, decides about the specs that Focus and LabelFilter choose.
	Decide func(Planned) Decision
	// Check, if set, may refuse the selection when the whole tree is known.
	Check func([]Planned) error
	// Payload is encoded as JSON and given to each process.
	Payload any
	// Grace is how long processes may clean up after an interrupt; 0 means 45 s.
	Grace time.Duration
	// Started, if set, is called when a process begins a spec, and never concurrently.
	Started func(spec Planned, process int)
	// Environment, if set, is asked before a record is stored whether it was present while the spec ran.
	Environment Environment
	// FailFast ends the run after the first spec that fails or cannot be decided.
	FailFast bool
}

// Environment knows when the environment of the specs was absent. Results of that time do not count.
type Environment interface {
	// Settle returns when it is known whether the environment was present between two times, with the reason if it was not;
	// "" if it was. With hurry it checks at once. sure distinguishes an absence from a slow environment.
	Settle(ctx context.Context, from, to time.Time, hurry bool) (reason string, sure bool)
	// Hold waits while the environment is absent and may still return.
	Hold(ctx context.Context)
	// Gone is closed when it will not return, and Err says what is gone.
	Gone() <-chan struct{}
	Err() error
}

// present is the environment of a run without a watch.
type present struct{}

func (present) Settle(context.Context, time.Time, time.Time, bool) (string, bool) { return "", false }
func (present) Hold(context.Context)                                              {}
func (present) Gone() <-chan struct{}                                             { return nil }
func (present) Err() error                                                        { return nil }

// Decision is a run's decision about a spec. The zero value runs it.
type Decision struct {
	// Excluded leaves the spec out: it was not requested, and it has no record.
	Excluded bool
	// Instead, if set, is the recorded outcome of a spec that is not run, with Reason.
	Instead reports.Outcome
	Reason  string
}

// SelectionError says that the selection of specs cannot be run, which is the user's mistake.
type SelectionError struct{ Reason string }

func (e *SelectionError) Error() string { return "select specs: " + e.Reason }

// List returns the specs of the tree, in its order. Those that Focus and LabelFilter choose are Selected.
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

// Run runs the chosen specs and passes each record to sink as soon as it exists, and never concurrently. Each chosen spec
// gets exactly one record in any case. When ctx ends, the processes are interrupted and clean up. Specs that did not end
// are recorded as not run, and Run returns the context's error. An empty selection is a *SelectionError.
//
// If the environment was absent while a spec ran, its result is dropped, and the spec runs once more after the environment
// has returned. If the environment is gone, the processes are stopped and Run returns an error that says what is gone.
func Run(ctx context.Context, options Options, sink func(reports.Spec)) error {
	specs, err := List(ctx, options)
	if err != nil {
		return err
	}
	if options.Environment == nil {
		options.Environment = present{}
	}
	r := &run{options: options, sink: sink, state: map[string]*state{}, holds: map[int]string{}}
	r.settled = sync.NewCond(&r.mu)
	if err := r.choose(specs); err != nil {
		return err
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-options.Environment.Gone():
			stop(options.Environment.Err())
		case <-running.Done():
		}
	}()
	var problems []error
	for _, serial := range []bool{false, true} {
		problems = append(problems, r.part(running, serial))
	}
	r.dismiss()
	err = errors.Join(problems...)
	r.settle(running, err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case options.Environment.Err() != nil:
		return options.Environment.Err()
	}
	return err
}

// part runs the serial specs or the others. It then runs those once more that could not be decided because of the
// environment.
func (r *run) part(ctx context.Context, serial bool) error {
	r.mu.Lock()
	r.serial = serial
	r.mu.Unlock()
	procs := r.options.Procs
	if serial {
		procs = 1
	}
	var problems []error
	for {
		problems = append(problems, r.processes(ctx, min(max(procs, 1), r.waiting())))
		r.settling.Wait()
		r.mu.Lock()
		again := r.repeat
		r.repeat = nil
		for _, s := range again {
			s.claimed = false
		}
		r.mu.Unlock()
		if r.options.Environment.Err() != nil {
			r.leaveUndecided(again)
		}
		if len(again) == 0 || interrupted(ctx) {
			return errors.Join(problems...)
		}
	}
}

// leaveUndecided records the specs that could not be decided because the environment is gone.
func (r *run) leaveUndecided(specs []*state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range specs {
		record := reports.Spec{Started: s.began.UTC()}
		undecide(&record, s.spec, s.again)
		s.again = ""
		r.finish(s.spec.Key, record)
	}
}

// goneReason is the reason of specs that were not run because the environment is gone. The run reports once what is gone.
const goneReason = "the environment was gone"

// undecide changes a record to one that does not judge the subject, because the environment was absent.
func undecide(record *reports.Spec, spec Planned, reason string) {
	record.Outcome, record.Reason, record.Evidence = reports.Error, "", nil
	record.Failure = &reports.Failure{
		Message: "not decided: " + reports.Redact(reason), Location: spec.Location, Cause: reports.CauseEnvironment,
	}
}

type run struct {
	options Options
	sink    func(reports.Spec)

	mu     sync.Mutex
	serial bool
	order  []string
	state  map[string]*state
	// holds is the current spec of each process.
	holds map[int]string
	// settling are the records for which it is not known yet whether the environment was present.
	settling sync.WaitGroup
	// repeat are the specs to run once more.
	repeat []*state
	// stopped is the reason why no further spec begins; "" while they do.
	stopped string
	// ready is the process for the serial specs. It starts while the last of the other specs run, and is nil before that.
	ready chan started
	// failing counts the failed records of settling. settled is signalled when there are fewer.
	failing int
	settled *sync.Cond
}

// started is a process, or the error of its start.
type started struct {
	child *child
	err   error
}

type state struct {
	spec    Planned
	claimed bool
	began   time.Time
	done    bool
	// again is the reason why the spec runs a second time; "" the first time.
	again string
}

// choose stores the selected specs and records those that are not run.
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

// waiting is the number of unclaimed specs of this part of the run.
func (r *run) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	if r.stopped != "" {
		return n
	}
	for _, s := range r.state {
		if r.open(s) {
			n++
		}
	}
	return n
}

func (r *run) open(s *state) bool { return !s.claimed && !s.done && s.spec.Serial == r.serial }

// processes runs n processes at the same time until no spec is left, and replaces those that crashed in a spec.
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

// process runs one process to its end. It returns whether another one is needed, because this one crashed in a spec and
// others wait.
func (r *run) process(ctx context.Context, number int) (again bool, _ error) {
	if interrupted(ctx) {
		return false, nil
	}
	c, err := r.begin(ctx, number)
	if err != nil {
		return false, err
	}
	problem := ""
	for m := range c.messages {
		switch {
		case m.Claim != "":
			if r.claimable(m.Claim) {
				r.options.Environment.Hold(ctx)
			}
			_ = c.answer(ctx.Err() == nil && r.claim(ctx, m.Claim, number)) // the end of the process gives the reason
		case m.Record != nil:
			r.record(ctx, number, *m.Record)
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

// begin starts a process, or uses the one that was started early.
func (r *run) begin(ctx context.Context, number int) (*child, error) {
	r.mu.Lock()
	var ready chan started
	if r.serial {
		ready, r.ready = r.ready, nil
	}
	r.mu.Unlock()
	if ready != nil {
		ahead := <-ready
		return ahead.child, ahead.err
	}
	return r.start(ctx, number)
}

func (r *run) start(ctx context.Context, number int) (*child, error) {
	return start(ctx, r.options, order{Process: number, LabelFilter: r.options.LabelFilter, Seed: r.options.Seed})
}

// startAhead starts the process of the serial specs when all others are claimed, because a process takes as long to start
// as a spec takes. It waits with its first claim until that is read. The caller holds mu.
func (r *run) startAhead(ctx context.Context) {
	serial := false
	for _, s := range r.state {
		if r.open(s) {
			return
		}
		serial = serial || s.spec.Serial && !s.claimed && !s.done
	}
	if r.serial || r.ready != nil || !serial {
		return
	}
	ready := make(chan started, 1)
	r.ready = ready
	go func() {
		c, err := r.start(ctx, 1)
		ready <- started{c, err}
	}()
}

// dismiss ends the early process if it was not used.
func (r *run) dismiss() {
	r.mu.Lock()
	ready := r.ready
	r.ready = nil
	r.mu.Unlock()
	if ready == nil {
		return
	}
	ahead := <-ready
	if ahead.err != nil {
		return
	}
	for m := range ahead.child.messages {
		if m.Claim != "" {
			_ = ahead.child.answer(false) // the end of the process gives the reason
		}
	}
	_ = ahead.child.wait() // it ran nothing
}

// interrupted says that the run was stopped, which is reported once, at its end.
func interrupted(ctx context.Context) bool { return ctx.Err() != nil }

// claimable says whether a claim may be granted. A spec that another process has is refused without a wait.
func (r *run) claimable(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, known := r.state[key]
	return known && r.open(s)
}

func (r *run) claim(ctx context.Context, key string, number int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.options.FailFast && r.failing > 0 {
		r.settled.Wait()
	}
	s, known := r.state[key]
	if !known || !r.open(s) || r.stopped != "" {
		return false
	}
	s.claimed, s.began = true, time.Now()
	r.holds[number] = key
	r.startAhead(ctx)
	if r.options.Started != nil {
		r.options.Started(s.spec, number)
	}
	return true
}

func (r *run) record(ctx context.Context, number int, record reports.Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds[number] != record.Name {
		return // another process may have it
	}
	delete(r.holds, number)
	r.decide(ctx, record.Name, record)
}

// decide stores a record when it is known whether the environment was present at its time. The caller holds mu.
func (r *run) decide(ctx context.Context, key string, record reports.Spec) {
	s := r.state[key]
	from, to := s.began, time.Now()
	if !record.Outcome.Decided() && record.Outcome != reports.Error {
		if gone := r.options.Environment.Err(); gone != nil && record.Outcome == reports.NotRun {
			record.Reason = goneReason
		}
		r.finish(key, record)
		return
	}
	failing := 0
	if record.Outcome != reports.Pass {
		failing = 1
	}
	r.failing += failing
	r.settling.Go(func() {
		// After an interrupt nobody waits for the environment. It is asked if it is itself the reason for the end.
		reason, sure := r.options.Environment.Settle(ctx, from, to, record.Outcome != reports.Pass)
		if gone := r.options.Environment.Err(); reason == "" && ctx.Err() != nil && gone != nil {
			reason, sure = gone.Error(), true
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		defer r.settled.Broadcast()
		r.failing -= failing
		switch {
		case reason == "", !sure && (record.Outcome == reports.Pass || s.again != ""):
			// On a slow machine a spec that passes has passed, and a spec that fails twice has failed.
		case s.again == "" && !interrupted(ctx) && r.stopped == "":
			s.again = reason
			r.repeat = append(r.repeat, s)
			return
		case sure:
			undecide(&record, s.spec, reason)
		}
		r.finish(key, record)
	})
}

// lose records the current spec of a process that ended, and says whether there was one.
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
		if gone := r.options.Environment.Err(); gone != nil {
			record.Reason = goneReason
		}
	} else {
		record.Outcome = reports.Error
		record.Failure = &reports.Failure{
			Message:  reports.Redact(fmt.Sprintf("process %d ended in this spec: %v", number, why)),
			Location: r.state[key].spec.Location,
		}
	}
	r.decide(ctx, key, record)
	return true
}

// settle records every spec that was not run, because of an interrupt or for lack of a process.
func (r *run) settle(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range r.order {
		s := r.state[key]
		if s.done {
			continue
		}
		record := reports.Spec{Outcome: reports.NotRun, Reason: "the run was interrupted before its turn"}
		switch {
		case r.options.Environment.Err() != nil:
			record.Reason = goneReason
		case r.stopped != "":
			record.Reason = r.stopped
		case ctx.Err() == nil:
			message := "no process took this spec"
			if err != nil {
				message = reports.Redact(err.Error())
			}
			record = reports.Spec{Outcome: reports.Error, Failure: &reports.Failure{Message: message, Location: s.spec.Location}}
		}
		r.finish(key, record)
	}
}

// finish passes a record to the sink, once for each spec. The caller holds mu, or no other goroutine runs.
func (r *run) finish(key string, record reports.Spec) {
	s := r.state[key]
	if s.done {
		return
	}
	s.done = true
	record.Suite, record.Name, record.Requirements = s.spec.Suite, s.spec.Key, s.spec.Requirements
	record.Slow, _ = requirement.HowSlow(s.spec.Labels)
	record.Client = requirement.ClientOf(s.spec.Labels)
	record.Again = reports.Redact(s.again)
	r.sink(record)
	if r.options.FailFast && r.stopped == "" && (record.Outcome == reports.Fail || record.Outcome == reports.Error) {
		r.stopped = "with --fail-fast the run ended before its turn, after: " + key
	}
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
