package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/suites"
	"github.com/podidentity/epi/suites/mutation"
)

// downTime bounds the removal of an environment after the user has stopped the run.
const downTime = 2 * time.Minute

// mutate is the main job: an environment, every mutant in it, the matrix.
func mutate(ctx context.Context, f flags, mutants []mutation.Mutant, out, errOut io.Writer) error {
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
	env, down, err := environment(ctx, provider, dirs, f.name, binaries, progress)
	if err != nil {
		return err
	}
	matrix, err := func() (*mutation.Matrix, error) {
		cluster, err := provider.Replacer(ctx, env)
		if err != nil {
			return nil, err
		}
		started := time.Now().UTC().Format("20060102-150405")
		return mutation.Run{
			Mutants: mutants, Scope: mutation.Scope(f.scope), Builder: mutation.Builder{Root: f.root, Dir: work},
			Binaries: binaries, Cluster: cluster, Examine: examiner(f, started), Progress: progress,
		}.Do(ctx)
	}()
	err = errors.Join(err, down())
	if matrix != nil && len(matrix.Mutants) > 0 {
		err = errors.Join(err, tell(matrix, f, out))
	}
	if err != nil {
		return err
	}
	return verdict(matrix)
}

// environment is the one of that name, and what removes it if it was brought up here.
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

// examiner runs the suites. It keeps no evidence about failures: they are what is wanted here.
func examiner(f flags, run string) mutation.Examine {
	n := 0
	return func(ctx context.Context, env *clusters.Environment, requirements []string) ([]reports.Spec, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
		n++
		var specs []reports.Spec
		err = suites.Run(ctx, suites.Options{
			Environment: env, Run: fmt.Sprintf("%s-%d", run, n), Executable: self, Arguments: []string{suiteProcess},
			Procs: f.procs, LabelFilter: strings.Join(requirements, " || "),
		}, func(spec reports.Spec) { specs = append(specs, spec) })
		return specs, err
	}
}

// tell writes the matrix to the artifacts and to the terminal.
func tell(matrix *mutation.Matrix, f flags, out io.Writer) error {
	dir, err := reports.NewDir(f.artifacts, matrix.Started)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, mutation.File)
	var text strings.Builder
	if err := matrix.WriteJSON(&text); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write matrix of mutants: %w", err)
	}
	if err := matrix.WriteText(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", file)
	return err
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
