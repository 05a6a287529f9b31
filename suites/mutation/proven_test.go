package mutation

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/framework/requirement"
)

// unprovenFile lists the requirements that wait for a mutant, one a line. It only ever gets shorter.
const unprovenFile = "testdata/unproven.txt"

// A MUST earns its place by a mutant that makes it fail.
func TestEveryMustHasAMutant(t *testing.T) {
	mutants, err := Read(os.DirFS("mutants"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(unprovenFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range unproven(requirement.All(), mutants, strings.Fields(string(data))) {
		t.Error(problem)
	}
}

// unproven says which MUSTs no mutant declares to violate, except those that wait for one, and which
// of those wait no longer. What can only be decided on AWS needs none.
func unproven(catalogue []requirement.Requirement, mutants []Mutant, waiting []string) []string {
	declared := map[string]string{}
	for _, m := range mutants {
		for _, id := range m.Violates {
			declared[id] = m.Name
		}
	}
	var problems []string
	for _, r := range catalogue {
		if r.Level == requirement.Must && r.Runs != requirement.AWS && declared[r.ID] == "" && !slices.Contains(waiting, r.ID) {
			problems = append(problems, "no mutant violates the MUST "+r.ID+": add one to mutants/, or the ID to "+unprovenFile+" until there is one")
		}
	}
	for _, id := range waiting {
		switch {
		case declared[id] != "":
			problems = append(problems, id+" is violated by "+declared[id]+": remove it from "+unprovenFile)
		case !slices.ContainsFunc(catalogue, func(r requirement.Requirement) bool {
			return r.ID == id && r.Level == requirement.Must && r.Runs != requirement.AWS
		}):
			problems = append(problems, id+" is no MUST of the catalogue that needs a mutant: remove it from "+unprovenFile)
		}
	}
	return problems
}

func TestUnprovenNamesWhatIsOutOfStep(t *testing.T) {
	catalogue := []requirement.Requirement{
		{ID: "A-01", Level: requirement.Must}, {ID: "A-02", Level: requirement.Must}, {ID: "A-03", Level: requirement.Must},
		{ID: "A-04", Level: requirement.Should}, {ID: "A-05", Level: requirement.Must, Runs: requirement.AWS},
	}
	mutants := []Mutant{{Name: "agent-m", Violates: []string{"A-01"}}}
	if got := unproven(catalogue, mutants, []string{"A-02", "A-03"}); len(got) != 0 {
		t.Errorf("in step, but %q", got)
	}
	got := strings.Join(unproven(catalogue, mutants, []string{"A-01", "A-02", "A-04", "A-09"}), "\n")
	for _, want := range []string{"MUST A-03", "A-01 is violated by agent-m", "A-04 is no MUST", "A-09 is no MUST"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if strings.Contains(got, "A-05") {
		t.Errorf("%q wants a mutant for what only AWS decides", got)
	}
}
