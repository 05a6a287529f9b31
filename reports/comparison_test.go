package reports

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// compared are comparisons by what they show.
func compared() map[string]Comparison {
	worse := Comparison{
		Old: "_artifacts/20261120-090000", New: "_artifacts/latest", Tolerance: 0.1, ComparedSpecs: true, Regressed: true,
		Changes: []string{"agent: my/agent:1 → my/agent:2"}, Unlike: []string{"seed: 1 → 2"}, Gone: []string{"herd-same"},
		Requirements: []Flip{
			{ID: "AGT-01", Old: Pass, New: Fail, Statement: "`GET /v1/credentials` gives 200", Reason: "it gives 500", Broke: true},
			{ID: "INJ-10", New: Fail, Statement: "It keeps the last good one", Broke: true},
			{ID: "INJ-02", Old: Fail, New: Pass, Statement: "Containers get a token"},
			{ID: "SDK-01", Old: Pass, New: Skipped, Statement: "Each SDK works"},
		},
		Benchmarks: []Difference{
			{Scenario: "warm", Case: "rate=900", Metric: "p50", Unit: "sec", Old: 0.002, New: 0.001, Ratio: 0.5, P: 0.008, Verdict: "better"},
			{Scenario: "warm", Case: "rate=900", Metric: "rss", Unit: "B", Old: 1e6, New: 1e6, Ratio: 1, P: 1, Verdict: "no difference shown"},
			{Scenario: "warm", Case: "rate=900", Metric: "max", Unit: "sec", Old: 1, New: 1, Ratio: 1, P: 1, Verdict: "too few measurements"},
			{Scenario: "warm", Case: "rate=900", Metric: "p90", Unit: "sec", Old: 0.002, New: 0.0021, Ratio: 1.05, P: 0.008, Verdict: "worse"},
			{Scenario: "warm", Case: "rate=900", Metric: "p99", Unit: "sec", Old: 0.002, New: 0.004, Ratio: 2, P: 0.008, Verdict: "worse", Regressed: true},
		},
	}
	doubtful := worse
	doubtful.Regressed, doubtful.Doubtful, doubtful.Requirements = false, true, nil
	doubtful.Benchmarks = []Difference{{Scenario: "warm", Metric: "p99", Unit: "sec", Old: 1, New: 2, Ratio: 2, P: 0.01, Verdict: "worse", Limited: "it sent half"}}
	hostile := worse
	evil := "<script>alert(1)</script>|`*_[x](javascript:y)\n::error::z \x1b[31mred @all https://evil.example"
	hostile.Old, hostile.New, hostile.Changes, hostile.Unlike, hostile.Gone = evil, evil, []string{evil}, []string{evil}, []string{evil}
	hostile.Requirements = []Flip{{ID: evil, Old: Pass, New: Fail, Statement: evil, Reason: evil, Broke: true}}
	hostile.Benchmarks = []Difference{{Scenario: evil, Case: evil, Metric: evil, Unit: evil, Old: 1, New: 2, Ratio: 2, Verdict: "worse", Regressed: true}}
	return map[string]Comparison{
		"worse": worse, "doubtful": doubtful, "hostile": hostile,
		"the same": {Old: "a", New: "b", ComparedSpecs: true, Tolerance: 0.1},
	}
}

func TestComparisonsSayWhatChanged(t *testing.T) {
	for name, row := range map[string]struct{ text, markdown, page []string }{
		"worse": {
			text: []string{"Warning: unlike things are compared: seed: 1 → 2\n", " ✗ INJ-10 not there → fail: It keeps", " ✓ INJ-02 fail → pass", " - SDK-01 pass → skipped",
				"warm/rate=900 p99  2.00 ms  4.00 ms  × 2     0.008  worse\n", "worse, tolerated\n", "1 of 5 measures: no difference shown\n", "The new run is worse.\n"},
			markdown: []string{"## ❌ The new run is worse.\n", "| ❌ | **AGT-01** \\`GET /v1/credentials\\` gives 200 | pass | fail |\n", "| ✅ | **INJ-02**", "|  | **SDK-01** Each SDK works | pass | skipped |",
				"| ❌ | warm/rate=900 p99 | 2.00 → 4.00 ms, × 2 (p=0.008) | worse |\n", "| ✅ | warm/rate=900 p50", "- 1 of 5 measures: too few measurements\n", "- herd-same\n"},
			page: []string{"Worse The new run is worse.", "AGT-01 GET /v1/credentials gives 200 fail it gives 500 pass", "warm/rate=900 p90 worse, tolerated", "Unlike things are compared: seed: 1 → 2", "Only the old run measured herd-same"},
		},
		"doubtful": {
			text:     []string{"Requirements: none flipped.\n", "worse, or the generator's limit\n", "or its generator was the limit"},
			markdown: []string{"## ⚠️ The new run is worse, or its generator was the limit", "No requirement flipped.\n", "| ⚠️ | warm p99 |"},
			page:     []string{"Undecided The new run is worse, or its generator", "No requirement flipped.", "warm p99 worse, or the generator's limit"},
		},
		"the same": {
			text:     []string{"Requirements: none flipped.\n\nThe new run is not shown to be worse.\n"},
			markdown: []string{"## ✅ The new run is not shown to be worse.\n", "a → b\n"},
			page:     []string{"Not worse The new run is not shown to be worse.", "Subjects and epi are the same."},
		},
	} {
		c := compared()[name]
		for kind, check := range map[string]struct {
			said string
			want []string
		}{
			"text":     {writtenComparison(t, c, func(w io.Writer, c Comparison) error { return WriteComparison(w, c, false) }), row.text},
			"markdown": {writtenComparison(t, c, WriteComparisonMarkdown), row.markdown},
			"page":     {words(t, writtenComparison(t, c, WriteComparisonHTML)), row.page},
		} {
			for _, want := range check.want {
				if !strings.Contains(check.said, want) {
					t.Errorf("%s of %q lacks %q:\n%s", kind, name, want, check.said)
				}
			}
		}
	}
}

// Changes for the worse come first, and unchanged measures are listed only on request.
func TestComparisonsBeginWithTheWorst(t *testing.T) {
	for _, all := range []bool{false, true} {
		said := writtenComparison(t, compared()["worse"], func(w io.Writer, c Comparison) error { return WriteComparison(w, c, all) })
		var measures []string
		for line := range strings.Lines(said) {
			if fields := strings.Fields(line); strings.HasPrefix(line, "warm") {
				measures = append(measures, fields[1])
			}
		}
		want := map[bool]string{false: "p99 p90 p50", true: "p50 rss max p90 p99"}[all]
		if got := strings.Join(measures, " "); got != want {
			t.Errorf("all %v: %s, want %s", all, got, want)
		}
	}
}

// Names and messages stay text, in every form.
func TestComparisonsStayWhatTheyAre(t *testing.T) {
	c := compared()["hostile"]
	for kind, write := range map[string]func(io.Writer, Comparison) error{
		"text": func(w io.Writer, c Comparison) error { return WriteComparison(w, c, true) }, "markdown": WriteComparisonMarkdown, "page": WriteComparisonHTML,
	} {
		said := writtenComparison(t, c, write)
		if strings.Contains(said, "\x1b") {
			t.Errorf("%s has an escape sequence", kind)
		}
		if kind != "text" && strings.Contains(said, "<script>alert") || kind == "markdown" && strings.Contains(said, "](javascript:") || strings.Contains(said, "\n::") && kind != "page" {
			t.Errorf("%s has markup of a name:\n%s", kind, said)
		}
		if kind == "markdown" {
			for line := range strings.Lines(said) {
				if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 5 {
					t.Errorf("a row has another number of cells: %q", line)
				}
			}
			if strings.Contains(said, "@all") || strings.Contains(said, "https://") {
				t.Errorf("a name links:\n%s", said)
			}
		}
	}
}

func TestComparisonWritersReportErrors(t *testing.T) {
	for kind, write := range map[string]func(io.Writer, Comparison) error{
		"text": func(w io.Writer, c Comparison) error { return WriteComparison(w, c, false) }, "markdown": WriteComparisonMarkdown, "page": WriteComparisonHTML,
	} {
		if err := write(broken{}, compared()["worse"]); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func writtenComparison(t *testing.T, c Comparison, write func(io.Writer, Comparison) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// words is the text of a page in one line.
func words(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" && node.Parent.Data != "title" {
			list = append(list, strings.Fields(node.Data)...)
		}
	}
	return strings.Join(list, " ")
}
