package mutation

import (
	"bytes"
	"context"
	"go/parser"
	"go/token"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/e2e-framework/klient/decoder"
)

// A change of a line that a mutant edits also needs a change of the mutant.
func TestEveryMutantAppliesToTheSource(t *testing.T) {
	mutants, err := Read(os.DirFS("mutants"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) == 0 {
		t.Fatal("there are no mutants")
	}
	for _, m := range mutants {
		files, err := m.Apply(os.DirFS("../../.."))
		if err != nil {
			t.Error(err)
		}
		for name, text := range files {
			if err := parses(name, text); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
	}
}

func parses(name string, text []byte) error {
	if path.Ext(name) == manifest {
		_, err := decoder.DecodeAll(context.Background(), bytes.NewReader(text))
		return err
	}
	_, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	return err
}

func TestManifestsOfTheWebhookAloneMayBeEdited(t *testing.T) {
	for file, want := range map[string]map[Subject]bool{
		"manifests/webhook/webhook.yaml": {Webhook: true, Agent: false},
		"manifests/agent/daemonset.yaml": {Webhook: false, Agent: false},
		"clusters/webhook/webhook.go":    {Webhook: true, Agent: true},
	} {
		for subject, may := range want {
			if (Edit{File: file}).mayEdit(subject) != may {
				t.Errorf("a mutant of the %s may edit %s: %t", subject, file, !may)
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
