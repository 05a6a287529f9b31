package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	"github.com/onsi/gomega/format"

	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/reports"
)

const (
	// gracePeriod is how long a spec may take to end after an interrupt or its timeout.
	gracePeriod = 15 * time.Second
	// evidenceTimeout bounds the collection of evidence about one failed spec.
	evidenceTimeout = 15 * time.Second
	pollInterval    = 200 * time.Millisecond
)

// Harness prepares the specs of one process.
type Harness interface {
	// Context returns the context for nodes of specs, which is derived from ctx.
	Context(ctx context.Context) context.Context
	// Collect collects evidence about the spec that just failed, before its fixtures are removed; nil for none.
	Collect(ctx context.Context, record reports.Spec) *reports.Evidence
}

// Process is the child's side of Run. It runs in a process that Run started, until Run ends it. open makes the harness from
// Run's Payload.
func Process(stdin io.Reader, messages io.WriteCloser, open func(payload json.RawMessage) (Harness, error)) error {
	p := &process{in: bufio.NewReader(stdin), out: json.NewEncoder(messages), answers: make(chan answer)}
	var o order
	if err := p.hear(&o); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	tree, err := preview(o)
	if err != nil {
		return err
	}
	if err := p.out.Encode(message{Plan: &tree}); err != nil {
		return fmt.Errorf("send plan: %w", err)
	}
	if o.ListOnly || tree.Focused {
		return messages.Close()
	}
	harness, err := open(o.Payload)
	if err != nil {
		return errors.Join(p.out.Encode(message{Problem: err.Error()}), messages.Close())
	}
	go p.listen()
	p.run(o, harness)
	p.ended.Store(true)
	return errors.Join(p.failed, messages.Close())
}

type process struct {
	in      *bufio.Reader
	out     *json.Encoder
	answers chan answer
	// failed is the first error in the communication with the parent.
	failed error
	ended  atomic.Bool
}

func (p *process) hear(value any) error {
	line, err := p.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, value)
}

// listen passes the parent's answers on. If the parent has ended, nobody will stop this process, so it interrupts itself:
// the running spec is cleaned up, and no other one begins.
func (p *process) listen() {
	defer close(p.answers)
	for {
		var a answer
		if err := p.hear(&a); err != nil {
			if !p.ended.Load() {
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT) // cannot fail: a signal to itself
			}
			return
		}
		p.answers <- a
	}
}

// preview lists the tree. A broken tree ends the process, with Ginkgo's explanation in its output.
func preview(o order) (plan, error) {
	focus, err := regexp.Compile(o.Focus)
	if err != nil {
		return plan{}, fmt.Errorf("select specs by text: %w", err)
	}
	configureOutput()
	chosen, reporter := configuration(o)
	report := ginkgo.PreviewSpecs("epi", chosen, reporter)
	p := plan{Focused: report.SuiteHasProgrammaticFocus}
	for _, spec := range report.SpecReports.WithLeafNodeType(types.NodeTypeIt) {
		ids, needs := requirement.OfLabels(spec.Labels())
		pending := spec.State.Is(types.SpecStatePending)
		p.Specs = append(p.Specs, Planned{
			Key: keyOf(spec), Suite: suiteOf(spec), Requirements: ids, Needs: needs, Labels: spec.Labels(),
			Serial: spec.IsSerial, Location: location(spec.LeafNodeLocation),
			Selected: !spec.State.Is(types.SpecStateSkipped) && focus.MatchString(keyOf(spec)) && (!pending || o.Focus == "" && o.LabelFilter == ""),
			Pending:  pending,
		})
	}
	return p, nil
}

func configuration(o order) (types.SuiteConfig, types.ReporterConfig) {
	suite := types.NewDefaultSuiteConfig()
	// The order is the same in every process. The parent decides which process gets a spec.
	suite.RandomSeed = cmp.Or(o.Seed, 1)
	suite.GracePeriod = gracePeriod
	suite.Timeout = 0
	suite.LabelFilter = o.LabelFilter
	reporter := types.NewDefaultReporterConfig()
	reporter.NoColor, reporter.SilenceSkips = true, true
	return suite, reporter
}

// configureOutput sends Ginkgo's output for people to the output that explains a crash.
func configureOutput() {
	formatter.ColorableStdOut = os.Stderr
	formatter.ColorableStdErr = os.Stderr
}

// outcomeOfSuite receives Ginkgo's overall result, which is not needed because of the records.
type outcomeOfSuite struct{}

func (outcomeOfSuite) Fail() {}

// errNotMine skips a spec of another process.
const errNotMine = "another process has it"

func (p *process) run(o order, harness Harness) {
	gomega.RegisterFailHandler(ginkgo.Fail)
	format.RegisterCustomFormatter(readable)
	gomega.SetDefaultEventuallyPollingInterval(pollInterval)
	claimed := ""
	var evidence *reports.Evidence
	ginkgo.BeforeEach(func() {
		key := keyOf(ginkgo.CurrentSpecReport())
		if !p.claim(key) {
			ginkgo.Skip(errNotMine)
		}
		claimed, evidence = key, nil
	})
	ginkgo.JustAfterEach(func(ctx ginkgo.SpecContext) {
		report := ginkgo.CurrentSpecReport()
		if !report.Failed() || keyOf(report) != claimed {
			return
		}
		report.EndTime = time.Now()
		if record := Record(report); record.Outcome == reports.Fail || record.Outcome == reports.Error {
			evidence = harness.Collect(ctx, record)
		}
	}, ginkgo.NodeTimeout(evidenceTimeout))
	ginkgo.ReportAfterEach(func(report types.SpecReport) {
		if keyOf(report) != claimed {
			return
		}
		claimed = ""
		record := Record(report)
		record.Process, record.Evidence = o.Process, evidence
		p.send(message{Record: &record})
	})
	suite, reporter := configuration(o)
	// Specs are ordered one by one. Otherwise a slow spec could not begin before the rest of its container.
	suite.RandomizeAllSpecs = true
	ginkgo.RunSpecs(outcomeOfSuite{}, "epi", suite, reporter, ginkgo.AroundNode(harness.Context))
}

func (p *process) claim(key string) bool {
	p.send(message{Claim: key})
	a, ok := <-p.answers
	return ok && a.Granted
}

func (p *process) send(m message) {
	if err := p.out.Encode(m); err != nil && p.failed == nil {
		p.failed = fmt.Errorf("send %s: %w", strings.TrimSpace(m.Claim+" record"), err)
	}
}
