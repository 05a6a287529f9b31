package mutation

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// Whoever changes a line that a mutant edits has to change the mutant too.
func TestEveryMutantAppliesToTheSource(t *testing.T) {
	mutants, err := Read(os.DirFS("mutants"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) == 0 {
		t.Fatal("there are no mutants")
	}
	for _, m := range mutants {
		files, err := m.Apply(os.DirFS("../.."))
		if err != nil {
			t.Error(err)
		}
		for name, text := range files {
			if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
	}
}

func TestReadNamesEveryProblem(t *testing.T) {
	_, err := Read(fstest.MapFS{"a.yaml": {Data: []byte(`
- {name: agent-a, subject: agent, does: nothing, violates: [AGT-01], edits: [{file: clusters/agent/a.go, replace: a, with: b}]}
- {name: agent-a, subject: agent, does: nothing, violates: [AGT-01], edits: [{file: clusters/agent/a.go, replace: a, with: b}]}
- {name: Agent, subject: kernel, violates: [XYZ-01], edits: [{file: ../a.go, replace: "", with: ""}]}
- {name: agent-b, subject: agent, does: nothing}
`)}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"entry 2 (agent-a): name is used twice", `subject "kernel"`, "name is not of the form", "does not say what", `no requirement "XYZ-01"`,
		`file "../a.go"`, "changes nothing", "violates nothing", "edits nothing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestApplyWantsTheTextOnce(t *testing.T) {
	root := fstest.MapFS{"a.go": {Data: []byte("package a\n\nvar x, y = 1, 1\n")}}
	m := Mutant{Name: "agent-m", Edits: []Edit{{File: "a.go", Replace: "x, y", With: "y, x"}, {File: "a.go", Replace: "y, x =", With: "z, x ="}}}
	files, err := m.Apply(root)
	if err != nil || string(files["a.go"]) != "package a\n\nvar z, x = 1, 1\n" {
		t.Errorf("%q, %v", files["a.go"], err)
	}
	for _, text := range []string{"1", "nowhere"} {
		m.Edits = []Edit{{File: "a.go", Replace: text, With: "2"}}
		if _, err := m.Apply(root); err == nil || !strings.Contains(err.Error(), "not once") {
			t.Errorf("replace %q: error %v", text, err)
		}
	}
}
