package mutation

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
	"github.com/podidentity/epi/reports"
)

// Scope is which specs are run on a mutant.
type Scope string

// The scopes.
const (
	// ScopeDeclared: specs that cover what the mutant declares to violate.
	ScopeDeclared Scope = "declared"
	// ScopeReached: also those that execute, on the reference, a statement that the mutant edits.
	ScopeReached Scope = "reached"
	// ScopeAll: all.
	ScopeAll Scope = "all"
)

// Scopes lists them.
func Scopes() []Scope { return []Scope{ScopeDeclared, ScopeReached, ScopeAll} }

// baseline has what must hold without a mutant.
func (s Scope) baseline(mutants []Mutant) Selection {
	if s != ScopeDeclared {
		return Selection{}
	}
	var list []string
	for _, m := range mutants {
		list = append(list, m.Violates...)
	}
	slices.Sort(list)
	return Selection{Requirements: slices.Compact(list)}
}

// selection has the specs to run on a mutant, of those that ran without one.
func (s Scope) selection(m Mutant, baseline []reports.Spec, reached *reach.Map, root fs.FS) (Selection, error) {
	switch s {
	case ScopeDeclared:
		return Selection{Requirements: m.Violates}, nil
	case ScopeAll:
		return Selection{}, nil
	}
	names := map[string]bool{}
	for _, spec := range baseline {
		if slices.ContainsFunc(spec.Requirements, func(id string) bool { return slices.Contains(m.Violates, id) }) {
			names[spec.Name] = true
		}
	}
	for _, edit := range m.Edits {
		from, to, err := edit.lines(root)
		if err != nil {
			return Selection{}, fmt.Errorf("find lines of mutant %s: %w", m.Name, err)
		}
		specs, all := reached.Reaching(edit.File, from, to)
		if all {
			return Selection{}, nil
		}
		for _, name := range specs {
			names[name] = true
		}
	}
	return Selection{Specs: slices.Sorted(maps.Keys(names))}, nil
}

// lines are the first and the last line of the edit's text, without the white space around it.
func (e Edit) lines(root fs.FS) (from, to int, err error) {
	text, err := fs.ReadFile(root, e.File)
	if err != nil {
		return 0, 0, err
	}
	at := strings.Index(string(text), e.Replace)
	if at < 0 {
		return 0, 0, fmt.Errorf("%s has not the text\n%s", e.File, e.Replace)
	}
	code := strings.TrimSpace(e.Replace)
	at += strings.Index(e.Replace, code)
	from = 1 + strings.Count(string(text[:at]), "\n")
	return from, from + strings.Count(code, "\n"), nil
}
