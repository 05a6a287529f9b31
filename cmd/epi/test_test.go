package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/reports"
)

// Wrong arguments of a run of the suites are reported before an environment is searched, in plain words.
func TestWrongSelectionIsReportedWithoutAnEnvironment(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"label filter that does not end":    {[]string{"--label-filter", "INJ-01 &&"}, `label filter "INJ-01 &&": `},
		"label filter with a bracket":       {[]string{"--label-filter", "(INJ-01"}, `label filter "(INJ-01": `},
		"label filter of operators":         {[]string{"--label-filter", "|| ||"}, `label filter "|| ||": `},
		"label filter with a bad form":      {[]string{"--label-filter", "/(/"}, `label filter "/(/": `},
		"label filter that matches nothing": {[]string{"--label-filter", "INJ-99"}, "nothing matches --label-filter=INJ-99"},
		"focus that is no form":             {[]string{"--focus", "("}, `focus "(" is not a regular expression`},
		"focus that matches nothing":        {[]string{"--focus", "no such spec"}, "nothing matches --focus=no such spec"},
		"suite that does not exist":         {[]string{"--suites", "injektion"}, "no suite injektion; there are agent, "},
		"profile that does not exist":       {[]string{"--profile", "kore"}, "kore"},
		"no times":                          {[]string{"--repeat", "0"}, "flag --repeat: 0 is not within 1 to 1000"},
		"fewer than no times":               {[]string{"--repeat", "-3"}, "flag --repeat: -3 is not within"},
		"too many times":                    {[]string{"--repeat", "1000000"}, "flag --repeat: 1000000 is not within"},
		"times that are no number":          {[]string{"--repeat", "often"}, "--repeat"},
		"a report into a folder":            {[]string{"--junit-report", "."}, "flag --junit-report: . is a folder; name a file in it, such as junit.xml"},
		"a report into a folder to be":      {[]string{"--junit-report", "out/"}, "flag --junit-report: out/ names a folder"},
		"a report below a file":             {[]string{"--junit-report", "/dev/null/junit.xml"}, "flag --junit-report: /dev/null is no folder"},
		"no processes":                      {[]string{"--procs", "0"}, "flag --procs: 0 is less than 1"},
		"fast in a strange way":             {[]string{"--fail-fast=perhaps"}, "--fail-fast"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, nil, append([]string{"test", "--name", "gone"}, row.args...)...)
			if code != exitUsage || stdout != "" {
				t.Errorf("exit code %d, standard output %q", code, stdout)
			}
			if !strings.Contains(stderr, row.says) {
				t.Errorf("standard error lacks %q:\n%s", row.says, stderr)
			}
			if strings.ContainsAny(stderr, "\x1b{}") || strings.Contains(stderr, "select specs: select specs") {
				t.Errorf("standard error is not plain: %q", stderr)
			}
			if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
				t.Errorf("it left %v (error %v)", left, err)
			}
		})
	}
}

func TestReportFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("there.xml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, ok := range map[string]bool{"": true, "junit.xml": true, "there.xml": true, "a/b/c.xml": true, "/dev/null": true, "there.xml/x": false, "../": false} {
		if err := checkReportFile(file); (err == nil) != ok {
			t.Errorf("%q: %v", file, err)
		}
	}
	run := reports.Run{Schema: reports.Schema, ID: "r"}
	for _, file := range []string{"a/b/c.xml", "there.xml", "/dev/null"} {
		if err := reports.WriteJUnitFile(file, reports.NewFindings(run)); err != nil {
			t.Error(err)
		}
	}
	for _, file := range []string{filepath.Join("a", "b", "c.xml"), "there.xml"} {
		if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), "<testsuites>") {
			t.Errorf("%s: %q (error %v)", file, data, err)
		}
	}
}
