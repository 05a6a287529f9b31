package reports

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestAnnotationsOfAFailingRun(t *testing.T) {
	var b bytes.Buffer
	if err := WriteAnnotations(&b, NewFindings(failing())); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != len(NewFindings(failing()).Failures) {
		t.Errorf("%d annotations of %d failures", len(lines), len(NewFindings(failing()).Failures))
	}
	if want := "::error file=suites/injection/variables.go,line=48,title=INJ-01 INJ-02 Webhook injects both variables into every container::expected container"; !strings.HasPrefix(lines[0], want) {
		t.Errorf("%s\nwant %s…", lines[0], want)
	}
}

// No text of a run becomes a command or another property.
func TestAnnotationsStayWhatTheyAre(t *testing.T) {
	for _, evil := range []string{"a\n::error::b", "a\r\n::add-mask::b", "a,line=7::b", "100%0A::warning::x", "::stop-commands::x", "\x1b[31mred"} {
		run := failing()
		for i := range run.Specs {
			if run.Specs[i].Failure != nil {
				run.Specs[i].Name, run.Specs[i].Failure.Message, run.Specs[i].Failure.Location = evil, evil, evil+":3"
			}
		}
		run.Problems = []Problem{{Doing: evil, Message: evil, Remedy: evil}}
		var b bytes.Buffer
		if err := WriteAnnotations(&b, NewFindings(run)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if !regexp.MustCompile(`^::(error|warning) (file=[^,:\r\n]*,line=[^,:\r\n]*,)?title=[^,:\r\n]*::[^\r\n\x1b]*\n$`).MatchString(line) {
				t.Errorf("%q becomes %q", evil, line)
			}
		}
	}
}

// GitHub shows ten for each step. The tenth says how many more there are.
func TestManyFailuresAreSummedUp(t *testing.T) {
	run := failing()
	for n := range 40 {
		spec := run.Specs[0]
		spec.Name, spec.Outcome, spec.Failure = fmt.Sprint("spec ", n), Fail, &Failure{Message: "no"}
		run.Specs = append(run.Specs, spec)
	}
	var b bytes.Buffer
	if err := WriteAnnotations(&b, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "\n"); got != annotationsLimit || !strings.Contains(b.String(), fmt.Sprintf("%d more failed", len(NewFindings(run).Failures)-annotationsLimit+1)) {
		t.Errorf("%d annotations:\n%s", got, b.String())
	}
}

func TestJobSummary(t *testing.T) {
	for name, want := range map[string][]string{
		"failing": {"## ❌ Fail&#58; 4 of 8 decided requirements do not hold", "**Pod Identity conformance: 4/8**", "### Failures", "INJ-01 INJ-02 Webhook injects both variables",
			"```text\nexpected container \"app\" to have environment variable", "at suites/injection/variables.go&#58;48", "- **INJ-01** (MUST) A pod whose service account", "epi test --name epi", "### What took longest", "| 30.4s | INJ-01 INJ-02"},
		"passing": {"## ✅ Pass", "### What took longest"},
		"errored": {"## ⚠️ Error", "### ⚠️ "},
		"gated":   {"### Benchmark", "| --- | ---: | --- |", "❌ worse", "threshold "},
	} {
		var b bytes.Buffer
		if err := WriteJobSummary(&b, NewFindings(samples()[name])); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s lacks %q:\n%s", name, text, b.String())
			}
		}
	}
}

// The summary of a hostile run has only its own markup and stays within GitHub's limit.
func TestJobSummaryStaysText(t *testing.T) {
	for name, run := range map[string]Run{"hostile": hostile(), "large": large()} {
		var b bytes.Buffer
		if err := WriteJobSummary(&b, NewFindings(run)); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 1<<20 {
			t.Errorf("%s: %d bytes", name, b.Len())
		}
		inFence := ""
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if fence := regexp.MustCompile("^`{3,}").FindString(line); fence != "" && (inFence == "" || line == inFence) {
				inFence = map[bool]string{true: fence, false: ""}[inFence == ""]
				continue
			}
			if inFence != "" {
				continue
			}
			if tag := regexp.MustCompile(`<[^>]*>?`).FindAllString(line, -1); len(tag) > 0 && !regexp.MustCompile(`^\[(<details open>|<summary>|</summary>|</details>| )+\]$`).MatchString(fmt.Sprint(tag)) {
				t.Errorf("%s has %q in %q", name, tag, line)
			}
			if strings.Contains(line, "](") || strings.Contains(line, "\x1b") {
				t.Errorf("%s has a link or a control in %q", name, line)
			}
		}
		if inFence != "" {
			t.Errorf("%s: a block of code does not end", name)
		}
	}
}
