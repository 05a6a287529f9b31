package mechanical

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
)

func TestMutantsOfEachKind(t *testing.T) {
	source := `package agent

import "log"

func f(n int, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n++
	log.Info("kept", 7)
	return n < 3 && n > 0, nil
}
`
	mutants, err := All(fstest.MapFS{
		"clusters/agent/a.go":      {Data: []byte(source)},
		"clusters/agent/a_test.go": {Data: []byte(source)},
	}, mutation.Agent)
	if err != nil {
		t.Fatal(err)
	}
	var with []string
	for _, m := range mutants {
		with = append(with, strings.TrimSpace(m.Edits[0].With))
	}
	for _, want := range []string{
		"if !(err != nil) {", "if err == nil {", "if (err != nil && false) {", "return true, err", "", "return n <= 3 && n > 0, nil",
		"return n >= 3 && n > 0, nil", "return n < 3 || n > 0, nil", "return n < 4 && n > 0, nil", "return n < 3 && n > 1, nil", "return n < 3 && n >= 0, nil",
	} {
		if !slices.Contains(with, want) {
			t.Errorf("no mutant has %q", want)
		}
	}
	for _, text := range with {
		if strings.Contains(text, "log.") || strings.Contains(text, "import") {
			t.Errorf("a mutant of what is reported to people: %q", text)
		}
	}
	if n := len(mutants); n != 12 {
		t.Errorf("%d mutants: %q", n, with)
	}
}

// Every mutant of the repository changes one place of its file, is still valid Go, and has its own name.
func TestMutantsOfTheSource(t *testing.T) {
	root := os.DirFS("../../../..")
	names := map[string]bool{}
	for _, subject := range []mutation.Subject{mutation.Agent, mutation.Webhook} {
		mutants, err := All(root, subject)
		if err != nil {
			t.Fatal(err)
		}
		if len(mutants) < 200 {
			t.Errorf("%d mutants of the %s", len(mutants), subject)
		}
		for _, m := range mutants {
			if names[m.Name] {
				t.Errorf("%s is there twice", m.Name)
			}
			names[m.Name] = true
			edited, err := m.Apply(root)
			if err != nil {
				t.Error(err)
				continue
			}
			for name, text := range edited {
				if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
					t.Errorf("%s, which %s: %v", m.Name, m.Does, err)
				}
			}
		}
	}
}

func TestJudgedMutantsHaveReasons(t *testing.T) {
	mutants := []mutation.Mutant{{Name: "agent-a"}, {Name: "agent-b"}}
	if err := Judged(mutants, []byte("agent-b: the value is never read\n")); err != nil || mutants[0].Equivalent != "" || mutants[1].Equivalent == "" {
		t.Errorf("%+v, %v", mutants, err)
	}
	if err := Judged(mutants, []byte("agent-b: same\n")); err == nil || !strings.Contains(err.Error(), "agent-b") {
		t.Errorf("error %v, want one about agent-b", err)
	}
	file, err := os.ReadFile("judged.yaml")
	if err == nil {
		err = Judged(nil, file)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestDrawIsOfTheSeed(t *testing.T) {
	root := os.DirFS("../../../..")
	draw := func(n int, seed uint64) []string {
		mutants, err := Draw(root, n, seed, mutation.Agent, mutation.Webhook)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range mutants {
			names = append(names, m.Name)
		}
		return names
	}
	if !slices.Equal(draw(20, 1), draw(20, 1)) || slices.Equal(draw(20, 1), draw(20, 2)) {
		t.Error("the seed does not decide")
	}
	if !slices.Equal(draw(20, 1)[:10], draw(10, 1)) {
		t.Error("a larger sample is another one")
	}
}
