package mutation

import (
	"bytes"
	"context"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
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

// A mutant that does not compile shows nothing, and says so only when its turn has come in a run of an hour.
func TestEveryMutantCompiles(t *testing.T) {
	if os.Getenv("EPI_TEST_MUTANTS") == "" {
		t.Skip("it compiles all mutants, which takes about 5 minutes: set EPI_TEST_MUTANTS=1")
	}
	mutants, err := Read(os.DirFS("mutants"))
	if err != nil {
		t.Fatal(err)
	}
	toolchain := Toolchain{Root: "../../..", Dir: t.TempDir()}
	for _, m := range mutants {
		files, err := m.Apply(os.DirFS(toolchain.Root))
		if err != nil {
			t.Error(err)
			continue
		}
		overlay, err := toolchain.overlay(filepath.Join(toolchain.Dir, m.Name), files)
		if err != nil {
			t.Fatal(err)
		}
		args := slices.Concat([]string{"list", "-export", "-e=false"}, buildFlags, []string{"-overlay", overlay, "./cmd/" + m.Subject.Program()})
		command := exec.CommandContext(t.Context(), "go", args...) // it compiles, and links nothing
		command.Dir, command.Env = toolchain.Root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", m.Name, err, output)
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
