package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Limits of what JUnit and HTML repeat of a text; results.json has all of it.
const (
	messageLimit = 32 << 10
	outputLimit  = 64 << 10
)

// The elements follow the schema that Jenkins' xUnit plugin publishes (junit-10.xsd), which GitLab,
// GitHub's reporters and Prow read as well.
type junitSuites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []*junitSuite
}

type junitSuite struct {
	XMLName    xml.Name         `xml:"testsuite"`
	Name       string           `xml:"name,attr"`
	Tests      int              `xml:"tests,attr"`
	Failures   int              `xml:"failures,attr"`
	Errors     int              `xml:"errors,attr"`
	Skipped    int              `xml:"skipped,attr"`
	Time       string           `xml:"time,attr"`
	Timestamp  string           `xml:"timestamp,attr,omitempty"`
	Properties *junitProperties `xml:"properties"`
	Cases      []junitCase      `xml:"testcase"`

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
	Classname  string           `xml:"classname,attr"`
	Name       string           `xml:"name,attr"`
	Time       string           `xml:"time,attr"`
	File       string           `xml:"file,attr,omitempty"`
	Properties *junitProperties `xml:"properties"`
	Skipped    *junitSkipped    `xml:"skipped"`
	Error      *junitMessage    `xml:"error"`
	Failure    *junitMessage    `xml:"failure"`
	Output     *junitOutput     `xml:"system-out"`
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

// runSuite is the suite whose cases are about the run and not about a subject.
const runSuite = "run"

// WriteJUnit writes the run as JUnit XML: a test suite a package of specs, a test case a spec, and the
// suite "bench" with a case a scenario and a case a threshold. Fail
// is a failure, Error an error, everything undecided is skipped with its reason. Problems of the run
// are errors of the suite "run", so that a run without verdict is red also where no spec failed.
func WriteJUnit(w io.Writer, run Run) error {
	run = run.sorted()
	properties := run.junitProperties()
	var suites []*junitSuite
	for _, spec := range run.Specs {
		if n := len(suites); n == 0 || suites[n-1].Name != "epi."+plain(spec.Suite) {
			suites = append(suites, &junitSuite{Name: "epi." + plain(spec.Suite), Properties: properties})
		}
		suites[len(suites)-1].add(run.junitCase(spec), spec.Started, spec.Duration)
	}
	if run.Bench != nil {
		suite := &junitSuite{Name: "epi." + benchSuite, Properties: properties}
		run.junitBench(suite)
		suites = append(suites, suite)
	}
	if problems := run.junitProblems(); len(problems) > 0 {
		suite := &junitSuite{Name: "epi." + runSuite, Properties: properties}
		for _, problem := range problems {
			suite.add(problem, run.Started, 0)
		}
		suites = append([]*junitSuite{suite}, suites...)
	}
	all := junitSuites{Name: "epi " + plain(run.ID), Time: seconds(run.duration()), Suites: suites}
	for _, suite := range suites {
		suite.Time = seconds(suite.duration)
		if !suite.started.IsZero() {
			suite.Timestamp = suite.started.UTC().Format("2006-01-02T15:04:05")
		}
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
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

func (s *junitSuite) add(c junitCase, started time.Time, duration time.Duration) {
	s.Cases = append(s.Cases, c)
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

func (r Run) junitCase(s Spec) junitCase {
	c := junitCase{Classname: "epi." + plain(s.Suite), Name: plain(s.Name), Time: seconds(s.Duration)}
	if len(s.Requirements) > 0 {
		c.Properties = &junitProperties{}
		for _, id := range s.Requirements {
			c.Properties.Properties = append(c.Properties.Properties, junitProperty{"requirement", plain(id)})
		}
	}
	switch s.Outcome {
	case Pass:
	case Fail:
		c.Failure = r.junitMessage(s, "failed")
	case Skipped, NotSupported, NotRun:
		message := s.Outcome.Words()
		if why := s.why(); why != "" {
			message += ": " + plain(why)
		}
		c.Skipped = &junitSkipped{message}
	default:
		c.Error = r.junitMessage(s, "undecided")
	}
	if s.Failure != nil {
		c.File, _, _ = strings.Cut(plain(s.Failure.Location), ":")
	}
	if output := s.junitOutput(); output != "" {
		c.Output = &junitOutput{output}
	}
	return c
}

// junitMessage is why a spec failed or was undecided: what was expected and seen, what it violates,
// the evidence and how to run it again. kind is its machine-readable type.
func (r Run) junitMessage(s Spec, kind string) *junitMessage {
	m := &junitMessage{Type: kind, Message: plain(s.why())}
	if m.Message == "" {
		m.Message = kind
	}
	var b strings.Builder
	if s.Failure != nil {
		b.WriteString(plain(clip(s.Failure.Message, messageLimit)))
		if s.Failure.Location != "" {
			b.WriteString("\nat " + plain(s.Failure.Location))
		}
		b.WriteString("\n")
	}
	catalogue := r.catalogue()
	for _, id := range s.Requirements {
		if requirement, ok := catalogue[id]; ok {
			fmt.Fprintf(&b, "\n%s %s %s\n  %s\n", plain(id), plain(requirement.Level), plain(requirement.Statement), plain(requirement.Source))
		}
	}
	for _, excerpt := range s.excerpts() {
		fmt.Fprintf(&b, "\n== %s\n%s\n", excerpt.Title, excerpt.Text)
	}
	fmt.Fprintf(&b, "\nAgain: %s", r.rerun(s))
	m.Text = b.String()
	return m
}

// junitOutput is what the spec did and logged.
func (s Spec) junitOutput() string {
	var b strings.Builder
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "STEP %s (%s)\n", plain(step.Text), short(step.Duration))
	}
	b.WriteString(plain(clip(s.Output, outputLimit)))
	return b.String()
}

// junitProblems are test cases for what kept the run from a verdict, other than its specs.
func (r Run) junitProblems() []junitCase {
	var cases []junitCase
	failed := func(name, message, text string) {
		cases = append(cases, junitCase{
			Classname: "epi." + runSuite, Name: plain(name), Time: seconds(0),
			Error: &junitMessage{Type: "environment", Message: plain(firstLine(message)), Text: plain(clip(text, messageLimit))},
		})
	}
	for _, problem := range r.Problems {
		text := problem.Message
		if problem.Remedy != "" {
			text += "\nRemedy: " + problem.Remedy
		}
		failed(problem.Doing, problem.Message, text)
	}
	verdict := r.Verdict()
	if len(verdict.Reasons) > 0 && (len(cases) == 0 || r.Interrupted) && verdict.Specs.Errored+verdict.Scenarios.Errored+verdict.Thresholds.Errored+verdict.Doubtful == 0 {
		failed("come to a verdict", verdict.Sentence(), verdict.Sentence())
	}
	return cases
}

// junitProperties say what was tested, in which environment.
func (r Run) junitProperties() *junitProperties {
	var list []junitProperty
	add := func(name, value string) {
		if value != "" {
			list = append(list, junitProperty{name, plain(value)})
		}
	}
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
	if len(list) == 0 {
		return nil
	}
	return &junitProperties{list}
}

// seconds is a duration as JUnit wants it: seconds with three decimals.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
}
