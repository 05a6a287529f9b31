package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of the texts in JUnit and HTML. results.json has all of them.
const (
	messageLimit = 32 << 10
	outputLimit  = 64 << 10
)

// The elements and their places are those that both schemas in use allow: Jenkins'
// (https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd)
// and Ant's (https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd). The first has no properties and no file of a
// test case, the second no output of one, and no counts of all suites. GitLab and Buildkite read less than either.
// testdata/junit.xsd has the common part.
type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []*junitSuite
}

type junitSuite struct {
	XMLName    xml.Name        `xml:"testsuite"`
	Name       string          `xml:"name,attr"`
	Package    string          `xml:"package,attr"`
	ID         int             `xml:"id,attr"`
	Hostname   string          `xml:"hostname,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties junitProperties `xml:"properties"`
	Cases      []junitCase     `xml:"testcase"`
	Output     junitOutput     `xml:"system-out"`
	Errput     junitOutput     `xml:"system-err"`

	started  time.Time
	duration time.Duration
}

type junitProperties struct {
	Properties []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Classname string        `xml:"classname,attr"`
	Name      string        `xml:"name,attr"`
	Time      string        `xml:"time,attr"`
	Skipped   *junitSkipped `xml:"skipped"`
	Error     *junitMessage `xml:"error"`
	Failure   *junitMessage `xml:"failure"`

	// output is written as that of the suite.
	output string
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

// runSuite is the suite of cases about the run, and not about a subject.
const runSuite = "run"

// WriteJUnit writes the run as JUnit XML: a test suite for each package of specs, a test case for each spec, and the suite
// "bench" with a case for each scenario and each threshold. The name of a case ends with its requirements, such as "Agent
// answers [AGT-01]", and its log is with its suite. Fail is a failure, Error is an error, and everything undecided is
// skipped with its reason. Problems of the run are errors of the suite "run", so that a run without a verdict is red also
// if no spec failed.
func WriteJUnit(w io.Writer, findings *Findings) error {
	run := findings.Run
	properties := run.junitProperties()
	var suites []*junitSuite
	for _, spec := range run.Specs {
		if n := len(suites); n == 0 || suites[n-1].Name != "epi."+plain(spec.Suite) {
			suites = append(suites, &junitSuite{Name: "epi." + plain(spec.Suite), Properties: properties})
		}
		suites[len(suites)-1].add(findings.junitCase(spec), spec.Started, spec.Duration)
	}
	if run.Bench != nil {
		suite := &junitSuite{Name: "epi." + benchSuite, Properties: properties}
		run.junitBench(suite)
		suites = append(suites, suite)
	}
	if problems := findings.junitProblems(); len(problems) > 0 {
		suite := &junitSuite{Name: "epi." + runSuite, Properties: properties}
		for _, problem := range problems {
			suite.add(problem, run.Started, 0)
		}
		suites = append([]*junitSuite{suite}, suites...)
	}
	all := junitSuites{Suites: suites}
	for i, suite := range suites {
		suite.ID, suite.Package, suite.Hostname = i, suite.Name, "localhost"
		suite.Time = seconds(suite.duration)
		if suite.started.IsZero() {
			suite.started = run.Started
		}
		suite.Timestamp = suite.started.UTC().Format("2006-01-02T15:04:05")
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

// add adds a case. GitLab keeps only the first of the cases with the same class and name
// (https://docs.gitlab.com/ci/testing/unit_test_reports): the others get a number.
func (s *junitSuite) add(c junitCase, started time.Time, duration time.Duration) {
	for name, n := c.Name, 2; s.has(c); n++ {
		c.Name = fmt.Sprintf("%s (%d)", name, n)
	}
	s.Cases = append(s.Cases, c)
	if c.output != "" {
		s.Output.Text += "== " + c.Name + "\n" + strings.TrimRight(c.output, "\n") + "\n"
	}
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.duration += duration
	if s.started.IsZero() || !started.IsZero() && started.Before(s.started) {
		s.started = started
	}
}

func (s *junitSuite) has(c junitCase) bool {
	return slices.ContainsFunc(s.Cases, func(other junitCase) bool { return other.Classname == c.Classname && other.Name == c.Name })
}

func (f *Findings) junitCase(s Spec) junitCase {
	c := junitCase{Classname: "epi." + plain(s.Suite), Name: plain(s.Name), Time: seconds(s.Duration)}
	if len(s.Requirements) > 0 {
		c.Name += " [" + plain(strings.Join(s.Requirements, ", ")) + "]"
	}
	switch s.Outcome {
	case Pass:
	case Fail:
		c.Failure = f.junitMessage(s, "failed")
	case Skipped, NotSupported, NotRun:
		message := s.Outcome.Label()
		if why := s.why(); why != "" {
			message += ": " + plain(why)
		}
		c.Skipped = &junitSkipped{message}
	default:
		c.Error = f.junitMessage(s, "undecided")
	}
	c.output = s.junitOutput()
	return c
}

// junitMessage is the reason why a spec failed or was undecided: what was expected and seen, what it violates, the
// evidence, and the command to run it again. kind is its machine-readable type.
func (f *Findings) junitMessage(s Spec, kind string) *junitMessage {
	m := &junitMessage{Type: kind, Message: plain(s.why())}
	if m.Message == "" {
		m.Message = kind
	}
	known := f.Run.known(s.Requirements...)
	if s.Outcome != Fail {
		known = nil
	}
	if len(known) > 0 {
		m.Message = plain(knownOf(known)) + ": " + m.Message
	}
	var b strings.Builder
	for _, deviation := range known {
		fmt.Fprintf(&b, "%s %s: %s\n  %s\n\n", plain(deviation.Requirement), plain(deviation.knownOf()), plain(deviation.sentence()), plain(deviation.Link))
	}
	if s.Failure != nil {
		b.WriteString(plain(clip(s.Failure.Message, messageLimit)))
		if s.Failure.Location != "" {
			b.WriteString("\nat " + plain(s.Failure.Location))
		}
		b.WriteString("\n")
	}
	for _, id := range s.Requirements {
		if requirement, ok := f.catalogue[id]; ok {
			fmt.Fprintf(&b, "\n%s %s %s\n  %s\n", plain(id), plain(requirement.Level), plain(requirement.Statement), plain(requirement.Source))
		}
	}
	for _, excerpt := range s.excerpts() {
		fmt.Fprintf(&b, "\n== %s\n%s\n", excerpt.Title, excerpt.Text)
	}
	fmt.Fprintf(&b, "\nAgain: %s", f.Run.rerun(s))
	m.Text = b.String()
	return m
}

// junitOutput has the spec's steps and log.
func (s Spec) junitOutput() string {
	var b strings.Builder
	if s.Again != "" {
		fmt.Fprintf(&b, "Ran once more: %s\n", plain(s.Again))
	}
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "STEP %s (%s)\n", plain(step.Text), short(step.Duration))
	}
	b.WriteString(plain(clip(s.Output, outputLimit)))
	return b.String()
}

// junitProblems are test cases for everything but specs that prevented a verdict.
func (f *Findings) junitProblems() []junitCase {
	var cases []junitCase
	failed := func(name, message, text string) {
		cases = append(cases, junitCase{
			Classname: "epi." + runSuite, Name: plain(name), Time: seconds(0),
			Error: &junitMessage{Type: "environment", Message: plain(FirstLine(message)), Text: plain(clip(text, messageLimit))},
		})
	}
	for _, problem := range f.Run.Problems {
		text := problem.Message
		if problem.Remedy != "" {
			text += "\nRemedy: " + problem.Remedy
		}
		failed(problem.Doing, problem.Message, text)
	}
	verdict := f.Verdict
	if len(verdict.Reasons) > 0 && (len(cases) == 0 || f.Run.Interrupted) && verdict.Specs.Errored+verdict.Scenarios.Errored+verdict.Thresholds.Errored+verdict.Doubtful == 0 {
		failed("come to a verdict", verdict.Sentence(), verdict.Sentence())
	}
	return cases
}

// junitProperties describe what was tested, and the environment.
func (r Run) junitProperties() junitProperties {
	var list []junitProperty
	add := func(name, value string) {
		if value != "" {
			list = append(list, junitProperty{name, plain(value)})
		}
	}
	add("run", r.ID)
	add("epi.version", r.Epi.Version)
	add("provider", r.Environment.Provider)
	add("kubernetes", r.Environment.KubernetesVersion)
	add("aws", r.Environment.AWS)
	add("region", r.Environment.Region)
	if r.Environment.IMDSHopLimit > 0 {
		add("imds.hopLimit", strconv.Itoa(r.Environment.IMDSHopLimit))
	}
	for _, subject := range r.Subjects {
		add("subject."+plain(subject.Role), subject.describe())
	}
	return junitProperties{list}
}

// seconds is a duration in JUnit's form: seconds with three decimals.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
}

// benchSuite is the suite whose cases are scenarios and thresholds.
const benchSuite = "bench"

// junitWidth is the width of tables in JUnit's outputs, in cells.
const junitWidth = 120

// junitBench adds a case for each scenario, a case for each threshold, and one for the baseline if there is one.
func (r Run) junitBench(suite *junitSuite) {
	class := "epi." + benchSuite
	for _, s := range r.Bench.Scenarios {
		c := junitCase{Classname: class, Name: plain(s.Name), Time: seconds(s.Duration)}
		c.judge(s.Outcome, s.why(), s.junitText())
		c.output = s.junitOutput()
		suite.add(c, s.Started, s.Duration)
	}
	for _, t := range r.Bench.Thresholds {
		c := junitCase{Classname: class, Name: "threshold " + plain(t.Expression), Time: seconds(0)}
		c.judge(t.Outcome, t.line(), t.line())
		c.output = t.text(true)
		suite.add(c, time.Time{}, 0)
	}
	if r.Bench.Baseline == "" {
		return
	}
	var regressed, doubtful, all []string
	for _, d := range r.Bench.Differences {
		line := plain(fmt.Sprintf("%s: %s, %s", d.About(), d.Verdict, d.text()))
		all = append(all, line)
		switch {
		case d.Regressed:
			regressed = append(regressed, line)
		case d.Limited != "":
			doubtful = append(doubtful, line)
		}
	}
	name := "baseline " + plain(r.Bench.Baseline)
	c := junitCase{Classname: class, Name: name, Time: seconds(0)}
	if len(regressed) > 0 {
		c.judge(Fail, regressed[0], strings.Join(regressed, "\n"))
	}
	if len(all) > 0 {
		c.output = clip(strings.Join(all, "\n"), outputLimit)
	}
	suite.add(c, time.Time{}, 0)
	if len(doubtful) > 0 { // in a separate case, because it is an error, also beside a failure
		c := junitCase{Classname: class, Name: name + ", within the generator's limit", Time: seconds(0)}
		c.judge(Error, doubtful[0], strings.Join(doubtful, "\n"))
		suite.add(c, time.Time{}, 0)
	}
}

// judge sets the case's outcome, with the reason in a line and in full.
func (c *junitCase) judge(outcome Outcome, why, text string) {
	message := &junitMessage{Message: plain(why), Text: plain(clip(text, messageLimit))}
	switch outcome {
	case Pass:
	case Fail:
		message.Type = "failed"
		c.Failure = message
	case Skipped, NotSupported, NotRun:
		said := outcome.Label()
		if why != "" {
			said += ": " + plain(why)
		}
		c.Skipped = &junitSkipped{said}
	default:
		message.Type = "undecided"
		c.Error = message
	}
	if message.Message == "" {
		message.Message = message.Type
	}
}

// junitText is the reason why the scenario failed or broke, with its measurements.
func (s Scenario) junitText() string {
	text := s.Reason
	if s.Failure != nil {
		text = s.Failure.Message
		if s.Failure.Location != "" {
			text += "\nat " + s.Failure.Location
		}
	}
	return strings.TrimSpace(text + "\n\n" + s.About)
}

// junitOutput is the scenario's table with its warnings and notes.
func (s Scenario) junitOutput() string {
	lines := s.table().lines(junitWidth)
	for _, limited := range s.limited() {
		lines = append(lines, "WARNING "+limited)
	}
	for _, c := range s.Cases {
		if failed := c.errors(); failed != "" {
			lines = append(lines, plain(s.caseName(c))+" failed: "+failed)
		}
	}
	for _, note := range s.Notes {
		lines = append(lines, plain(note))
	}
	if size := s.size(); size != "" && len(lines) > 0 {
		lines = append(lines, "size: "+size)
	}
	return strings.Join(lines, "\n")
}
