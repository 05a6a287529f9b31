package reports

import "fmt"

// htmlBench is the benchmark in the form of the templates.
type htmlBench struct {
	// Where describes machines and generator in a sentence.
	Where       string
	Scenarios   []htmlScenario
	Thresholds  []htmlThreshold
	Compared    string
	Differences []htmlDifference
	// Silent is the number of comparisons that showed nothing.
	Silent []htmlCount
}

type htmlCount struct {
	Label string
	Count int
}

type htmlScenario struct {
	ID, Name, Title    string
	About, Source      []htmlText
	Outcome            Outcome
	Label, Reason      string
	Message, Location  string
	Subject, Size      string
	Duration           string
	Table              benchTable
	Limited, Notes     []string
	Distribution       *htmlPlot
	Cases              []htmlCase
	Quantiles          []htmlQuantile
	QuantileCases      []string
	Open, Measured     bool
	HasSeries, Labeled bool
}

// htmlCase is a case with its course over time.
type htmlCase struct {
	Name, Class       string
	Latency, Failures *htmlPlot
	Series            []htmlInterval
	Tracks            []htmlTrack
	// More is the number of intervals that are not listed.
	More int
}

type htmlQuantile struct {
	Of     string
	Values []string
}

type htmlInterval struct {
	From, P50, P99   string
	Requests, Failed int64
}

type htmlThreshold struct {
	Expression, Measured, Reason string
	Outcome                      Outcome
	Label                        string
}

type htmlDifference struct {
	About, Text, Verdict string
	Outcome              Outcome
}

// openScenarios is the largest number of scenarios whose plots are unfolded. If there are more, only the failed ones are
// unfolded.
const openScenarios = 4

func (p *htmlPage) bench(run Run) {
	if run.Bench == nil {
		return
	}
	bench := &htmlBench{Where: run.Bench.where()}
	for i, s := range run.Bench.Scenarios {
		shown := s.html(i)
		shown.Open = len(run.Bench.Scenarios) <= openScenarios || s.Outcome == Fail
		bench.Scenarios = append(bench.Scenarios, shown)
	}
	for _, t := range run.Bench.Thresholds {
		bench.Thresholds = append(bench.Thresholds, htmlThreshold{
			plain(t.Expression), t.text(true), plain(t.Reason), t.Outcome, map[Outcome]string{Pass: "holds", Fail: "does not hold"}[t.Outcome]})
		if last := &bench.Thresholds[len(bench.Thresholds)-1]; last.Label == "" {
			last.Label = t.Outcome.Label()
		}
	}
	bench.compare(run.Bench)
	p.Bench = bench
}

func (b *htmlBench) compare(bench *Bench) {
	b.Compared = bench.compared()
	silent := map[string]int{}
	for _, d := range bench.Differences {
		if d.silent() {
			silent[d.Verdict]++
			continue
		}
		shown := htmlDifference{About: d.about(), Text: d.text(), Verdict: d.verdict(), Outcome: Skipped}
		switch {
		case d.Regressed:
			shown.Outcome = Fail
		case d.Verdict == Worse:
			shown.Outcome = Error
		case d.Verdict == Better:
			shown.Outcome = Pass
		}
		b.Differences = append(b.Differences, shown)
	}
	for _, verdict := range silentVerdicts {
		if silent[verdict] > 0 {
			b.Silent = append(b.Silent, htmlCount{verdict, silent[verdict]})
		}
	}
}

func (s Scenario) html(number int) htmlScenario {
	shown := htmlScenario{
		ID: fmt.Sprintf("scenario-%d", number+1), Name: plain(s.Name), Title: plain(s.Title), About: code(plain(s.About)), Source: marked(plain(s.Source)),
		Outcome: s.Outcome, Label: s.Outcome.Label(), Reason: plain(clip(s.Reason, messageLimit)), Subject: plain(s.Subject), Size: s.size(),
		Table: s.table(), Limited: s.limited(), Notes: plains(s.Notes), Distribution: distributionPlot(s), Measured: s.Outcome == Pass,
	}
	if !s.Outcome.Valid() {
		shown.Outcome = Error
	}
	if s.Duration > 0 {
		shown.Duration = short(s.Duration)
	}
	if s.Failure != nil {
		shown.Message, shown.Location = plain(clip(s.Failure.Message, messageLimit)), plain(s.Failure.Location)
	}
	drawn, y := 0, s.latencyAxis()
	for _, c := range s.Cases {
		row := htmlCase{Name: plain(c.Name), More: max(0, len(c.Series)-maxZones)}
		if len(c.Distribution) > 0 {
			row.Class = seriesClass(drawn)
			drawn++
		}
		row.Latency, row.Failures = timePlots(s, c, y)
		for _, v := range c.Series[:min(len(c.Series), maxZones)] {
			row.Series = append(row.Series, v.html())
		}
		row.Tracks = s.tracks(c)
		shown.HasSeries = shown.HasSeries || row.Latency != nil || len(row.Tracks) > 0
		shown.Labeled = shown.Labeled || row.Name != ""
		shown.Cases = append(shown.Cases, row)
	}
	shown.quantiles(s)
	return shown
}

func (v Interval) html() htmlInterval {
	row := htmlInterval{From: fmt.Sprintf("%.4g s", v.From), Requests: v.Requests, Failed: v.Failed}
	if v.P50 > 0 {
		row.P50, row.P99 = Quantity(v.P50, "sec"), Quantity(v.P99, "sec")
	}
	return row
}

// quantiles are the numbers of the distribution: a row for each share, a column for each case.
func (h *htmlScenario) quantiles(s Scenario) {
	rows := map[float64]int{}
	column := 0
	for _, c := range s.Cases {
		if len(c.Distribution) == 0 {
			continue
		}
		h.QuantileCases = append(h.QuantileCases, plain(c.Name))
		for _, q := range c.Distribution {
			i, known := rows[q.Of]
			if !known {
				i = len(h.Quantiles)
				rows[q.Of] = i
				h.Quantiles = append(h.Quantiles, htmlQuantile{Of: shareText(q.Of)})
			}
			for len(h.Quantiles[i].Values) < column {
				h.Quantiles[i].Values = append(h.Quantiles[i].Values, "")
			}
			h.Quantiles[i].Values = append(h.Quantiles[i].Values, Quantity(q.Seconds, "sec"))
		}
		column++
	}
}
