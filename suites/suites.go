// Package suites is the entry to the conformance suites. It runs the specs of the packages below, one for each subject, in
// a running environment, and makes a record of each.
package suites

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/runner"
	"github.com/podidentity/epi/reports"

	// The specs: each package adds its own to the tree.
	_ "github.com/podidentity/epi/suites/agent"
	_ "github.com/podidentity/epi/suites/associations"
	_ "github.com/podidentity/epi/suites/authorization"
	_ "github.com/podidentity/epi/suites/caching"
	_ "github.com/podidentity/epi/suites/clients"
	_ "github.com/podidentity/epi/suites/eksauth"
	_ "github.com/podidentity/epi/suites/injection"
	_ "github.com/podidentity/epi/suites/irsa"
	_ "github.com/podidentity/epi/suites/isolation"
	_ "github.com/podidentity/epi/suites/operations"
	_ "github.com/podidentity/epi/suites/security"
	_ "github.com/podidentity/epi/suites/token"
)

// Options of a run.
type Options struct {
	// Environment to test.
	Environment *clusters.Environment
	// Run is the name of the run, which is in labels and tags.
	Run string
	// Executable is this program. Arguments make it call RunProcess.
	Executable string
	Arguments  []string
	// Procs is the number of simultaneous specs; 0 means 4.
	Procs int
	// Focus is a regular expression on the whole text of specs; LabelFilter an expression on labels
	// in Ginkgo's syntax, such as "INJ-01 || TOK-01". Empty: all.
	Focus, LabelFilter string
	// Suites by name; empty: all.
	Suites []string
	// Seed determines the order of the specs; 0 means 1.
	Seed int64
	// Profile names profiles, one of Levels, or both; empty means All.
	Profile []string
	// Slow also runs slow specs, which are otherwise recorded as skipped.
	Slow bool
	// Artifacts is the folder of the run, with the evidence about failures. If it is empty, none is kept.
	Artifacts string
	// Mutation damages fixtures on purpose; empty for none.
	Mutation framework.Mutation
	// Disposable says that the cluster is removed after the run, so that specs may leave empty namespaces.
	Disposable bool
	// Started, if set, is called when a spec begins, with its suite and name, and never concurrently.
	Started func(suite, name string)
	// Watch, if set, knows when the environment was absent. Results of that time do not count.
	Watch Watch
	// FailFast ends the run after the first spec that fails or cannot be decided.
	FailFast bool
}

// Watch knows when the environment was absent.
type Watch = runner.Environment

// SelectionError says that the selection of specs cannot be run, which is the user's mistake.
type SelectionError = runner.SelectionError

const defaultProcs = 4

// Run runs the selected specs in several processes, and passes each record to sink as soon as it exists, and never
// concurrently. When ctx ends, the processes clean up, specs that did not end are recorded as not run, and the error is the
// context's. The records are the verdict: the error is nil also if specs failed. A selection that cannot be run is a
// *SelectionError. Any other error says that specs could not be run, and is in their records too.
func Run(ctx context.Context, options Options, sink func(reports.Spec)) error {
	if options.Environment == nil {
		return errNoEnvironment
	}
	if err := options.validate(); err != nil {
		return err
	}
	return runner.Run(ctx, options.runner(), sink)
}

// Spec is an entry of the list of specs.
type Spec = runner.Planned

// List returns every selected spec, in the order of the tree. Of the options it needs Executable,
// Arguments and the selection.
func List(ctx context.Context, options Options) ([]Spec, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	specs, err := runner.List(ctx, options.runner())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(specs, func(spec Spec) bool { return !spec.Selected || !options.chosen(spec) }), nil
}

// Requirements returns the selected requirements: of those that the specs cover, the profile's, in the order of the
// catalogue.
func (o Options) Requirements(specs []Spec) ([]requirement.Requirement, error) {
	asked, err := parseProfiles(o.Profile)
	if err != nil {
		return nil, &SelectionError{Reason: err.Error()}
	}
	covered := map[string]bool{}
	for _, spec := range specs {
		for _, id := range spec.Requirements {
			covered[id] = true
		}
	}
	return slices.DeleteFunc(requirement.All(), func(r requirement.Requirement) bool { return !covered[r.ID] || !asked.have(r) }), nil
}

// validate returns every problem of the selection at once.
func (o Options) validate() error {
	var problems []string
	if _, err := regexp.Compile(o.Focus); err != nil {
		problems = append(problems, fmt.Sprintf("focus %q is not a regular expression: %v", o.Focus, err))
	}
	if _, err := types.ParseLabelFilter(o.LabelFilter); err != nil {
		problems = append(problems, fmt.Sprintf("label filter %q: %s", o.LabelFilter, plainly(err)))
	}
	if _, err := parseProfiles(o.Profile); err != nil {
		problems = append(problems, err.Error())
	}
	if o.Mutation != "" && !slices.Contains(framework.Mutations(), o.Mutation) {
		problems = append(problems, fmt.Sprintf("mutation %q is not one of %q", o.Mutation, framework.Mutations()))
	}
	if o.Procs < 0 {
		problems = append(problems, fmt.Sprintf("%d processes", o.Procs))
	}
	if len(problems) > 0 {
		return &SelectionError{Reason: strings.Join(problems, "; ")}
	}
	return nil
}

// styled matches Ginkgo's colours and weights in its errors.
var styled = regexp.MustCompile(`\{\{[^{}]*\}\}|\x1b\[[0-9;]*m`)

// plainly is a Ginkgo error in one line, without its heading, its colours and its links.
func plainly(err error) string {
	text := err.Error()
	if known, ok := errors.AsType[types.GinkgoError](err); ok {
		text = known.Message
		if _, said, ok := strings.Cut(text, "\n"); ok { // the first line repeats the input
			text = said
		}
	}
	text = strings.Join(strings.Fields(styled.ReplaceAllString(text, "")), " ")
	return strings.ToLower(text[:min(len(text), 1)]) + text[min(len(text), 1):]
}

// checkSuites refuses the name of a suite that does not exist, because a typo would look like a pass.
func (o Options) checkSuites(specs []Spec) error {
	var known, unknown []string
	for _, spec := range specs {
		if !slices.Contains(known, spec.Suite) {
			known = append(known, spec.Suite)
		}
	}
	slices.Sort(known)
	for _, name := range o.Suites {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return &SelectionError{Reason: fmt.Sprintf("no suite %s; there are %s", strings.Join(unknown, ", "), strings.Join(known, ", "))}
	}
	return nil
}

func (o Options) runner() runner.Options {
	procs := o.Procs
	if procs == 0 {
		procs = defaultProcs
	}
	options := runner.Options{
		Command: append([]string{o.Executable}, o.Arguments...), Procs: procs,
		Focus: o.Focus, LabelFilter: o.LabelFilter, Seed: o.Seed,
		Check:       o.checkSuites,
		Decide:      o.Decide,
		Environment: o.Watch, FailFast: o.FailFast,
		Payload: payload{Environment: o.Environment, Run: o.Run, Artifacts: o.Artifacts, Mutation: o.Mutation, Disposable: o.Disposable},
	}
	if o.Started != nil {
		options.Started = func(spec Spec, _ int) { o.Started(spec.Suite, spec.Key) }
	}
	return options
}

// Decide is the decision about a spec that focus and labels choose, in the environment of the options.
func (o Options) Decide(spec Spec) runner.Decision {
	if !o.chosen(spec) {
		return runner.Decision{Excluded: true}
	}
	if why := o.notSupported(spec); why != "" {
		return runner.Decision{Instead: reports.NotSupported, Reason: why}
	}
	if takes, slow := requirement.HowSlow(spec.Labels); slow && !o.Slow {
		return runner.Decision{Instead: reports.Skipped, Reason: fmt.Sprintf("takes about %s; run it with --slow", takes)}
	}
	return runner.Decision{}
}

// chosen decides by suite and profile.
func (o Options) chosen(spec Spec) bool {
	if len(o.Suites) > 0 && !slices.Contains(o.Suites, spec.Suite) {
		return false
	}
	asked, err := parseProfiles(o.Profile)
	if err != nil {
		return false // validate has reported it
	}
	return asked.every() || slices.ContainsFunc(spec.Requirements, func(id string) bool {
		r, _ := requirement.Lookup(id)
		return asked.have(r)
	})
}

// notSupported says what the environment lacks for the spec; "" if it lacks nothing.
func (o Options) notSupported(spec Spec) string {
	if why := o.Environment.Lacks(spec.Needs...); why != "" {
		return why
	}
	for _, id := range spec.Requirements {
		r, _ := requirement.Lookup(id)
		local := o.Environment.Has(clusters.EmulatorControl)
		if r.Runs == requirement.Local && !local || r.Runs == requirement.AWS && local {
			return fmt.Sprintf("%s can only be decided where AWS is %s", id, map[requirement.Runs]string{requirement.Local: "the emulator", requirement.AWS: "AWS"}[r.Runs])
		}
	}
	return ""
}

// errNoEnvironment is a mistake of the program that calls.
var errNoEnvironment = errors.New("no environment given")
