package mutation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

// restoreTime bounds the restoration of the reference, also after an interrupt.
const restoreTime = 3 * time.Minute

// Cluster is the environment whose programs are replaced.
type Cluster interface {
	// Replace replaces the running program by the one in the folder binaries, and returns when nothing of the old one is
	// left.
	Replace(ctx context.Context, program, binaries string, task clusters.Task) error
	// Environment is the current environment.
	Environment() *clusters.Environment
	// Instances are the URLs of a port of each running copy of a program, by name, and a client for them.
	Instances(ctx context.Context, program string, port int) (map[string]string, *http.Client, error)
}

// Builder builds the programs. Toolchain implements it.
type Builder interface {
	// Reference builds the unchanged subjects into the folder binaries.
	Reference(ctx context.Context, binaries string, subjects []Subject) error
	// Build builds the subject of a mutant and returns the folder of the program.
	Build(ctx context.Context, m Mutant) (string, error)
	// Discard removes Build's folder.
	Discard(dir string)
	// Instrumented builds a subject that reports which statements are executed (see reach), and returns the folder of the
	// program.
	Instrumented(ctx context.Context, subject Subject) (string, error)
}

// Selection says which specs to run.
type Selection struct {
	// Requirements to decide, and Specs by name; nil for all. Specs of the requirements in Except do not run.
	Requirements, Specs, Except []string
	// Alone runs one spec after the other.
	Alone bool
	// Slow also runs specs that take minutes.
	Slow bool
	// Enough, if set, is asked after each spec whether to stop. Specs that have not ended then have no record.
	Enough func([]reports.Spec) bool
	// Began and Ended, if set, are called with each spec before it begins and after it ended.
	Began func(name string)
	Ended func(reports.Spec)
}

// Examine runs the selected specs.
type Examine func(ctx context.Context, env *clusters.Environment, selection Selection) ([]reports.Spec, error)

// Run is one run over mutants.
type Run struct {
	Mutants []Mutant
	Scope   Scope
	// Slow also runs specs that take minutes, if they decide requirements that a mutant declares. For mutants that declare
	// nothing, they run on those that survive the other specs, if they decide requirements of the subject's own profile.
	Slow    bool
	Builder Builder
	// Source is the repository.
	Source fs.FS
	// Binaries is the folder of the reference programs.
	Binaries string
	Cluster  Cluster
	Examine  Examine
	Progress clusters.Progress
	// Known are results of an earlier run, by the mutant's name. Such a mutant is not examined again.
	Known map[string]Result
	// Until, if set, is the time from which no further mutant begins. Later mutants are not in the matrix.
	Until time.Time
	// Grown, if set, receives the matrix after each mutant.
	Grown func(*Matrix)
}

// BaselineError says that specs fail without any mutant, so the results of mutants would say nothing.
type BaselineError struct{ Specs []reports.Spec }

func (e *BaselineError) Error() string {
	var b strings.Builder
	b.WriteString("nothing can be said about mutants while specs do not hold without one:")
	for _, spec := range e.Specs {
		fmt.Fprintf(&b, "\n  %s %s %s: %s", spec.Outcome, strings.Join(spec.Requirements, " "), spec.Name, reports.FirstLine(finding(spec).Why))
	}
	b.WriteString("\nAn environment keeps the manifests that it was brought up with: if they have changed since, bring it up again.")
	return b.String()
}

// Do examines every mutant, those of one subject after the other, and restores the reference in any case. An error says
// that the run ended early. A mutant that is not killed, or not even built, is reported in its result only.
func (r Run) Do(ctx context.Context) (*Matrix, error) {
	matrix := &Matrix{Scope: r.Scope, Started: time.Now().UTC()}
	defer matrix.clock()
	var mutants []Mutant
	for _, m := range r.Mutants {
		result, known := r.Known[m.Name]
		switch {
		case m.Equivalent != "":
			matrix.Mutants = append(matrix.Mutants, leftOut(m))
		case known:
			matrix.Mutants = append(matrix.Mutants, result)
		default:
			mutants = append(mutants, m)
		}
	}
	defer matrix.sort()
	if len(mutants) == 0 {
		return matrix, nil
	}
	matrix.Environment = r.Cluster.Environment().Name
	slices.SortStableFunc(mutants, func(a, b Mutant) int { return strings.Compare(string(a.Subject), string(b.Subject)) })

	var reached *reach.Map
	var baseline []reports.Spec
	err := r.reference(ctx)
	if err == nil && r.Scope == ScopeReached {
		reached, baseline, err = r.measure(ctx, mutants)
	} else if err == nil {
		baseline, err = r.baseline(ctx, mutants)
	}
	matrix.Baseline = baselineOf(baseline)
	if err != nil {
		return matrix, err
	}
	choose := func(m Mutant) (Selection, error) { return r.Scope.selection(m, baseline, reached, r.Source) }
	err = r.examineAll(ctx, mutants, choose, func(result Result) {
		matrix.Mutants = append(matrix.Mutants, result)
		matrix.clock()
		if r.Grown != nil {
			r.Grown(matrix)
		}
	})
	return matrix, err
}

// reference makes every program run the current source, because specs use all of them.
func (r Run) reference(ctx context.Context) error {
	subjects := []Subject{Probe, Emulator, Agent, Webhook}
	task := r.Progress.Start("Reference programs")
	err := r.Builder.Reference(ctx, r.Binaries, subjects)
	for _, subject := range subjects {
		if err == nil {
			err = r.Cluster.Replace(ctx, subject.Program(), r.Binaries, task)
		}
	}
	task.End(err)
	return err
}

// baseline runs, on the reference, every spec that will run on a mutant.
func (r Run) baseline(ctx context.Context, mutants []Mutant) ([]reports.Spec, error) {
	task := r.Progress.Start("Baseline: the same specs without a mutant")
	specs, err := r.specs(ctx, r.Scope.baseline(mutants), declaredBy(mutants))
	if err == nil {
		err = unbroken(specs)
	}
	task.Detail("%d specs", len(specs))
	task.End(err)
	return specs, err
}

func declaredBy(mutants []Mutant) []string {
	var list []string
	for _, m := range mutants {
		list = append(list, m.Violates...)
	}
	return list
}

// unbroken is an error if a requirement that can be decided did not hold.
func unbroken(specs []reports.Spec) error {
	var broken []reports.Spec
	for _, spec := range specs {
		if spec.Outcome == reports.Fail || spec.Outcome == reports.Error || spec.Outcome == reports.NotRun {
			broken = append(broken, spec)
		}
	}
	if len(broken) > 0 {
		return &BaselineError{Specs: broken}
	}
	return nil
}

// specs runs specs and then, if requested, the slow ones of the declared requirements.
func (r Run) specs(ctx context.Context, selection Selection, declared []string) ([]reports.Spec, error) {
	specs, err := r.Examine(ctx, r.Cluster.Environment(), selection)
	if err != nil || !r.Slow {
		return specs, err
	}
	var slow []string
	for _, id := range declared {
		if slices.ContainsFunc(specs, func(spec reports.Spec) bool {
			return spec.Outcome == reports.Skipped && slices.Contains(spec.Requirements, id)
		}) && !slices.Contains(slow, id) {
			slow = append(slow, id)
		}
	}
	if len(slow) == 0 {
		return specs, nil
	}
	more, err := r.Examine(ctx, r.Cluster.Environment(), Selection{Requirements: slow, Slow: true})
	again := map[string]bool{}
	for _, spec := range more {
		again[spec.Name] = true
	}
	specs = slices.DeleteFunc(specs, func(spec reports.Spec) bool { return again[spec.Name] })
	return append(specs, more...), err
}

// inPhases runs the specs of a selection. If any failure kills the mutant, those of its subject's own requirements run
// first: they kill most mutants, and the others are not needed then.
func (r Run) inPhases(ctx context.Context, m Mutant, selection Selection) ([]reports.Spec, error) {
	own := ownRequirements(m.Subject)
	if !m.Mechanical || r.Scope != ScopeAll || len(own) == 0 {
		return r.specs(ctx, selection, m.Violates)
	}
	first := selection
	first.Requirements = own
	specs, err := r.Examine(ctx, r.Cluster.Environment(), first)
	if err != nil || selection.Enough(specs) {
		return specs, err
	}
	rest := selection
	rest.Except = own
	more, err := r.Examine(ctx, r.Cluster.Environment(), rest)
	specs = append(specs, more...)
	slow := slowOf(specs, own)
	if err != nil || !r.Slow || len(slow) == 0 || selection.Enough(specs) {
		return specs, err
	}
	more, err = r.Examine(ctx, r.Cluster.Environment(), Selection{Specs: slow, Slow: true})
	specs = slices.DeleteFunc(specs, func(spec reports.Spec) bool { return slices.Contains(slow, spec.Name) })
	return append(specs, more...), err
}

// mostSlow is the longest duration of a slow spec that runs on mutants that declare nothing.
const mostSlow = 5 * time.Minute

// slowOf are the specs that were skipped because they are slow, and that decide one of the requirements.
func slowOf(specs []reports.Spec, requirements []string) []string {
	var names []string
	for _, spec := range specs {
		if spec.Outcome == reports.Skipped && spec.Slow <= mostSlow && slices.ContainsFunc(spec.Requirements, func(id string) bool { return slices.Contains(requirements, id) }) {
			names = append(names, spec.Name)
		}
	}
	return names
}

// ownRequirements are those of the profile with the subject's name.
func ownRequirements(subject Subject) []string {
	var list []string
	for _, known := range requirement.All() {
		if string(known.Profile) == string(subject) {
			list = append(list, known.ID)
		}
	}
	return list
}

// built is a mutant that the builder has built.
type built struct {
	mutant Mutant
	dir    string
	took   time.Duration
	err    error
}

// build builds one mutant ahead of the one that is examined.
func (r Run) build(ctx context.Context, mutants []Mutant) <-chan built {
	ready := make(chan built)
	go func() {
		defer close(ready)
		for _, m := range mutants {
			started := time.Now()
			dir, err := r.Builder.Build(ctx, m)
			select {
			case ready <- built{mutant: m, dir: dir, took: time.Since(started), err: err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ready
}

// examineAll examines the mutants in turn. A mutant replaces the one before. The reference is installed only if the next
// mutant is of another subject.
func (r Run) examineAll(ctx context.Context, mutants []Mutant, choose func(Mutant) (Selection, error), found func(Result)) (err error) {
	building, stop := context.WithCancel(ctx)
	defer stop()
	replaced := Subject("")
	restore := func() error {
		if replaced == "" {
			return nil
		}
		task := r.Progress.Start("Reference " + replaced.Program() + " again")
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
		defer cancel()
		err := r.Cluster.Replace(cleanup, replaced.Program(), r.Binaries, task)
		task.End(err)
		replaced = ""
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	for next := range r.build(building, mutants) {
		if next.mutant.Subject != replaced {
			if err := restore(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			break
		}
		if !r.Until.IsZero() && time.Now().After(r.Until) {
			r.Builder.Discard(next.dir)
			break
		}
		task := r.Progress.Start(next.mutant.Name)
		replaced = next.mutant.Subject
		result, err := r.examine(ctx, next, choose, task)
		r.Builder.Discard(next.dir)
		if ctx.Err() != nil {
			task.End(ctx.Err())
			break
		}
		task.Detail("%s", result.Verdict)
		task.End(err)
		found(result)
		if err != nil {
			if err := restore(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// examine installs a mutant and runs the specs of its scope. The error is in the result as well.
func (r Run) examine(ctx context.Context, next built, choose func(Mutant) (Selection, error), task clusters.Task) (Result, error) {
	result := judge(next.mutant, nil)
	result.Verdict, result.Problem = Undone, ""
	err := next.err
	if _, broken := errors.AsType[*BuildError](err); broken && next.mutant.Mechanical {
		result.Verdict, result.Problem = LeftOut, "it does not compile"
		return result, nil
	}
	began := time.Now()
	if err == nil {
		err = r.Cluster.Replace(ctx, next.mutant.Subject.Program(), next.dir, task)
	}
	swapped := time.Now()
	if err != nil && next.err == nil && next.mutant.Mechanical && ctx.Err() == nil {
		result.Verdict, result.Problem = Killed, "the "+string(next.mutant.Subject)+" does not come up: "+reports.FirstLine(reports.Redact(err.Error()))
		result.Took = Took{Build: next.took.Seconds(), Swap: swapped.Sub(began).Seconds()}
		return result, err // the reference is restored
	}
	var selection Selection
	if err == nil {
		selection, err = choose(next.mutant)
	}
	if err == nil {
		task.Detail("running specs")
		selection.Enough = func(specs []reports.Spec) bool { return enough(next.mutant, r.Scope, specs) }
		var specs []reports.Spec
		specs, err = r.inPhases(ctx, next.mutant, selection)
		result = judge(next.mutant, specs)
	}
	if err != nil {
		result.Verdict, result.Problem = Undone, reports.Redact(err.Error())
	}
	result.Took = Took{Build: next.took.Seconds(), Swap: swapped.Sub(began).Seconds(), Specs: time.Since(swapped).Seconds()}
	return result, err
}

// leftOut is the result of a mutant that cannot be distinguished from the reference.
func leftOut(m Mutant) Result {
	result := judge(m, nil)
	result.Verdict, result.Problem = LeftOut, "equivalent: "+m.Equivalent
	return result
}
