package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
	"github.com/podidentity/epi/cmd/epi-mutate/mutation/mechanical"
)

// flags are the options of a run.
type flags struct {
	name, mutants, scope, artifacts, root, table string
	most                                         time.Duration
	procs, sample, skip                          int
	seed                                         uint64
	list, slow                                   bool
}

func (f *flags) register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.name, "name", "mutate", "name of the environment; one that is not up is brought up, and removed in the end")
	set.StringVar(&f.mutants, "mutants", "", "regular expression on the names of mutants (default all)")
	set.StringVar(&f.scope, "scope", string(mutation.ScopeReached), "specs to run on each mutant: declared, reached or all")
	set.IntVar(&f.procs, "procs", 4, "how many specs run at once")
	set.IntVar(&f.sample, "sample", 0, "instead of the mutants of the repository, so many drawn at random from the source of agent and webhook")
	set.Uint64Var(&f.seed, "seed", 1, "seed of --sample: the same draws the same mutants")
	set.IntVar(&f.skip, "skip", 0, "leave out so many of the sample, which were examined before")
	set.StringVar(&f.table, "table", "", "file that keeps what became of each mutant: one that is in it is not examined again")
	set.DurationVar(&f.most, "for", 0, "begin no mutant after this time; the next call with the same --table goes on (default no limit)")
	set.BoolVar(&f.slow, "slow", false, "also run specs that take minutes: where a mutant declares what they decide, and on what survives of a sample")
	set.StringVar(&f.artifacts, "artifacts", "_artifacts", "folder of the runs: each gets one below it, and latest points to the last")
	set.StringVar(&f.root, "root", ".", "folder of the repository")
	set.BoolVar(&f.list, "list", false, "list the mutants and what they declare to violate, and run nothing")
}

// choose checks the flags and returns the chosen mutants.
func (f *flags) choose() ([]mutation.Mutant, error) {
	var problems []error
	names, err := regexp.Compile(f.mutants)
	if err != nil {
		problems = append(problems, fmt.Errorf("flag --mutants: %w", err))
	}
	if !slices.Contains(mutation.Scopes(), mutation.Scope(f.scope)) {
		problems = append(problems, fmt.Errorf("flag --scope: %q is not one of %q", f.scope, mutation.Scopes()))
	}
	switch {
	case f.sample < 0, f.skip < 0:
		problems = append(problems, fmt.Errorf("flags --sample and --skip: %d and %d, want no less than 0", f.sample, f.skip))
	case f.sample > 0 && f.scope == string(mutation.ScopeDeclared):
		problems = append(problems, fmt.Errorf("flag --scope: a sample declares nothing; choose %s or %s", mutation.ScopeReached, mutation.ScopeAll))
	case f.skip > 0 && f.skip >= f.sample:
		problems = append(problems, fmt.Errorf("flag --skip: %d leaves nothing of a sample of %d", f.skip, f.sample))
	}
	if f.most < 0 {
		problems = append(problems, fmt.Errorf("flag --for: %s is less than 0", f.most))
	}
	if f.most > 0 && f.table == "" {
		problems = append(problems, errors.New("flag --for wants a --table, where the next call goes on"))
	}
	if f.procs < 1 {
		problems = append(problems, fmt.Errorf("flag --procs: %d is less than 1", f.procs))
	}
	dir := filepath.Join(f.root, "cmd", "epi-mutate", "mutation", "mutants")
	if _, err := os.Stat(dir); err != nil {
		problems = append(problems, fmt.Errorf("flag --root: %q is not the repository: %w", f.root, err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, usageError{err}
	}
	read := f.declared
	if f.sample > 0 {
		read = f.drawn
	}
	mutants, err := read(dir)
	if err != nil {
		return nil, usageError{err}
	}
	mutants = slices.DeleteFunc(mutants, func(m mutation.Mutant) bool { return !names.MatchString(m.Name) })
	if len(mutants) == 0 {
		return nil, usageError{fmt.Errorf("flag --mutants: no mutant is called %s; see: epi-mutate --list", strings.TrimSpace(f.mutants))}
	}
	return mutants, nil
}

func (f *flags) declared(dir string) ([]mutation.Mutant, error) { return mutation.Read(os.DirFS(dir)) }

// drawn is the sample, with earlier judgements.
func (f *flags) drawn(string) ([]mutation.Mutant, error) {
	mutants, err := mechanical.Draw(os.DirFS(f.root), f.sample, f.seed, mutation.Agent, mutation.Webhook)
	if err != nil {
		return nil, err
	}
	judged, err := os.ReadFile(filepath.Join(f.root, "cmd", "epi-mutate", "mutation", "mechanical", "judged.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read judged mutants: %w", err)
	}
	if err := mechanical.Judged(mutants, judged); err != nil {
		return nil, err
	}
	return mutants[min(f.skip, len(mutants)):], nil
}
