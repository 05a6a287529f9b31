package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/reports"
)

// A failing run in GitHub Actions: annotations in the log, the summary in its file, and the pods' logs in a group in which
// they are no commands.
func TestARunInGitHubActions(t *testing.T) {
	summary := filepath.Join(t.TempDir(), "summary.md")
	if err := os.WriteFile(summary, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"text", "json"} {
		var out, stderr bytes.Buffer
		a := newApp(&out, &stderr, func(name string) (string, bool) {
			value, ok := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary}[name]
			return value, ok
		})
		a.output = output
		dir := filepath.Join(t.TempDir(), "20261128-000000")
		recorder, err := reports.NewRecorder(dir, reports.Run{
			ID: "r", Started: time.Now(), Requirements: []reports.Requirement{{ID: "AGT-01", Level: "MUST", Profile: "agent", Statement: "Answers"}},
			Specs: []reports.Spec{{Suite: "agent", Name: "Agent answers", Requirements: []string{"AGT-01"}, Outcome: reports.Fail,
				Failure: &reports.Failure{Message: "got 500\n::add-mask::a\nwant 200", Location: "suites/agent/cold.go:48"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := a.watched(dir, recorder)
		if err := s.finish(t.Context()); exitCode(t.Context(), err) != exitFailed {
			t.Errorf("%v", err)
		}
		if want := "::error file=suites/agent/cold.go,line=48,title=AGT-01 Agent answers::got 500 "; !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: standard error lacks %q:\n%s", output, want, stderr.String())
		}
		switch groups := regexp.MustCompile(`(?s)^::group::[^\n]+\n::stop-commands::(\w{20,})\n.*AGT-01 Agent answers.*\n::(\w+)::\n::endgroup::\n`).FindStringSubmatch(out.String()); {
		case output == "json" && strings.Contains(out.String(), "::group"):
			t.Errorf("the document has a group:\n%s", out.String())
		case output == "text" && (len(groups) != 3 || groups[1] != groups[2]):
			t.Errorf("no group:\n%s", out.String())
		}
	}
	data, err := os.ReadFile(summary)
	if err != nil {
		t.Fatal(err)
	}
	if said := string(data); !strings.HasPrefix(said, "before\n## ❌ Fail") || strings.Count(said, "## ❌ Fail") != 2 {
		t.Errorf("the summary:\n%s", said)
	}
}
