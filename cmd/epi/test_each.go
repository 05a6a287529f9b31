package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/addons"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
)

// runEach runs each of the specs alone, with a freshly started agent and webhook, and prints a table of them. Its error
// says that the environment is at fault.
func (a *app) runEach(ctx context.Context, env *clusters.Environment, options suites.Options, specs []suites.Spec, session *session, steps *steps) error {
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reach environment %q: %w", env.Name, err)
	}
	installer, err := addons.New(config)
	if err != nil {
		return err
	}
	run := func(chosen ...suites.Spec) ([]reports.Spec, error) {
		alone := options
		alone.Procs, alone.Focus = 1, only(chosen)
		var records []reports.Spec
		err := suites.Run(ctx, alone, func(spec reports.Spec) {
			session.spec(spec)
			records = append(records, spec)
		})
		return records, err
	}
	// A spec that is not run needs no fresh agent. It is recorded with the reason.
	var instead, todo []suites.Spec
	for _, spec := range specs {
		if options.Decide(spec).Instead != "" {
			instead = append(instead, spec)
		} else {
			todo = append(todo, spec)
		}
	}
	if len(instead) > 0 {
		if _, err := run(instead...); err != nil {
			return err
		}
	}
	task := steps.Start("Each spec alone")
	var table []reports.Spec
	bad := 0
	for n, spec := range todo {
		task.Detail("%d of %d specs, %d not held; now: %s", n, len(todo), bad, spec.Key)
		if err = installer.Restart(ctx, task); err != nil {
			err = &clusters.EnvironmentError{Doing: "start agent and webhook anew", Err: err, Remedy: "see what they say with: epi logs --name " + env.Name}
			break
		}
		var records []reports.Spec
		records, err = run(spec)
		for _, record := range records {
			if record.Outcome != reports.Pass {
				bad++
			}
		}
		table = append(table, records...)
		if err != nil || ctx.Err() != nil || options.FailFast && bad > 0 {
			break
		}
	}
	task.Detail("%d of %d specs, %d not held", len(table), len(todo), bad)
	task.End(err)
	var text strings.Builder
	writeEach(&text, table)
	steps.Print(strings.TrimSuffix(text.String(), "\n"))
	return err
}

// only is a regular expression that matches exactly these names of specs.
func only(specs []suites.Spec) string {
	names := make([]string, 0, len(specs))
	for _, spec := range specs {
		names = append(names, regexp.QuoteMeta(spec.Key))
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// writeEach writes a line for each spec, and the number of those that did not hold.
func writeEach(w io.Writer, specs []reports.Spec) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ALONE\tTOOK\tREQUIREMENTS\tSPEC")
	bad := 0
	for _, spec := range specs {
		if spec.Outcome != reports.Pass {
			bad++
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", spec.Outcome, seconds(spec.Duration), strings.Join(spec.Requirements, " "), spec.Name)
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(w, "%d specs alone: %d held, %d did not\n", len(specs), len(specs)-bad, bad)
}
