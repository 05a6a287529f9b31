package published

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/reports"
)

// handIn makes a folder with a report of the run that is stored for tests.
func handIn(t *testing.T, below string, run func(*reports.Run), report func(string) string) string {
	t.Helper()
	of, err := reports.ReadDir("../testdata/runs/20261128-020356")
	if err != nil {
		t.Fatal(err)
	}
	if run != nil {
		run(&of)
	}
	dir := t.TempDir()
	folder := filepath.Join(dir, filepath.FromSlash(below))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var results, conformance bytes.Buffer
	if err := reports.WriteJSON(&results, of); err != nil {
		t.Fatal(err)
	}
	if err := reports.WriteConformance(&conformance, reports.NewFindings(of)); err != nil {
		t.Fatal(err)
	}
	text := conformance.String()
	if report != nil {
		if text = report(text); text == conformance.String() {
			t.Fatal("the report was not changed")
		}
	}
	for name, data := range map[string][]byte{"results.json": results.Bytes(), "conformance.yaml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const good = "epi-agent/5f21e2a862ae"

func TestVerify(t *testing.T) {
	replace := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	for name, row := range map[string]struct {
		below  string
		run    func(*reports.Run)
		report func(string) string
		says   string
	}{
		"as it is":                  {below: good},
		"the webhook's":             {below: "epi-webhook/8565d16724f3"},
		"an older epi says less":    {below: good, report: replace("\n    runs: both", "")},
		"a failure made a pass":     {below: good, run: func(r *reports.Run) { r.Specs[0].Outcome = reports.Fail }, report: replace("outcome: fail", "outcome: pass"), says: `the report says "pass"`},
		"a requirement left out":    {below: good, report: func(s string) string { return s[:strings.LastIndex(s, "  - id:")] }, says: "requirements: "},
		"the outcome left out":      {below: good, report: replace("\noutcome: pass", ""), says: "outcome: the report leaves it out"},
		"another digest":            {below: good, report: replace("sha256:5f21", "sha256:0000"), says: "digest"},
		"something of its own":      {below: good, report: func(s string) string { return s + "award: best\n" }, says: "award: the results do not say that"},
		"no YAML":                   {below: good, report: func(string) string { return "\t:" }, says: "is no YAML"},
		"another version":           {below: "epi-agent/v9.9.9", says: "no subject of the run is epi-agent v9.9.9"},
		"too deep":                  {below: "a/epi-agent/5f21e2a862ae", says: "SUBJECT/VERSION"},
		"capitals":                  {below: "Epi-Agent/5f21e2a862ae", says: "SUBJECT/VERSION"},
		"a part of the suites only": {below: good, run: func(r *reports.Run) { r.Selection = []string{"--profile=core"} }, says: "--profile=core"},
		"interrupted":               {below: good, run: func(r *reports.Run) { r.Interrupted = true }, says: "did not come to its end"},
	} {
		checked, err := Verify(handIn(t, row.below, row.run, row.report))
		if err != nil || len(checked) != 1 {
			t.Errorf("%s: %v, %v", name, checked, err)
			continue
		}
		problems := strings.Join(checked[0].Problems, "\n")
		if row.says == "" && problems != "" || !strings.Contains(problems, row.says) {
			t.Errorf("%s: %q, want %q", name, problems, row.says)
		}
	}
	if _, err := Verify(t.TempDir()); err == nil {
		t.Error("no report is no error")
	}
}

// The given folder may be a link, which a walk does not follow by itself.
func TestVerifyFollowsALinkToTheFolder(t *testing.T) {
	link := filepath.Join(t.TempDir(), "conformance")
	if err := os.Symlink(handIn(t, good, nil, nil), link); err != nil {
		t.Fatal(err)
	}
	checked, err := Verify(link)
	if err != nil || len(checked) != 1 || checked[0].Dir != good {
		t.Errorf("found %+v: %v", checked, err)
	}
	if _, err := Verify(filepath.Join(link, good, "conformance.yaml")); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("of a file: %v", err)
	}
}

// The reports that this repository publishes agree with their results.
func TestPublishedReportsHold(t *testing.T) {
	checked, err := Verify("conformance")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checked {
		if len(c.Problems) > 0 {
			t.Errorf("%s: %q", c.Dir, c.Problems)
		}
	}
	entries, err := filepath.Glob(filepath.Join("conformance", "*", "*"))
	if err != nil || len(entries) != len(checked) {
		t.Errorf("%d folders, %d reports, %v: each folder has one", len(entries), len(checked), err)
	}
	for _, dir := range entries {
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 2 {
			t.Errorf("%s: %d files, %v: a report and its results, and nothing else", dir, len(files), err)
		}
	}
}
