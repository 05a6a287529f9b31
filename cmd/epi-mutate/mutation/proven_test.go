package mutation

import (
	"os"
	"slices"
	"testing"

	"github.com/podidentity/epi/framework/requirement"
)

// A MUST needs a mutant that makes it fail, unless it can only be decided on AWS.
func TestEveryMustHasAMutant(t *testing.T) {
	mutants, err := Read(os.DirFS("mutants"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requirement.All() {
		if r.Level != requirement.Must || r.Runs == requirement.AWS {
			continue
		}
		if !slices.ContainsFunc(mutants, func(m Mutant) bool { return slices.Contains(m.Violates, r.ID) }) {
			t.Errorf("no mutant violates the MUST %s: %s", r.ID, r.Statement)
		}
	}
}
