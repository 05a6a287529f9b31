package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// parsedSuites is JUnit as a consumer reads it; the types are not the writer's.
type parsedSuites struct {
	Suites []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Output   string `xml:"system-out"`
		Cases    []struct {
			Classname string `xml:"classname,attr"`
			Name      string `xml:"name,attr"`
			Failure   *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct {
				Message string `xml:"message,attr"`
			} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func parseJUnit(t *testing.T, run Run) parsedSuites {
	t.Helper()
	data := written(t, of(WriteJUnit), run)
	// The whole document is read token by token, so that more is checked than the types name.
	for decoder := xml.NewDecoder(bytes.NewReader(data)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
	}
	var suites parsedSuites
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatal(err)
	}
	return suites
}

func TestJUnitSaysWhatTheRunSays(t *testing.T) {
	for name, run := range samples() {
		suites := parseJUnit(t, run)
		var failures, errs int
		for _, suite := range suites.Suites {
			var failed, broke, skipped int
			if suite.Tests != len(suite.Cases) {
				t.Errorf("%s: suite %s says %d tests and has %d", name, suite.Name, suite.Tests, len(suite.Cases))
			}
			for _, c := range suite.Cases {
				switch {
				case c.Failure != nil:
					failed++
				case c.Error != nil:
					broke++
				case c.Skipped != nil:
					skipped++
					if c.Skipped.Message == "" {
						t.Errorf("%s: %s is skipped without a reason", name, c.Name)
					}
				}
				if c.Classname == "" || c.Name == "" {
					t.Errorf("%s: a case without a name: %+v", name, c)
				}
			}
			if suite.Failures != failed || suite.Errors != broke || suite.Skipped != skipped {
				t.Errorf("%s: suite %s says %d, %d, %d, counted %d, %d, %d", name, suite.Name, suite.Failures, suite.Errors, suite.Skipped, failed, broke, skipped)
			}
			failures, errs = failures+failed, errs+broke
		}
		verdict := NewFindings(run).Verdict
		failed := verdict.Specs.Failed + verdict.Scenarios.Failed + verdict.Thresholds.Failed + min(verdict.Regressed, 1)
		if failures != failed {
			t.Errorf("%s: %d failures of %d failed specs, scenarios, thresholds and baselines", name, failures, failed)
		}
		// A gate that reads only JUnit must come to the same verdict.
		red := Pass
		switch {
		case failures > 0:
			red = Fail
		case errs > 0:
			red = Error
		}
		if red != verdict.Outcome {
			t.Errorf("%s: verdict %s, but JUnit reads as %s", name, verdict.Outcome, red)
		}
	}
}

func TestJUnitCase(t *testing.T) {
	for _, suite := range parseJUnit(t, failing()).Suites {
		for _, c := range suite.Cases {
			if c.Name != "Webhook injects both variables into every container [INJ-01, INJ-02]" {
				continue
			}
			if c.Classname != "epi.injection" {
				t.Errorf("case: %+v", c)
			}
			if !strings.HasPrefix(c.Failure.Message, "expected container") {
				t.Errorf("failure: %+v", c.Failure)
			}
			for _, want := range []string{
				"with value\n", "\nat suites/injection/variables.go:48\n", "\nINJ-02 MUST The same containers get", "\n  https://docs.aws.amazon.com/eks/",
				"\n== Pod app, as a dry run would admit it\nname: app\n", "\n== Webhook\nno pod with labels", "\nAgain: epi test --name epi --focus '^Webhook",
			} {
				if !strings.Contains(c.Failure.Text, want) {
					t.Errorf("the failure lacks %q:\n%s", want, c.Failure.Text)
				}
			}
			for _, want := range []string{"== " + c.Name + "\nSTEP associating", "\nSTEP looking at the admitted pod (30.0s)\npod epi-8d2c/app"} {
				if !strings.Contains(suite.Output, want) {
					t.Errorf("output lacks %q: %q", want, suite.Output)
				}
			}
			return
		}
	}
	t.Error("the failed spec is not there")
}

// GitLab drops a case with the class and the name of an earlier one, so a failure must never be the second:
// https://docs.gitlab.com/ci/testing/unit_test_reports. Buildkite requires both:
// https://buildkite.com/docs/test-engine/importing-junit-xml.
func TestJUnitCasesDifferInName(t *testing.T) {
	runs := samples()
	twice := passing()
	again := twice.Specs[0]
	again.Outcome, again.Failure = Fail, &Failure{Message: "the second time"}
	twice.Specs = append(twice.Specs, again, again)
	twice.Problems = []Problem{{Doing: "bring up", Message: "gone"}, {Doing: "bring up", Message: "gone"}}
	runs["twice"] = twice
	for name, run := range runs {
		seen := map[[2]string]bool{}
		for _, suite := range parseJUnit(t, run).Suites {
			for _, c := range suite.Cases {
				if c.Classname == "" || c.Name == "" {
					t.Errorf("%s: a case of class %q has the name %q", name, c.Classname, c.Name)
				}
				if key := [2]string{c.Classname, c.Name}; seen[key] {
					t.Errorf("%s: two cases are %q", name, key)
				} else {
					seen[key] = true
				}
			}
		}
	}
}
