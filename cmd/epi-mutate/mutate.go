package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
)

// downTime bounds the removal of an environment after an interrupt.
const downTime = 2 * time.Minute

// mutate is the main command: an environment, every mutant in it, the matrix.
func mutate(ctx context.Context, f flags, mutants []mutation.Mutant, out, errOut io.Writer) error {
	known, err := openTable(f.table)
	if err != nil {
		return usageError{fmt.Errorf("flag --table: %w", err)}
	}
	if known.has(mutants) { // known results need no environment
		matrix, err := mutation.Run{Mutants: mutants, Scope: mutation.Scope(f.scope), Known: known.results}.Do(ctx)
		if err != nil {
			return err
		}
		if err := matrix.WriteText(out); err != nil {
			return err
		}
		return verdict(matrix)
	}
	dirs, err := clusters.FindDirs(clusters.Dirs{}, os.LookupEnv)
	if err != nil {
		return err
	}
	binaries, err := filepath.Abs(filepath.Join(f.root, "bin"))
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "epi-mutants-")
	if err != nil {
		return fmt.Errorf("make folder for mutants: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	progress := newLines(errOut)
	provider := kind.New(dirs)
	release, err := clusters.Lock(dirs, f.name, clusters.Use{Verb: "mutate", Makes: true})
	if err != nil {
		return err
	}
	defer release()
	env, down, err := environment(ctx, provider, dirs, f.name, binaries, progress)
	if err != nil {
		return err
	}
	matrix, err := examine(ctx, f, mutants, known, provider, env, binaries, work, progress, errOut)
	err = errors.Join(err, down())
	if matrix != nil && len(matrix.Mutants) > 0 {
		err = errors.Join(err, matrix.WriteText(out))
	}
	if err != nil {
		return err
	}
	if missing := len(mutants) - len(matrix.Mutants); missing > 0 {
		_, err := fmt.Fprintf(errOut, "%d of %d mutants were not examined: the same command goes on with them\n", missing, len(mutants))
		return err
	}
	return verdict(matrix)
}

// examine installs the mutants in the environment, and writes the matrix to the artifacts after each.
func examine(ctx context.Context, f flags, mutants []mutation.Mutant, known *table, provider *kind.Provider, env *clusters.Environment, binaries, work string, progress clusters.Progress, errOut io.Writer) (*mutation.Matrix, error) {
	cluster, err := provider.Replacer(ctx, env)
	if err != nil {
		return nil, err
	}
	dir, err := reports.NewDir(f.artifacts, time.Now())
	if err != nil {
		return nil, usageError{err}
	}
	var unwritten error
	var until time.Time
	if f.most > 0 {
		until = time.Now().Add(f.most)
	}
	matrix, err := mutation.Run{
		Known: known.results, Until: until,
		Mutants: mutants, Scope: mutation.Scope(f.scope), Slow: f.slow, Builder: mutation.Toolchain{Root: f.root, Dir: work}, Source: os.DirFS(f.root),
		Binaries: binaries, Cluster: cluster, Examine: examiner(f, filepath.Base(dir)), Progress: progress,
		Grown: func(matrix *mutation.Matrix) {
			last := matrix.Mutants[len(matrix.Mutants)-1]
			unwritten = errors.Join(write(matrix, dir), known.add(last))
		},
	}.Do(ctx)
	_, tellErr := fmt.Fprintf(errOut, "%[1]s%[3]c%[2]s\n%[1]s%[3]c%[4]s\n", dir, mutation.File, filepath.Separator, mutation.PageFile)
	return matrix, errors.Join(err, unwritten, write(matrix, dir), reports.PointLatest(dir), tellErr)
}

// write writes the matrix to dir. Each file has the old or the new one, and is complete.
func write(matrix *mutation.Matrix, dir string) error {
	for name, write := range map[string]func(io.Writer) error{mutation.File: matrix.WriteJSON, mutation.PageFile: matrix.WriteHTML} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			return err
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file+".new", text.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write matrix of mutants: %w", err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			return fmt.Errorf("write matrix of mutants: %w", err)
		}
	}
	return nil
}

// environment returns the environment of that name, and a function that removes it if it was brought up here.
func environment(ctx context.Context, provider *kind.Provider, dirs clusters.Dirs, name, binaries string, progress clusters.Progress) (*clusters.Environment, func() error, error) {
	env, err := clusters.LoadEnvironment(dirs, name)
	if err == nil {
		return env, func() error { return nil }, nil
	}
	if !errors.Is(err, clusters.ErrNoEnvironment) {
		return nil, nil, err
	}
	env, err = provider.Up(ctx, clusters.Spec{Name: name, Nodes: 1, IMDSHopLimit: 1, Binaries: binaries}, progress)
	if err != nil {
		return nil, nil, err
	}
	return env, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), downTime)
		defer cancel()
		return provider.Down(ctx, name, progress)
	}, nil
}

// examiner runs the suites. It keeps no evidence about failures, because they are expected.
func examiner(f flags, run string) mutation.Examine {
	n := 0
	return func(ctx context.Context, env *clusters.Environment, selection mutation.Selection) ([]reports.Spec, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		n++
		running, stop := context.WithCancel(ctx)
		defer stop()
		options := suites.Options{
			Environment: env, Run: fmt.Sprintf("%s-%d", run, n), Executable: self, Arguments: []string{suiteProcess},
			Procs: f.procs, Slow: selection.Slow, LabelFilter: labels(selection), Focus: exactly(selection.Specs),
		}
		if selection.Alone {
			options.Procs = 1
		}
		if selection.Began != nil {
			options.Started = func(_, name string) { selection.Began(name) }
		}
		var specs []reports.Spec
		err = suites.Run(running, options, func(spec reports.Spec) {
			specs = append(specs, spec)
			if selection.Ended != nil {
				selection.Ended(spec)
			}
			if selection.Enough != nil && selection.Enough(specs) {
				stop()
			}
		})
		if running.Err() != nil && ctx.Err() == nil {
			// The run was stopped here on purpose: specs that did not run are not needed.
			return slices.DeleteFunc(specs, func(spec reports.Spec) bool { return spec.Outcome == reports.NotRun }), nil
		}
		return specs, err
	}
}

// labels is the label filter of a selection; "" for any.
func labels(selection mutation.Selection) string {
	if selection.Except == nil {
		return strings.Join(selection.Requirements, " || ")
	}
	return "!(" + strings.Join(selection.Except, " || ") + ")"
}

// exactly is a regular expression that matches these names; "" for any.
func exactly(names []string) string {
	if names == nil {
		return ""
	}
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// verdict is nil if every mutant was killed.
func verdict(matrix *mutation.Matrix) error {
	if n := matrix.Count(mutation.Undone); n > 0 {
		return fmt.Errorf("nothing can be said about %d of %d mutants", n, len(matrix.Mutants))
	}
	if matrix.Count(mutation.Survived) > 0 {
		return errSurvived
	}
	return nil
}
