package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/suites/mutation"
)

// flags are what a run can be told.
type flags struct {
	name, mutants, scope, artifacts, root string
	procs                                 int
	list, slow                            bool
}

func (f *flags) register(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.name, "name", "mutate", "name of the environment; one that is not up is brought up, and removed in the end")
	set.StringVar(&f.mutants, "mutants", "", "regular expression on the names of mutants (default all)")
	set.StringVar(&f.scope, "scope", string(mutation.ScopeReached), "specs to run on each mutant: declared, reached or all")
	set.IntVar(&f.procs, "procs", 4, "how many specs run at once")
	set.BoolVar(&f.slow, "slow", false, "also run specs that take minutes, where a mutant declares what they decide")
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
	if f.procs < 1 {
		problems = append(problems, fmt.Errorf("flag --procs: %d is less than 1", f.procs))
	}
	dir := filepath.Join(f.root, "suites", "mutation", "mutants")
	if _, err := os.Stat(dir); err != nil {
		problems = append(problems, fmt.Errorf("flag --root: %q is not the repository: %w", f.root, err))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, usageError{err}
	}
	mutants, err := mutation.Read(os.DirFS(dir))
	if err != nil {
		return nil, usageError{err}
	}
	mutants = slices.DeleteFunc(mutants, func(m mutation.Mutant) bool { return !names.MatchString(m.Name) })
	if len(mutants) == 0 {
		return nil, usageError{fmt.Errorf("flag --mutants: no mutant is called %s; see: epi-mutate --list", strings.TrimSpace(f.mutants))}
	}
	return mutants, nil
}
