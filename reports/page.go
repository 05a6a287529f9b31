package reports

import (
	"fmt"
	"strings"
	"time"
)

// htmlPage is the run in the form of the templates: every text is plain and every number is formatted, so templates decide
// only about markup.
type htmlPage struct {
	Run, Started, Took string
	Epi                string
	Interrupted        bool
	Outcome            Outcome
	Label, Finding     string
	Selection          []string
	// Counted is the unit of the bar and its legend: "requirements" or "specs".
	Counted  string
	Total    int
	Segments []htmlSegment
	Problems []Problem
	Failures []htmlSpec
	// OpenFailures is the number of unfolded failures.
	OpenFailures int
	Subjects     []htmlSubject
	Clients      []htmlClient
	Facts        []htmlFact
	// Limits says what a pass in this environment means and what it does not.
	Limits       string
	Profiles     []htmlProfile
	Levels       []htmlTotal
	Requirements []htmlRequirement
	Phases       []htmlPhase
	// Path is the path of a credential, and Starts the pods' way to their first object; none without data.
	Path   []htmlHop
	Starts *htmlStart
	Specs  []htmlSpec
	// Bench has the measurements; nil if there are none.
	Bench *htmlBench
	// Over names the subject of the page.
	Over string
}

// htmlSegment is a part of the bar under the verdict, in percent of its width.
type htmlSegment struct {
	Outcome  Outcome
	Label    string
	Count    int
	X, Width string
}

type htmlSubject struct {
	Role, Image, Digest string
	Reference, Absent   bool
	// Version is the recognised version, in words; empty if there is none.
	Version string
}

type htmlFact struct{ Name, Value string }

type htmlProfile struct {
	Name           string
	Total          int
	Core, Extended htmlLevel
}

// htmlTotal is the number of requirements of a level.
type htmlTotal struct {
	Name  string
	Total int
}

type htmlLevel struct {
	Result, Counts string
	Outcome        Outcome
	Failed         []string
}

type htmlRequirement struct {
	ID, Level, Profile string
	Outcome            Outcome
	Label, Reason      string
	Statement          []htmlText
	Source             []htmlText
	// Remark says where it is decided, if not everywhere, and since when, if that differs.
	Remark   string
	Duration string
	Specs    []htmlSpecLink
	// Decided are the specs that decided it, with their outcomes.
	Decided []htmlDecision
	// Known are known deviations of the subjects, of a requirement that failed.
	Known []htmlKnown
	// Failure is the number of the failed spec that explains the failure; 0 if none failed.
	Failure int
	// Search is the text that the filter searches.
	Search string
}

// htmlKnown is a known deviation of a subject.
type htmlKnown struct {
	Mark, Does string
	Link       []htmlText
}

// htmlText is a part of a text: code, a link, or neither.
type htmlText struct {
	Text string
	Code bool
	URL  string
}

// htmlDecision is a spec in the list of those that decided a requirement.
type htmlDecision struct {
	Number         int
	Name, Duration string
	Outcome        Outcome
	Label, Reason  string
}

type htmlSpecLink struct {
	Number int
	Name   string
}

type htmlPhase struct {
	Name, Start, Duration, Error string
	X, Width                     string
}

type htmlSpec struct {
	Number             int
	Outcome            Outcome
	Label, Suite, Name string
	Requirements       []htmlRequirement
	Reason             string
	Message, Location  string
	Steps              []htmlStep
	Evidence           []Excerpt
	EvidenceDir        string
	Output             string
	Rerun              string
	Duration, Width    string
}

type htmlStep struct{ Text, Duration string }

// openFailures is the number of failures up to which all are unfolded.
const openFailures = 5

// passedOutputLimit is how much of a passed spec's output is shown.
const passedOutputLimit = 8 << 10

func newHTMLPage(findings *Findings) htmlPage {
	run, verdict := findings.Run, findings.Verdict
	page := htmlPage{
		Run: plain(run.ID), Epi: plain(run.Epi.Version), Interrupted: run.Interrupted, Selection: plains(run.Selection),
		Outcome: verdict.Outcome, Label: verdict.label(), Finding: plain(upperFirst(verdict.finding())) + ".",
	}
	if !run.Started.IsZero() {
		page.Started = run.Started.UTC().Format("2 January 2006, 15:04:05 UTC")
	}
	if took := run.duration(); took > 0 {
		page.Took = short(took)
	}
	counts := verdict.Requirements
	page.Counted, page.Over = "requirements", "EKS Pod Identity conformance"
	switch {
	case verdict.onlyBench:
		counts, page.Counted, page.Over = verdict.Scenarios, "scenarios", "EKS Pod Identity benchmark"
	case counts.Total() == 0:
		counts, page.Counted = verdict.Specs, "specs"
	}
	page.Total, page.Segments = counts.Total(), counts.segments()
	if page.Total == 1 {
		page.Counted = strings.TrimSuffix(page.Counted, "s")
	}
	for _, problem := range run.Problems {
		page.Problems = append(page.Problems, Problem{
			Doing: plain(problem.Doing), Message: plain(clip(problem.Message, messageLimit)), Remedy: plain(problem.Remedy)})
	}
	for _, absence := range run.Absences {
		page.Problems = append(page.Problems, Problem{Doing: "The environment was away", Message: upperFirst(absence.sentence())})
	}
	page.describe(run)
	page.clients(findings.Clients)
	if !verdict.onlyBench { // it decided no requirement
		page.judge(findings)
		page.path(findings)
		page.starts(run)
	}
	page.bench(run)
	page.time(run)
	return page
}

// describe adds what was tested.
func (p *htmlPage) describe(run Run) {
	for _, subject := range run.Subjects {
		p.Subjects = append(p.Subjects, htmlSubject{
			plain(subject.Role), plain(subject.Image), plain(subject.Digest), subject.Reference, subject.Absent, plain(subject.recognised())})
	}
	environment := run.Environment
	add := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, htmlFact{name, plain(value)})
		}
	}
	add("Provider", joined(environment.Provider, environment.Engine))
	add("Environment", environment.Name)
	add("Kubernetes", environment.KubernetesVersion)
	if environment.Nodes > 0 {
		add("Nodes", fmt.Sprint(environment.Nodes))
	}
	add("Node image", joined(environment.NodeImage, environment.NodeImageOrigin))
	switch environment.AWS {
	case "emulator":
		add("AWS", "epi’s emulator")
	case "aws":
		add("AWS", "the real one")
	default:
		add("AWS", environment.AWS)
	}
	add("Region", environment.Region)
	if environment.IMDSHopLimit > 0 {
		add("IMDS hop limit", fmt.Sprint(environment.IMDSHopLimit))
	}
	add("Capabilities", strings.Join(environment.Capabilities, ", "))
	add("epi", joined(run.Epi.Version, strings.TrimSpace(run.Epi.Revision+" "+run.Epi.Go+" "+run.Epi.Platform)))
	switch {
	case environment.AWS == "emulator":
		p.Limits = "A pass here says that the agent, the webhook, the kubelet and the policies do as documented. " +
			"The AWS side is an emulator of the documented behaviour, not AWS: that AWS does the same, only a run on EKS can say."
	case len(run.Subjects) == 0:
		p.Limits = "No subject was tested: the environment was not up."
	case environment.AWS == "aws":
		p.Limits = "A pass here says that the subjects and AWS did as documented in this account and region, at this time. " +
			"Requirements that need faults on the AWS side cannot be decided here."
	}
}

// judge adds requirements, profiles, specs and failures.
func (p *htmlPage) judge(findings *Findings) {
	run := findings.Run
	shown := map[string]int{}
	for _, i := range findings.Failures {
		for _, id := range run.Specs[i].Requirements {
			if shown[id] == 0 {
				shown[id] = i + 1
			}
		}
	}
	byID := map[string]htmlRequirement{}
	releases := run.releases()
	numbers := map[string][]htmlSpecLink{}
	for i, spec := range run.Specs {
		for _, id := range spec.Requirements {
			numbers[id] = append(numbers[id], htmlSpecLink{i + 1, plain(spec.Name)})
		}
	}
	for _, result := range findings.Requirements {
		requirement := htmlRequirement{
			ID: plain(result.ID), Level: plain(result.Level), Profile: plain(result.Profile),
			Outcome: result.Outcome, Label: result.Outcome.Label(), Reason: plain(clip(result.Reason, 1<<10)),
			Statement: code(plain(result.Statement)), Source: marked(plain(result.Source)), Specs: numbers[result.ID], Failure: shown[result.ID],
			Remark: plain(result.remark(releases > 1)),
		}
		for _, known := range result.Known {
			requirement.Known = append(requirement.Known, htmlKnown{plain(known.knownOf()), plain(known.sentence()), marked(plain(known.Link))})
		}
		for _, link := range numbers[result.ID] {
			spec := run.Specs[link.Number-1]
			decision := htmlDecision{Number: link.Number, Name: link.Name, Outcome: spec.Outcome, Label: spec.Outcome.Label(), Reason: plain(clip(spec.Reason, 1<<10))}
			if !decision.Outcome.Valid() {
				decision.Outcome = Error
			}
			if spec.Duration > 0 {
				decision.Duration = short(spec.Duration)
			}
			requirement.Decided = append(requirement.Decided, decision)
		}
		if result.Duration > 0 {
			requirement.Duration = short(result.Duration)
		}
		requirement.Search = strings.ToLower(strings.Join([]string{requirement.ID, requirement.Level, requirement.Profile,
			plain(result.Statement), plain(result.Source), requirement.Label, requirement.Reason, plain(knownOf(result.Known))}, " "))
		byID[result.ID] = requirement
		p.Requirements = append(p.Requirements, requirement)
	}
	for _, level := range []string{Must, Should} {
		total := 0
		for _, requirement := range run.Requirements {
			if requirement.Level == level {
				total++
			}
		}
		if total > 0 {
			p.Levels = append(p.Levels, htmlTotal{level, total})
		}
	}
	for _, profile := range findings.Profiles {
		p.Profiles = append(p.Profiles, htmlProfile{
			plain(profile.Name), profile.Core.Counts.Total() + profile.Extended.Counts.Total(), profile.Core.html(), profile.Extended.html()})
	}
	var longest time.Duration
	for _, spec := range run.Specs {
		longest = max(longest, spec.Duration)
	}
	for i, spec := range run.Specs {
		shown := spec.html(i+1, longest)
		shown.Rerun = run.rerun(spec)
		for _, id := range spec.Requirements {
			shown.Requirements = append(shown.Requirements, byID[id])
		}
		p.Specs = append(p.Specs, shown)
	}
	p.OpenFailures = openFailures
	for _, i := range findings.Failures {
		p.Failures = append(p.Failures, p.Specs[i])
	}
}

func (s Spec) html(number int, longest time.Duration) htmlSpec {
	shown := htmlSpec{
		Number: number, Outcome: s.Outcome, Suite: plain(s.Suite), Name: plain(s.Name),
		Reason: plain(clip(s.Reason, messageLimit)), Duration: short(s.Duration),
		Evidence: s.excerpts(), EvidenceDir: s.evidenceDir(),
	}
	if !shown.Outcome.Valid() {
		shown.Outcome = Error
	}
	shown.Label = shown.Outcome.Label()
	if longest > 0 {
		shown.Width = percent(s.Duration, longest)
	}
	if s.Failure != nil {
		shown.Message = plain(clip(s.Failure.Message, messageLimit))
		shown.Location = plain(s.Failure.Location)
	}
	if s.Again != "" && shown.Reason == "" {
		shown.Reason = "ran once more: " + plain(clip(s.Again, messageLimit))
	}
	for _, step := range s.Steps {
		shown.Steps = append(shown.Steps, htmlStep{plain(step.Text), short(step.Duration)})
	}
	limit := outputLimit
	if s.Outcome == Pass {
		limit = passedOutputLimit
	}
	shown.Output = plain(clip(s.Output, limit))
	return shown
}

func (l LevelResult) html() htmlLevel {
	shown := htmlLevel{Failed: plains(l.Failed), Result: l.Result(), Counts: l.Counts.list("", Pass, Fail, Error, NotSupported, Skipped, NotRun)}
	switch shown.Result {
	case "partial":
		// A partial result is decided as far as it goes, but not marked as a pass.
		shown.Outcome = NotSupported
	case "undecided":
		shown.Outcome = NotRun
	default:
		shown.Outcome = Outcome(shown.Result)
	}
	return shown
}

// time adds the phases on a common scale from the run's start to its end.
func (p *htmlPage) time(run Run) {
	if len(run.Phases) == 0 {
		return
	}
	start, end := run.Phases[0].Started, run.Ended
	if !run.Started.IsZero() && run.Started.Before(start) {
		start = run.Started
	}
	for _, phase := range run.Phases {
		if over := phase.Started.Add(phase.Duration); over.After(end) {
			end = over
		}
	}
	whole := end.Sub(start)
	for _, phase := range run.Phases {
		offset := phase.Started.Sub(start)
		p.Phases = append(p.Phases, htmlPhase{
			Name: plain(phase.Name), Start: "+" + short(offset), Duration: short(phase.Duration), Error: plain(clip(phase.Error, messageLimit)),
			X: percent(offset, whole), Width: percent(phase.Duration, whole),
		})
	}
}

// segments divide a bar among the outcomes, the good ones first, as bar and legend are read.
func (c Counts) segments() []htmlSegment {
	var segments []htmlSegment
	before := 0
	for _, outcome := range []Outcome{Pass, Fail, Error, NotSupported, Skipped, NotRun} {
		n := c.Of(outcome)
		if n == 0 {
			continue
		}
		segments = append(segments, htmlSegment{
			outcome, outcome.Label(), n, percent(time.Duration(before), time.Duration(c.Total())), percent(time.Duration(n), time.Duration(c.Total()))})
		before += n
	}
	return segments
}

// percent is part of whole in SVG's form.
func percent(part, whole time.Duration) string {
	if whole <= 0 || part <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.3f%%", 100*min(1, float64(part)/float64(whole)))
}

// joined is a value with a remark in parentheses, if there is one.
func joined(value, remark string) string {
	switch {
	case remark == "":
		return value
	case value == "":
		return remark
	default:
		return value + " (" + remark + ")"
	}
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// htmlClient is a row of the client matrix.
type htmlClient struct {
	SDK, Name, Version, Floor string
	Source                    []htmlText
	Outcome                   Outcome
	Verdict, Reason           string
	Held, Broken              []string
}

func (p *htmlPage) clients(results []ClientResult) {
	for _, c := range results {
		p.Clients = append(p.Clients, htmlClient{
			plain(c.SDK), plain(c.Name), plain(c.Version), plain(c.Floor), marked(plain(c.Source)),
			c.Outcome, c.Verdict, plain(c.Reason), plains(c.Held), plains(c.Broken),
		})
	}
}
