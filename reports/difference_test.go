package reports

import "testing"

func TestDifferencesOfAnABRunAreReported(t *testing.T) {
	for want, d := range map[string]Difference{
		"w p50: better, 2.00 → 1.00 ms, × 0.5 [0.4 to 0.6] (p=0.001, pairs: 4)": {
			Scenario: "w", Metric: "p50", Unit: "sec", Old: .002, New: .001, Ratio: .5, Low: .4, High: .6, P: .001, Verdict: "better", Primary: true, Pairs: 4,
		},
		"w p50: the same within 25%, 2.00 → 2.00 ms, × 1 [0.9 to 1.1] (p=0.800, pairs: 6)": {
			Scenario: "w", Metric: "p50", Unit: "sec", Old: .002, New: .002, Ratio: 1, Low: .9, High: 1.1, P: .8, Verdict: "the same", Within: .25, Primary: true, Pairs: 6,
		},
		"w failed: worse, 0 → 30.0% [+20.0 to +40.0%] (p<0.001, pairs: 4)": {
			Scenario: "w", Metric: "failed", Unit: "ratio", New: .3, Change: &Change{.2, .4}, Verdict: "worse", Primary: true, Pairs: 4,
		},
		"w failed: the same within 2.50%, 0 → 0%, × 1 [−1.00 to +1.00%] (p=1.000, pairs: 4)": {
			Scenario: "w", Metric: "failed", Unit: "ratio", Ratio: 1, Change: &Change{-.01, .01}, P: 1, Verdict: "the same", Within: .025, Primary: true, Pairs: 4,
		},
		"w calls: not concluded, 1 → 2 calls/identity, × 2 [−3 to +5 calls/identity] (p=0.300, pairs: 4)": {
			Scenario: "w", Metric: "calls", Unit: "calls/identity", Old: 1, New: 2, Ratio: 2, Change: &Change{-3, 5}, P: .3, Verdict: "no difference shown", Primary: true, Pairs: 4,
		},
		"w rss (secondary): worse, 2.10 → 4.19 MB, × 2 (p<0.001, pairs: 4)": {
			Scenario: "w", Metric: "rss", Unit: "B", Old: 2 << 20, New: 4 << 20, Ratio: 2, Verdict: "worse", Pairs: 4,
		},
	} {
		if got := d.about() + ": " + d.verdict() + ", " + d.text(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
