package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/runner"
	"github.com/podidentity/epi/suites"
)

// Every MUST is decided on every machine, in seconds: without AWS, and without --slow.
func TestCatalogueIsDecidedOnKind(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options := suites.Options{
		Executable: self, Arguments: []string{suiteProcess},
		Environment: &clusters.Environment{Provider: "kind", Capabilities: kind.Capabilities()},
	}
	specs, err := suites.List(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range undecided(requirement.All(), specs, options.Decide) {
		t.Error(problem)
	}
}

// undecided has the reason for each MUST that no spec of a usual run decides.
func undecided(list []requirement.Requirement, specs []suites.Spec, decide func(suites.Spec) runner.Decision) []string {
	var problems []string
	for _, r := range list {
		decided, reasons := false, []string{}
		for _, spec := range specs {
			if !slices.Contains(spec.Requirements, r.ID) {
				continue
			}
			switch decision := decide(spec); {
			case spec.Pending:
				reasons = append(reasons, "pending: "+spec.Key)
			case decision.Instead != "":
				reasons = append(reasons, decision.Reason+": "+spec.Key)
			default:
				decided = true
			}
		}
		if r.Level == requirement.Must && !decided {
			problems = append(problems, r.ID+" is a MUST that no spec decides on kind without --slow; "+strings.Join(reasons, "; "))
		}
	}
	return problems
}

func TestMustsThatNobodyDecides(t *testing.T) {
	options := suites.Options{Environment: &clusters.Environment{Capabilities: []clusters.Capability{clusters.IMDS}}}
	list := []requirement.Requirement{
		{ID: "INJ-01", Level: requirement.Must}, {ID: "INJ-02", Level: requirement.Must}, {ID: "INJ-03", Level: requirement.Must},
		{ID: "INJ-04", Level: requirement.Must}, {ID: "INJ-09", Level: requirement.Should},
	}
	specs := []suites.Spec{
		{Key: "decides", Requirements: []string{"INJ-01"}, Needs: []clusters.Capability{clusters.IMDS}},
		{Key: "also slow", Requirements: []string{"INJ-01", "INJ-02"}, Labels: []string{"slow:1m0s"}},
		{Key: "lacks", Requirements: []string{"INJ-03"}, Needs: []clusters.Capability{clusters.SecondAccount}},
	}
	got := undecided(list, specs, options.Decide)
	if len(got) != 3 || !strings.Contains(got[0], "INJ-02") || !strings.Contains(got[0], "--slow: also slow") ||
		!strings.Contains(got[1], "no second-account: lacks") || !strings.HasPrefix(got[2], "INJ-04") {
		t.Errorf("%q", got)
	}
}
