package mutation

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
	"github.com/podidentity/epi/reports"
)

func TestReachedSelectsDeclaredAndReaching(t *testing.T) {
	root := fstest.MapFS{"clusters/agent/a.go": {Data: []byte("package agent\n\nconst limit = 1\n\nfunc f() {\n\tg()\n\th()\n}\n")}}
	block := func(from, to, count int) []reach.Executed {
		return []reach.Executed{{Block: reach.Block{File: "clusters/agent/a.go", From: from, To: to}, Count: count}}
	}
	var reached reach.Map
	reached.Startup(block(6, 7, 0))
	reached.Spec("reaches it", block(6, 7, 1))
	reached.Spec("does not", block(6, 7, 0))
	baseline := []reports.Spec{
		{Name: "declared", Requirements: []string{"AGT-01", "TOK-01"}}, {Name: "reaches it", Requirements: []string{"INJ-01"}}, {Name: "does not"},
	}
	statement := Edit{File: "clusters/agent/a.go", Replace: "\n\tg()\n", With: "\n"}
	for name, row := range map[string]struct {
		edits []Edit
		want  Selection
	}{
		"a statement":                     {[]Edit{statement}, Selection{Specs: []string{"declared", "reaches it"}}},
		"a declaration may matter to all": {[]Edit{statement, {File: "clusters/agent/a.go", Replace: "limit = 1", With: "limit = 2"}}, Selection{}},
	} {
		got, err := ScopeReached.selection(Mutant{Name: "agent-m", Violates: []string{"AGT-01"}, Edits: row.edits}, baseline, &reached, root)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := ScopeReached.selection(Mutant{Edits: []Edit{{File: "clusters/agent/a.go", Replace: "nowhere"}}}, baseline, &reached, root); err == nil {
		t.Error("no error about an edit of what is not there")
	}
}

func TestLinesOfAnEdit(t *testing.T) {
	root := fstest.MapFS{"a.go": {Data: []byte("one\ntwo\nthree\nfour\n")}}
	for replace, want := range map[string][2]int{"one": {1, 1}, "\ntwo\n": {2, 2}, "two\nthree": {2, 3}, "\n\nfour": {}, "ree\nfour\n": {3, 4}} {
		from, to, err := Edit{File: "a.go", Replace: replace}.lines(root)
		if (err != nil) != (want == [2]int{}) || [2]int{from, to} != want {
			t.Errorf("%q: lines %d to %d, %v; want %v", replace, from, to, err, want)
		}
	}
}
