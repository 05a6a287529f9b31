// Package reach finds out which specs reach which statements of the programs under test, by the coverage counters of
// instrumented builds. A mutant needs only the specs that can notice it.
package reach

import (
	_ "embed"
	"maps"
	"slices"
)

// Port is where instrumented programs report their counters: GET /meta, and POST /take, which sets them to zero. The bodies
// are in the formats of runtime/coverage.
const Port = 2799

// Source is the file that is added to the main package of an instrumented program. It needs the compiler's flags -cover and
// -covermode=atomic.
//
//go:embed counters.go.txt
var Source []byte

// Block is a sequence of statements that are executed together.
type Block struct {
	// File is the path from the root of the repository.
	File string
	// From and To are the first and the last line.
	From, To int
}

// Map knows which specs executed which blocks. Its zero value knows nothing.
type Map struct {
	blocks map[string]map[Block]*hits
	// lost are specs with incomplete counters. They may have executed anything.
	lost map[string]bool
}

type hits struct {
	always bool
	specs  map[string]bool
}

// Startup adds the blocks that ran before the first spec, which may matter to every spec.
func (m *Map) Startup(profile []Executed) {
	for _, block := range profile {
		if h := m.hits(block.Block); block.Count > 0 {
			h.always = true
		}
	}
}

// Spec adds the blocks that ran during a spec.
func (m *Map) Spec(name string, profile []Executed) {
	for _, block := range profile {
		if h := m.hits(block.Block); block.Count > 0 {
			h.specs[name] = true
		}
	}
}

// Lost adds a spec whose counters were lost with a program that ended.
func (m *Map) Lost(name string) {
	if m.lost == nil {
		m.lost = map[string]bool{}
	}
	m.lost[name] = true
}

func (m *Map) hits(block Block) *hits {
	if m.blocks == nil {
		m.blocks = map[string]map[Block]*hits{}
	}
	if m.blocks[block.File] == nil {
		m.blocks[block.File] = map[Block]*hits{}
	}
	h := m.blocks[block.File][block]
	if h == nil {
		h = &hits{specs: map[string]bool{}}
		m.blocks[block.File][block] = h
	}
	return h
}

// Reaching returns the specs, sorted, that reach any of the lines. All says that any spec may: the lines are no statements,
// such as a declaration, or ran before the first spec.
func (m *Map) Reaching(file string, from, to int) (specs []string, all bool) {
	found := maps.Clone(m.lost)
	if found == nil {
		found = map[string]bool{}
	}
	known := false
	for block, h := range m.blocks[file] {
		if block.To < from || block.From > to {
			continue
		}
		known = true
		if h.always {
			return nil, true
		}
		maps.Copy(found, h.specs)
	}
	if !known {
		return nil, true
	}
	return slices.Sorted(maps.Keys(found)), false
}
