package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history"
)

// The amounts on the pages. The first page stays below a megabyte for any store.
const (
	// firstColumns is the number of runs, and firstTracks the number of tracks, in grids on the first page. columns is the
	// number of runs in a grid on its own page.
	firstColumns, firstTracks = 30, 3
	columns                   = 60
	// listed is the number of rows of a table on the first page.
	listed = 50
	// runsListed is the number of runs on a page that lists them.
	runsListed = 1000
	// plotted is the number of runs in a plot.
	plotted = 120
)

// file is a page to write.
type file struct {
	file, template string
	data           any
}

// overview is the first page in the form of its template.
type overview struct {
	Title    string
	Runs     int
	From, To string
	Tracks   []trackRow
	Open     []breakRow
	Past     []breakRow
	MorePast int
	Flakes   []flakeRow
	Moves    []moveRow
	MoreMove int
	// Measures is the number of analysed series. Trends says whether they have a page.
	Measures int
	Trends   bool
	Compared []comparedRow
	Grids    []grid
	Newest   []runRow
	Damages  []string
	MoreDam  int
}

type trackRow struct {
	Name, Slug, Badge, Page string
	Outcome                 reports.Outcome
	Runs                    int
	Newest                  runRef
	Held                    string
}

// runRef is a run with a link to its report, if it has one.
type runRef struct {
	ID, Link string
	Outcome  reports.Outcome
}

type breakRow struct {
	ID, Statement, Link string
	Track               string
	Broke, Held         runRef
	Fixed               *runRef
	Failed, Undecided   int
	Changes             []string
}

type flakeRow struct {
	ID, Statement, Track string
	Rate, Interval       string
	Flips, Pairs         int
	OnlyEpi              int
	Once                 bool
	Before, After        runRef
}

type moveRow struct {
	About, Track, Machines string
	Old, New, Ratio, P     string
	Outcome                reports.Outcome
	Label                  string
	Before, First          runRef
	Changes                []string
	Machine                string
	Link                   string
}

type comparedRow struct {
	Run       runRef
	What      string
	Texts     []string
	More      int
	Unchanged int
}

type runRow struct {
	runRef
	Started, Sentence, What string
	Track                   string
	Conformance             string
}

// grid has requirements as rows and runs as columns.
type grid struct {
	Track, Slug, Prefix string
	Columns             []column
	Rows                []gridRow
	Older, Newer        string
	Whole               string
	// Steady is the number of rows that held in every run that decided them.
	Steady int
}

type column struct {
	runRef
	Day, Time string
	// Changed says that the tested programs differ from the run before.
	Changed string
}

type gridRow struct {
	ID, Anchor, Statement, Level, Profile string
	Cells                                 []cell
	// State is "failing", "failed" or "held" for some runs, or "undecided".
	State, Search string
	Flaky         bool
}

type cell struct {
	Outcome reports.Outcome
	Mark    string
	Link    string
	Label   string
}

// marks are the characters of a grid, because some readers cannot see its colours.
var marks = map[reports.Outcome]string{
	reports.Pass: "·", reports.Fail: "✗", reports.Error: "!", reports.NotSupported: "–", reports.Skipped: "s", reports.NotRun: "", "": "",
}

func (s *site) ref(r history.Record) runRef {
	ref := runRef{ID: plain(r.ID), Outcome: r.Outcome}
	if s.reported[r.Key()] {
		ref.Link = reportsDir + "/" + r.Key() + "/" + indexFile
	}
	return ref
}

// at is the link to a requirement in the report of a run.
func (ref runRef) at(id string) string {
	if ref.Link == "" {
		return ""
	}
	return ref.Link + "#req-" + id
}

func (s *site) statement(id string) string { return plain(s.catalogue[id].Statement) }

func (s *site) pages() []file {
	var list []file
	first := s.overview()
	list = append(list, file{indexFile, "history.tmpl", first})
	for _, track := range s.tracks {
		list = append(list, s.trackPages(track)...)
	}
	for i := 0; i == 0 || i*runsListed < len(s.records); i++ {
		list = append(list, file{numbered(runsFile, i), "runs.tmpl", s.runsPage(i)})
	}
	if first.Trends {
		list = append(list, file{trendsFile, "trends.tmpl", s.trendsPage()})
	}
	return list
}

// numbered is the name of the n-th part of a page, from 0.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d.html", strings.TrimSuffix(name, ".html"), n+1)
}

func (s *site) overview() overview {
	o := overview{Title: "EKS Pod Identity conformance over time", Runs: len(s.records)}
	if n := len(s.records); n > 0 {
		o.From, o.To = day(s.records[0]), day(s.records[n-1])
	}
	for i, track := range s.tracks {
		row := trackRow{Name: plain(track.Name), Slug: track.Slug, Runs: len(track.Runs), Page: trackFile(track)}
		newest := track.Runs[len(track.Runs)-1]
		if decided, ok := newestDecided(track); ok {
			newest = decided
			row.Badge = "badge-" + track.Slug + ".svg"
			row.Held = reports.BadgeOf(newest.Requirements, newest.Outcome).Message
		}
		row.Newest, row.Outcome = s.ref(newest), newest.Outcome
		o.Tracks = append(o.Tracks, row)
		if track.Experiment {
			continue
		}
		for _, b := range track.Breaks() {
			shown := s.breakRow(track, b)
			if b.Fixed == nil {
				o.Open = append(o.Open, shown)
			} else {
				o.Past = append(o.Past, shown)
			}
		}
		for _, f := range track.Flakes() {
			o.Flakes = append(o.Flakes, s.flakeRow(track, f))
		}
		if i < firstTracks && len(track.IDs()) > 0 {
			o.Grids = append(o.Grids, s.grid(track, max(0, len(track.Runs)-firstColumns), len(track.Runs), fmt.Sprintf("t%d-", i+1)))
		}
	}
	o.Open = o.Open[:min(len(o.Open), 4*listed)]
	o.MorePast = max(0, len(o.Past)-listed)
	o.Past = o.Past[:min(len(o.Past), listed)]
	o.Flakes = o.Flakes[:min(len(o.Flakes), listed)]
	for i, series := range s.trends {
		o.Measures++
		o.Trends = o.Trends || len(series.Points) > 0
		for _, change := range series.Changes {
			o.Moves = append(o.Moves, s.moveRow(i, series, change))
		}
	}
	slices.SortStableFunc(o.Moves, func(a, b moveRow) int { return strings.Compare(b.First.ID, a.First.ID) })
	o.MoreMove = max(0, len(o.Moves)-listed)
	o.Moves = o.Moves[:min(len(o.Moves), listed)]
	for i := len(s.records) - 1; i >= 0; i-- {
		record := s.records[i]
		if len(o.Newest) < 20 {
			o.Newest = append(o.Newest, s.runRow(record))
		}
		if len(o.Compared) < 20 && record.Bench != nil && record.Bench.Compared > 0 {
			o.Compared = append(o.Compared, s.comparedRow(record))
		}
	}
	for _, damage := range s.damages[:min(len(s.damages), listed)] {
		o.Damages = append(o.Damages, plain(damage.String()))
	}
	o.MoreDam = len(s.damages) - len(o.Damages)
	return o
}

func trackFile(track history.Track) string { return "track-" + track.Slug + ".html" }

func day(r history.Record) string { return r.Started.UTC().Format("2 January 2006") }

func (s *site) breakRow(track history.Track, b history.Break) breakRow {
	row := breakRow{
		ID: plain(b.ID), Statement: s.statement(b.ID), Track: plain(track.Name), Broke: s.ref(b.Broke), Held: s.ref(b.Held),
		Failed: b.Failed, Undecided: b.Undecided, Changes: texts(b.Changes),
	}
	row.Link = row.Broke.at(row.ID)
	if b.Held.Results == "" {
		row.Held = runRef{}
	}
	if b.Fixed != nil {
		fixed := s.ref(*b.Fixed)
		row.Fixed = &fixed
	}
	return row
}

func texts(changes []history.Change) []string {
	var list []string
	for _, change := range changes {
		change.Old, change.New = shortened(change.Old), shortened(change.New)
		list = append(list, plain(change.String()))
	}
	return list
}

// shortened is a text with shortened digests.
func shortened(text string) string {
	at := strings.Index(text, "sha256:")
	if at < 0 || len(text) < at+20 {
		return text
	}
	return text[:at+19] + "…"
}

func (s *site) flakeRow(track history.Track, f history.Flake) flakeRow {
	return flakeRow{
		ID: plain(f.ID), Statement: s.statement(f.ID), Track: plain(track.Name), Flips: f.Flips, Pairs: f.Pairs, OnlyEpi: f.OnlyEpi, Once: f.Once,
		Rate: percent(f.Rate), Interval: percent(f.Low) + " to " + percent(f.High), Before: s.ref(f.Before), After: s.ref(f.After),
	}
}

func percent(share float64) string { return fmt.Sprintf("%.3g%%", 100*share) }

func (s *site) moveRow(number int, series history.Series, c history.ChangePoint) moveRow {
	row := moveRow{
		About: plain(series.About()), Track: plain(series.Track), Machines: plain(series.Machines),
		Old: reports.Quantity(c.Old, series.Unit), New: reports.Quantity(c.New, series.Unit), P: fmt.Sprintf("%.2g", c.P),
		Before: s.ref(c.Before), First: s.ref(c.First), Changes: texts(c.Changes), Machine: c.Machine, Outcome: reports.Skipped, Label: "different",
		Link: fmt.Sprintf("%s#series-%d", trendsFile, number+1),
	}
	if c.Ratio > 0 {
		row.Ratio = fmt.Sprintf("× %.3g", c.Ratio)
	}
	switch {
	case c.Machine != "" && c.Worse:
		row.Outcome, row.Label = reports.Error, "worse, or the machine"
	case c.Worse:
		row.Outcome, row.Label = reports.Fail, "worse"
	case c.Better:
		row.Outcome, row.Label = reports.Pass, "better"
	}
	return row
}

func (s *site) comparedRow(r history.Record) comparedRow {
	row := comparedRow{Run: s.ref(r), Unchanged: r.Bench.Compared - len(r.Bench.Moved), What: "with the baseline " + plain(r.Bench.Baseline)}
	if row.Run.Link != "" {
		row.Run.Link += "#bench"
	}
	if len(r.Bench.Variants) == 2 {
		row.What = plain("A/B: " + shortened(r.Bench.Variants[0].Image) + " and " + shortened(r.Bench.Variants[1].Image))
	}
	const most = 5
	for _, d := range r.Bench.Moved[:min(len(r.Bench.Moved), most)] {
		row.Texts = append(row.Texts, plain(fmt.Sprintf("%s × %.3g %s", d.About(), d.Ratio, d.Verdict)))
	}
	row.More = max(0, len(r.Bench.Moved)-most)
	return row
}

func (s *site) runRow(r history.Record) runRow {
	row := runRow{runRef: s.ref(r), Started: r.Started.UTC().Format("2006-01-02 15:04"), Sentence: plain(r.Sentence)}
	var what []string
	for _, subject := range r.Subjects {
		switch {
		case subject.Absent:
			what = append(what, "no "+subject.Role)
		case subject.Reference:
			what = append(what, subject.Role+" "+shortened(firstOf(subject.Digest, subject.Image)))
		default:
			what = append(what, subject.Role+" "+subject.Image)
		}
	}
	if r.Environment.KubernetesVersion != "" {
		what = append(what, "Kubernetes "+r.Environment.KubernetesVersion)
	}
	what = append(what, "epi "+r.Epi.Version)
	row.What = plain(strings.Join(what, " · "))
	if row.Link != "" && r.Specs > 0 {
		row.Conformance = reportsDir + "/" + r.Key() + "/" + reports.ConformanceFile
	}
	return row
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// runsList is a page with a list of runs, the newest first.
type runsList struct {
	Title        string
	Rows         []runRow
	Older, Newer string
}

func (s *site) runsPage(n int) runsList {
	list := runsList{Title: "All runs"}
	for i := len(s.records) - 1 - n*runsListed; i >= max(0, len(s.records)-(n+1)*runsListed); i-- {
		list.Rows = append(list.Rows, s.runRow(s.records[i]))
	}
	if (n+1)*runsListed < len(s.records) {
		list.Older = numbered(runsFile, n+1)
	}
	if n > 0 {
		list.Newer = numbered(runsFile, n-1)
	}
	return list
}

// trackPage is the grid of a track.
type trackPage struct {
	Title string
	Grid  grid
}

func (s *site) trackPages(track history.Track) []file {
	if len(track.IDs()) == 0 {
		return nil
	}
	var list []file
	for n := 0; n*columns < len(track.Runs); n++ {
		to := len(track.Runs) - n*columns
		g := s.grid(track, max(0, to-columns), to, "")
		g.Whole = ""
		if to > columns {
			g.Older = numbered(trackFile(track), n+1)
		}
		if n > 0 {
			g.Newer = numbered(trackFile(track), n-1)
		}
		list = append(list, file{numbered(trackFile(track), n), "track.tmpl", trackPage{plain(track.Name), g}})
	}
	return list
}

// grid returns the grid of the track's runs between from and to.
func (s *site) grid(track history.Track, from, to int, prefix string) grid {
	g := grid{Track: plain(track.Name), Slug: track.Slug, Prefix: prefix, Whole: trackFile(track)}
	runs := track.Runs[from:to]
	outcomes := make([]map[string]reports.Outcome, len(runs))
	for i, run := range runs {
		outcomes[i] = run.Outcomes()
		c := column{runRef: s.ref(run), Day: run.Started.UTC().Format("01-02"), Time: run.Started.UTC().Format("2006-01-02 15:04 UTC")}
		if from+i > 0 {
			c.Changed = strings.Join(texts(history.Changes(track.Runs[from+i-1], run)), "; ")
		}
		g.Columns = append(g.Columns, c)
	}
	flaky := map[string]bool{}
	for _, f := range track.Flakes() {
		flaky[f.ID] = true
	}
	for _, id := range track.IDs() {
		requirement := s.catalogue[id]
		row := gridRow{
			ID: plain(id), Anchor: prefix + plain(id), Statement: s.statement(id), Level: plain(requirement.Level), Profile: plain(requirement.Profile),
			State: "undecided", Flaky: flaky[id],
		}
		for i := range runs {
			outcome := outcomes[i][id]
			c := cell{Outcome: outcome, Mark: marks[outcome]}
			if outcome == reports.Fail || outcome == reports.Error {
				c.Link = g.Columns[i].at(row.ID)
				c.Label = fmt.Sprintf("%s: %s in run %s", row.ID, outcome.Label(), g.Columns[i].ID)
			}
			switch {
			case outcome == reports.Fail:
				row.State = "failing"
			case outcome == reports.Pass && row.State == "undecided":
				row.State = "held"
			case outcome == reports.Pass && row.State == "failing":
				row.State = "failed"
			}
			row.Cells = append(row.Cells, c)
		}
		if row.State == "held" {
			g.Steady++
		}
		row.Search = strings.ToLower(strings.Join([]string{row.ID, row.Statement, row.Level, row.Profile}, " "))
		g.Rows = append(g.Rows, row)
	}
	return g
}

// trends is the page about measures.
type trends struct {
	Title  string
	Series []seriesPlot
	// Few has the series with fewer runs than a plot needs, by the track, machine and size.
	Few []fewRuns
	// PlotFrom and ChangeFrom are the numbers of runs from which a series has a plot and can show a change.
	PlotFrom, ChangeFrom int
}

// fewRuns are the series of one track, machine and size that have no plot.
type fewRuns struct {
	Track, Machines, Size string
	Series                []seriesPlot
}

type seriesPlot struct {
	ID, About, Track, Machines, Size string
	Runs, More                       int
	Newest, Median                   string
	Plot                             *plot
	Moves                            []moveRow
	Label                            string
}

// plot has the places of all its parts, in percent of its sides or, for lines, in a square with sides of 1000.
type plot struct {
	Label   string
	Y       []tick
	Lines   []string
	Levels  []string
	Dots    []dot
	Changes []dot
	From    string
	To      string
}

type tick struct{ At, Text string }

type dot struct{ X, Y, Text, Class string }

func (s *site) trendsPage() trends {
	page := trends{Title: "Measures over time", PlotFrom: plotFrom, ChangeFrom: history.ChangeFrom}
	for i, series := range s.trends {
		if len(series.Points) == 0 {
			continue
		}
		newest := series.Points[len(series.Points)-1]
		shown := seriesPlot{
			ID: fmt.Sprintf("series-%d", i+1), About: plain(series.About()), Track: plain(series.Track), Machines: plain(series.Machines), Size: plain(series.Size),
			Runs: len(series.Points), More: max(0, len(series.Points)-plotted), Newest: reports.Quantity(newest.Median, series.Unit), Label: "no change shown",
		}
		if len(series.Points) < history.ChangeFrom {
			shown.Label = "too few runs to show a change"
		}
		for _, change := range series.Changes {
			shown.Moves = append(shown.Moves, s.moveRow(i, series, change))
		}
		if n := len(shown.Moves); n > 0 {
			shown.Label = shown.Moves[n-1].Label
		}
		if len(series.Points) < plotFrom {
			page.addFew(shown)
			continue
		}
		shown.Plot = plotOf(series)
		page.Series = append(page.Series, shown)
	}
	slices.SortStableFunc(page.Series, func(a, b seriesPlot) int { return min(1, len(b.Moves)) - min(1, len(a.Moves)) })
	return page
}

// plotFrom is the number of runs from which a series has a plot: the line between two dots shows no more than their
// numbers.
const plotFrom = 3

func (t *trends) addFew(series seriesPlot) {
	i := slices.IndexFunc(t.Few, func(f fewRuns) bool {
		return f.Track == series.Track && f.Machines == series.Machines && f.Size == series.Size
	})
	if i < 0 {
		i = len(t.Few)
		t.Few = append(t.Few, fewRuns{Track: series.Track, Machines: series.Machines, Size: series.Size})
	}
	t.Few[i].Series = append(t.Few[i].Series, series)
}

// plotOf is linear and begins at zero, so that a small growth looks small.
func plotOf(series history.Series) *plot {
	first := max(0, len(series.Points)-plotted)
	points := series.Points[first:]
	most := 0.0
	for _, p := range points {
		most = max(most, p.Median)
	}
	if most <= 0 {
		most = 1
	}
	most *= 1.1
	x := func(i float64) float64 { return (i + 0.5) / float64(len(points)) }
	y := func(value float64) float64 { return 1 - math.Max(0, value)/most }
	p := &plot{
		Label: fmt.Sprintf("%s over %d runs, the medians of their repeats", plain(series.About()), len(points)),
		From:  points[0].Run.Started.UTC().Format("2006-01-02"), To: points[len(points)-1].Run.Started.UTC().Format("2006-01-02"),
	}
	for _, share := range []float64{0, 0.5, 1} {
		p.Y = append(p.Y, tick{at(1 - share), reports.Quantity(share*most, series.Unit)})
	}
	var line []string
	for i, point := range points {
		line = append(line, fmt.Sprintf("%.0f,%.0f", 1000*x(float64(i)), 1000*y(point.Median)))
		p.Dots = append(p.Dots, dot{at(x(float64(i))), at(y(point.Median)), plain(point.Run.ID) + ": " + reports.Quantity(point.Median, series.Unit), "s0"})
	}
	p.Lines = []string{strings.Join(line, " ")}
	bounds := []int{0}
	for _, c := range series.Changes {
		if place := c.At - first; place > 0 {
			bounds = append(bounds, place)
			class := "other"
			if c.Worse {
				class = "worse"
			}
			p.Changes = append(p.Changes, dot{at(x(float64(place) - 0.5)), "", "changed with run " + plain(c.First.ID), class})
		}
	}
	bounds = append(bounds, len(points))
	for i := 1; i < len(bounds); i++ {
		var values []float64
		for _, point := range points[bounds[i-1]:bounds[i]] {
			values = append(values, point.Median)
		}
		slices.Sort(values)
		level := 1000 * y(values[len(values)/2])
		p.Levels = append(p.Levels, fmt.Sprintf("%.0f,%.0f %.0f,%.0f", 1000*x(float64(bounds[i-1])-0.4), level, 1000*x(float64(bounds[i])-0.6), level))
	}
	return p
}

func at(share float64) string { return fmt.Sprintf("%.2f%%", 100*math.Max(0, math.Min(1, share))) }

func plain(s string) string { return reports.Plain(s, textLimit) }

// textLimit is the length of the shown part of a name or a sentence, in bytes.
const textLimit = 1 << 10
