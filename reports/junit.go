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
