package reports

import (
	"fmt"
	"strings"
	"time"
)

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
