package threshold

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/reports"
)

func TestParse(t *testing.T) {
	for text, want := range map[string][]Condition{
		"warm.p99<5ms":             {{Scenario: "warm", Metric: "p99", Operator: "<", Limit: 0.005, Dimension: Time}},
		"warm/rate=900.p99<=5ms":   {{Scenario: "warm", Case: "rate=900", Metric: "p99", Operator: "<=", Limit: 0.005, Dimension: Time}},
		"throttled.failed<2%":      {{Scenario: "throttled", Metric: "failed", Operator: "<", Limit: 0.02, Dimension: Share}},
		"ghost.calls==0":           {{Scenario: "ghost", Metric: "calls", Operator: "==", Limit: 0, Dimension: Plain}},
		"warm.rate>=10000":         {{Scenario: "warm", Metric: "rate", Operator: ">=", Limit: 10000, Dimension: Plain}},
		"warm.cpu<0.13":            {{Scenario: "warm", Metric: "cpu", Operator: "<", Limit: 0.13, Dimension: Plain}},
		"soak.rss<40MB":            {{Scenario: "soak", Metric: "rss", Operator: "<", Limit: 40e6, Dimension: Size}},
		"soak.rss<1.5MiB":          {{Scenario: "soak", Metric: "rss", Operator: "<", Limit: 1.5 * (1 << 20), Dimension: Size}},
		"herd-same.max>200us":      {{Scenario: "herd-same", Metric: "max", Operator: ">", Limit: 0.0002, Dimension: Time}},
		"warm.p99.9<1s":            {{Scenario: "warm", Metric: "p99.9", Operator: "<", Limit: 1, Dimension: Time}},
		"a/x=0.5.p99<1s":           {{Scenario: "a", Case: "x=0.5", Metric: "p99", Operator: "<", Limit: 1, Dimension: Time}},
		"a/x=0.5.p99.9<1s":         {{Scenario: "a", Case: "x=0.5", Metric: "p99.9", Operator: "<", Limit: 1, Dimension: Time}},
		"a/x=1/y=2.p99 < 1 s":      {{Scenario: "a", Case: "x=1/y=2", Metric: "p99", Operator: "<", Limit: 1, Dimension: Time}},
		"a.p99<1s,b.p99<2s":        {{Scenario: "a", Metric: "p99", Operator: "<", Limit: 1, Dimension: Time}, {Scenario: "b", Metric: "p99", Operator: "<", Limit: 2, Dimension: Time}},
		" a.p99 <1s  b.p99< 2 s ,": {{Scenario: "a", Metric: "p99", Operator: "<", Limit: 1, Dimension: Time}, {Scenario: "b", Metric: "p99", Operator: "<", Limit: 2, Dimension: Time}},
	} {
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for i := range got {
			if got[i].Text == "" {
				t.Errorf("%q: the condition lost its text", text)
			}
			got[i].Text = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"":                 "nothing is said",
		",,":               "nothing is said",
		"warm.p99":         "compares nothing",
		"warm.p99=5ms":     "compares nothing",
		"p99<5ms":          "names no metric",
		".p99<5ms":         "no SCENARIO.METRIC",
		"warm.<5ms":        "no SCENARIO.METRIC",
		"warm/.p99<5ms":    "no SCENARIO.METRIC",
		"warm.p99<":        "no limit",
		"warm.p99<five":    `no unit is called "five"`,
		"warm.p99<5parsec": `no unit is called "parsec": there are  % B GB GiB KB KiB MB MiB kB ms ns s us µs`,
		"warm.p99<ms":      `"" is no number`,
		"warm.p99<1.2.3ms": `"1.2.3" is no number`,
		"warm.p99<-5ms":    "is negative",
		"warm.p99<<5ms":    `"<5" is no number`,
		"warm.p99<NaN":     "no unit is called",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, error %v, want %q", text, got, err, says)
		}
	}
}

func TestCheckNamesWhatThereIs(t *testing.T) {
	known := Known{
		"warm":  {"p99": "sec", "cpu": "sec/1000req", "rss": "B", "failed": "ratio", "rate": "req/s"},
		"ghost": {"calls": "calls", "novel": ""},
	}
	for text, says := range map[string]string{
		"warm.p99<5ms": "", "warm.cpu<0.13": "", "warm.cpu<130ms": "", "warm.rss<40MB": "", "warm.failed<2%": "", "warm.failed<0.02": "",
		"warm.failed==0": "", "warm.p99>=0": "", "warm.rate>=900": "", "ghost.calls==0": "", "ghost.novel<3s": "",
		"cold.p99<5ms":    `no scenario "cold" is measured: there are ghost, warm`,
		"warm.p98<5ms":    `scenario warm gives no "p98": it gives cpu, failed, p99, rate, rss`,
		"warm.p99<5":      "p99 of warm is a time, such as 5ms, but 5 is not",
		"warm.p99<5%":     "is a time",
		"warm.rss<40":     "is a size, such as 40MB, but 40 is not",
		"warm.failed<2":   "is a share, such as 2%, but 2 is not", // 200% is probably a mistake
		"warm.rate>=9ms":  "is a number without a unit, but 9ms is not",
		"ghost.calls<50%": "is a number without a unit",
	} {
		conditions, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		err = Check(conditions, known)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
	conditions, err := Parse("warm.p99<5ms")
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(conditions, Known{}); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("nothing is measured: %v", err)
	}
}

func bench() reports.Bench {
	p99 := func(value float64) []reports.Metric {
		return []reports.Metric{{Name: "p99", Unit: "sec", Value: value}, {Name: "failed", Unit: "ratio", Value: 0.01}}
	}
	return reports.Bench{Scenarios: []reports.Scenario{
		{Name: "warm", Outcome: reports.Pass, Cases: []reports.Case{
			{Name: "rate=200/connections=kept", Metrics: p99(0.001)}, {Name: "rate=900/connections=kept", Metrics: p99(0.004)},
			{Name: "rate=900/connections=new", Metrics: append(p99(0.006), reports.Metric{Name: "extra", Unit: "calls"})},
		}},
		{Name: "herd", Outcome: reports.Fail, Cases: []reports.Case{{Metrics: p99(0.2)}}},
		{Name: "soak", Outcome: reports.Error, Failure: &reports.Failure{Message: "evicted"}, Cases: []reports.Case{{Metrics: p99(0.2)}}},
		{Name: "s3", Outcome: reports.NotSupported, Reason: "needs S3"},
		{Name: "limited", Outcome: reports.Pass, Cases: []reports.Case{{Metrics: p99(0.2), Limited: "it sent half"}}},
	}}
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		text    string
		outcome reports.Outcome
		reason  string
		holds   []bool
	}{
		{"warm.p99<10ms", reports.Pass, "", []bool{true, true, true}},
		{"warm.p99<5ms", reports.Fail, "", []bool{true, true, false}},
		{"warm/rate=900.p99<5ms", reports.Fail, "", []bool{true, false}},
		{"warm/connections=kept.p99<5ms", reports.Pass, "", []bool{true, true}},
		{"warm/connections=kept/rate=900.p99<=4ms", reports.Pass, "", []bool{true}},
		{"warm/rate=900/connections=kept.p99<4ms", reports.Fail, "", []bool{false}},
		{"warm.failed==1%", reports.Pass, "", []bool{true, true, true}},
		{"warm.failed>1%", reports.Fail, "", []bool{false, false, false}},
		{"warm.failed>=1%", reports.Pass, "", []bool{true, true, true}},
		{"herd.p99<1s", reports.Pass, "", []bool{true}}, // the answer was wrong, but in time
		{"warm/rate=1.p99<5ms", reports.Error, `no case of warm is "rate=1": there are rate=200/connections=kept, `, nil},
		{"warm.p98<5ms", reports.Error, "warm gave no p98", nil},
		{"warm.extra==0", reports.Error, "warm gave no extra in rate=200/connections=kept, rate=900/connections=kept", []bool{true}},
		{"warm.p99<5", reports.Error, "is a time", nil},
		{"cold.p99<5ms", reports.NotRun, "scenario cold did not run", nil},
		{"soak.p99<5s", reports.Error, "scenario soak: error: evicted", nil},
		{"s3.p99<5ms", reports.NotSupported, "scenario s3: not supported: needs S3", nil},
		{"limited.p99<1s", reports.Pass, "", []bool{true}},
		// If the generator was the limit, the subject does not fail.
		{"limited.p99<5ms", reports.Error, "the generator was the limit: it sent half", []bool{false}},
	} {
		conditions, err := Parse(row.text)
		if err != nil {
			t.Fatal(err)
		}
		got := Judge(conditions, bench())[0]
		var holds []bool
		for _, m := range got.Measured {
			holds = append(holds, m.Holds)
		}
		if got.Expression != row.text || got.Outcome != row.outcome || !strings.HasPrefix(got.Reason, row.reason) && !strings.Contains(got.Reason, row.reason) || (row.reason == "") != (got.Reason == "") || !slices.Equal(holds, row.holds) {
			t.Errorf("%s: %+v, want %s %q %v", row.text, got, row.outcome, row.reason, row.holds)
		}
	}
}

// A condition that can be read names its subject, and reads the same when it is written and read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"warm.p99<5ms", "warm/rate=900.p99<=5ms,ghost.calls==0", "a/x=0.5.p99.9<1s b.c>2%", "µ.é<1µs", "a.b<1e3", "a.b<0x1p3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		conditions, err := Parse(text)
		if err != nil {
			return
		}
		for _, c := range conditions {
			if c.Scenario == "" || c.Metric == "" || !slices.Contains(operators, c.Operator) || c.Limit < 0 {
				t.Errorf("%q: %+v", text, c)
			}
			again, err := Parse(c.Text)
			if err != nil || len(again) != 1 || again[0] != c {
				t.Errorf("%q: %+v reads as %+v, %v", text, c, again, err)
			}
			Judge([]Condition{c}, bench())
		}
	})
}
