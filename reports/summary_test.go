package reports

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
)

func TestSummaryFitsTheWidth(t *testing.T) {
	for name, run := range samples() {
		for _, width := range []int{0, 10, 40, 60, 80, 132} {
			limit := map[int]int{0: 80, 10: 40}[width]
			if limit == 0 {
				limit = width
			}
			text := string(written(t, func(w io.Writer, r Run) error { return WriteSummary(w, NewFindings(r), SummaryOptions{Width: width}) }, run))
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				if runewidth.StringWidth(line) <= limit {
					continue
				}
				// Only commands and single long words may be longer, so that they can be copied.
				fields := strings.Fields(line)
				if last := fields[len(fields)-1]; fields[0] != "again" && fields[0] != "see" && len(fields) > 2 && runewidth.StringWidth(last) < limit/2 {
					t.Errorf("%s: at %d cells, a line of %d: %q", name, limit, runewidth.StringWidth(line), line)
				}
			}
		}
	}
}

// Colour is additional: no information depends on it.
func TestSummaryColor(t *testing.T) {
	for name, run := range samples() {
		without := written(t, func(w io.Writer, r Run) error { return WriteSummary(w, NewFindings(r), SummaryOptions{}) }, run)
		with := written(t, func(w io.Writer, r Run) error { return WriteSummary(w, NewFindings(r), SummaryOptions{Color: true}) }, run)
		if bytes.Contains(without, []byte("\x1b")) {
			t.Errorf("%s: escape sequences without colour", name)
		}
		if !bytes.Contains(with, []byte("\x1b[1;")) {
			t.Errorf("%s: no colour in the verdict", name)
		}
		if got := ansi.ReplaceAll(with, nil); !bytes.Equal(got, without) {
			t.Errorf("%s: colour changes the text", name)
		}
	}
}

func TestSummaryNamesTheCommand(t *testing.T) {
	text := string(written(t, plainSummary, failing()))
	want := `epi test --name epi --focus '^Session tags let a pod read its own prefix \(it'"'"'s allowed\)$'` + "\n"
	if !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}

func TestRerunIsInTheSameCircumstances(t *testing.T) {
	spec := Spec{Name: "Tokens rotate", Slow: 9 * time.Minute}
	for _, row := range []struct {
		run  Run
		want string
	}{
		{Run{}, "epi test --slow --focus '^Tokens rotate$'"},
		{Run{Environment: Environment{Name: "mine"}, Selection: []string{"--profile=agent", "--break=role-without-policy"}},
			"epi test --name mine --slow --break=role-without-policy --focus '^Tokens rotate$'"},
	} {
		if got := row.run.rerun(spec); got != row.want {
			t.Errorf("got %s, want %s", got, row.want)
		}
	}
}

// A failure takes five lines, and specs with one cause are written together.
func TestSummaryIsBounded(t *testing.T) {
	run := failing()
	broken := run.Specs[0]
	for _, spec := range run.Specs {
		if spec.Evidence != nil {
			broken = spec
		}
	}
	summarised := func(messages ...string) string {
		run.Specs = nil
		for n, message := range messages {
			broken.Name = fmt.Sprintf("Webhook injects %d", n)
			broken.Failure = &Failure{Message: message, Location: "suites/a.go:1"}
			run.Specs = append(run.Specs, broken)
		}
		text := string(written(t, func(w io.Writer, r Run) error {
			return WriteSummary(w, NewFindings(r), SummaryOptions{Dir: "_artifacts/x"})
		}, run))
		message, _, _ := strings.Cut(text, " - ")
		return message
	}
	long := "expected the pod to be a session of role epi-blue-x2\n     got no credentials: " + strings.Repeat("no EC2 IMDS role found, ", 40) + "\nand\nmuch\nmore"
	one := summarised(long)
	if lines := strings.Count(strings.TrimSpace(one), "\n") + 1; lines > 5 {
		t.Errorf("one failure in %d lines:\n%s", lines, one)
	}
	for _, want := range []string{"✗ INJ-01 INJ-02 Webhook injects 0\n", "expected the pod to be a session of role epi-blue-x2 got", "…\n", "see      _artifacts/x/specs/INJ-01", "again    epi test"} {
		if !strings.Contains(one, want) {
			t.Errorf("want %q in:\n%s", want, one)
		}
	}
	// The expectations, names and numbers differ, but what was seen is the same cause.
	same := []string{}
	for n := range 22 {
		same = append(same, fmt.Sprintf("expected object %d of bucket epi-blue-%dabc\n     got HeadObject: AccessDenied, status 403: arn:aws:sts::1:assumed-role/r/%d", n, n, n))
	}
	many := summarised(same...)
	if lines := strings.Count(strings.TrimSpace(many), "\n") + 1; lines > 20 || !strings.Contains(many, "✗ 22 specs failed: expected object 0") || !strings.Contains(many, "… and 12 more") {
		t.Errorf("22 of one cause in %d lines:\n%s", lines, many)
	}
	refused := summarised(
		"expected the object, 73 bytes\n got HeadObject answered 403 Forbidden\n(for 10.6s)",
		"its own prefix\nexpected success, but got: AccessDenied of S3 PutObject (status 403, request 1): User: u is not authorized",
		"AccessDenied of S3 ListObjectsV2 (status 403, request 2): User: u is not authorized")
	if !strings.Contains(refused, "✗ 3 specs failed: expected the object") {
		t.Errorf("refusals of AWS are reported apart:\n%s", refused)
	}
	two := summarised("expected a\n got b of it", "expected a\n got another thing")
	if strings.Contains(two, "2 specs") || strings.Count(two, "✗") != 2 {
		t.Errorf("two causes are reported as one:\n%s", two)
	}
}

// goSyntax matches what no text for people may contain.
var goSyntax = regexp.MustCompile(`0x[0-9a-f]{6,}|<[\w.*\[\]]+(?: \| [^>]*)?>: |map\[|&\{|&\w+\.\w+\{`)

func TestNoReportForPeopleHasGoSyntax(t *testing.T) {
	for name, run := range samples() {
		if name == "hostile" {
			continue
		}
		for _, write := range []func(io.Writer, Run) error{plainSummary, of(WriteJUnit), of(WriteHTML)} {
			if found := goSyntax.FindString(string(written(t, write, run))); found != "" {
				t.Errorf("%s: %q", name, found)
			}
		}
	}
}

// What the environment left undecided is mentioned once.
func TestSummaryTellsAnAbsenceOnce(t *testing.T) {
	run := passing()
	for n := range 30 {
		run.Specs = append(run.Specs, Spec{
			Suite: "agent", Name: fmt.Sprintf("Agent answers %d", n), Outcome: Error,
			Failure: &Failure{Message: "not decided: node blue is away since 14:15:00 UTC: it is paused", Cause: CauseEnvironment},
		})
	}
	run.Specs[0].Again = "node blue was away"
	run.Absences = []Absence{{"node blue", "its container is paused", at(60), at(90)}, {"the AWS emulator", "it refuses connections", at(100), time.Time{}}}
	text := string(written(t, plainSummary, run))
	for _, want := range []string{
		" ! 30 specs not decided: node blue is away since 14:15:00 UTC: it is paused\n",
		" ! node blue was away from 14:16:00 to 14:16:30 UTC: its container is paused\n",
		" ! the AWS emulator was away from 14:16:40 UTC to the end: it refuses\n",
		" - 1 spec ran once more because of the environment\n",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("want %q once in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Agent answers") {
		t.Errorf("a spec that the environment kept from being decided is message by name:\n%s", text)
	}
}

// What ended the run is its problem and part of the verdict. The specs of that time are only counted.
func TestSummaryTellsWhatEndedTheRunTwice(t *testing.T) {
	const gone = "the folder /s is away since 14:15:00 UTC: its disk is full: 0 MiB are left"
	run := passing()
	run.Clients = []Client{{Name: "go-v1", SDK: "AWS SDK for Go v1", Version: "1.55.8"}, {Name: "go-v2", SDK: "AWS SDK for Go v2", Version: "1.33.16"}}
	for n, message := range []string{`watch environment "e": ` + gone, gone, gone} {
		run.Specs = append(run.Specs, Spec{
			Suite: "agent", Name: fmt.Sprintf("Agent answers %d", n), Client: run.Clients[n%2].Name, Outcome: Error,
			Failure: &Failure{Message: "not decided: " + message, Cause: CauseEnvironment},
		})
	}
	run.Absences = []Absence{{"the folder /s", "its disk is full: 0 MiB are left", at(60), time.Time{}}}
	run.Problems = []Problem{{Doing: "run suites", Message: `watch environment "e": ` + gone, Remedy: "free space there"}}
	text := strings.Join(strings.Fields(string(written(t, plainSummary, run))), " ")
	if got := strings.Count(text, "is full"); got != 2 {
		t.Errorf("it is message %d times:\n%s", got, text)
	}
	if !strings.Contains(text, "3 specs not decided because of that") || !strings.Contains(text, "1.33.16: could not be decided: the environment was away") {
		t.Errorf("%s", text)
	}
}

func TestSummaryTellsWhatIsDecidedInPart(t *testing.T) {
	run := passing()
	slow := run.Specs[0]
	slow.Name, slow.Outcome, slow.Reason = "Tokens rotate", Skipped, "takes about 9m0s; run it with --slow"
	run.Specs = append(run.Specs, slow)
	text := string(written(t, func(w io.Writer, r Run) error { return WriteSummary(w, NewFindings(r), SummaryOptions{Width: 132}) }, run))
	if want := "2 requirements decided in part: 1 of 2 specs skipped: takes about 9m0s; run it with --slow (INJ-01, INJ-02)\n"; !strings.Contains(text, want) {
		t.Errorf("want %q in:\n%s", want, text)
	}
}
