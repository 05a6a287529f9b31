package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/workload"
)

// What the agent does for pods that are gone, and for those that live on.
var (
	RenewalsGone   = Metric{"renewals-gone", "calls/pod/min", lower}
	RenewalsLiving = Metric{"renewals-living", "calls/pod/min", ""}
	LogLines       = Metric{"log-lines", "lines/pod", lower}
)

const (
	// retention of the scenario's own agent: it renews what is older, if its clock strikes.
	retention = 4 * time.Second
	// expired is how EKS Auth refuses a token whose time is over.
	expired = "ExpiredTokenException"
)

// Ghost is a node whose pods come and go.
var Ghost = Scenario{
	Name: "ghost", Title: "Renewals for pods that are gone",
	About: "Pods ask an agent of the scenario's own, which is to renew credentials after 4 s, and half of them are deleted. Then the calls " +
		"that EKS Auth gets for their tokens are counted, and those for the pods that live on. In the end the tokens of the " +
		"deleted ones expire, and the lines are counted that the agent logs about it. The agent of AWS looks once a minute for what to " +
		"renew: with that one, --duration 2m.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/issues/171",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl, clusters.HostNetworkPods},
	Size:    Size{Duration: 7 * time.Second, Repeats: 4, Pods: 10},
	Metrics: []string{RenewalsGone.Name, RenewalsLiving.Name, LogLines.Name},
	Primary: []Primary{{"", RenewalsGone.Name}},
	Run: func(ctx context.Context, s *Setup) {
		half := max(s.Size.Pods/2, 1)
		h := newGhostAgent(ctx, s)
		living, gone := h.pods(ctx, "living", half), h.pods(ctx, "gone", half)
		h.ask(ctx, living)
		h.ask(ctx, gone)
		h.remove(ctx, gone)
		c := s.Case("")
		var renewed renewals
		for i := range s.Size.Repeats {
			s.Progress("counting renewals, %d of %d", i+1, s.Size.Repeats)
			renewed.add(h.window(ctx, gone, living))
		}
		if !renewed.record(s.T, c) {
			return
		}
		s.Progress("letting the tokens of the pods that are gone expire")
		before := h.complaints(ctx)
		restore := s.Fault(ctx, control.Fault{Association: gone.tenant.Association.ID, Error: &control.Refusal{Code: expired, Status: http.StatusBadRequest}})
		h.window(ctx, gone, living)
		restore()
		c.Record(LogLines, float64(h.complaints(ctx)-before)/float64(half))
	},
}

// window counts the calls that EKS Auth gets for the tokens of two groups in the time of a repeat.
func (h *ghostAgent) window(ctx context.Context, gone, living *podGroup) (counted renewal) {
	h.T.Helper()
	before, err := h.Control.CallsWhere(ctx, control.Query{Operation: assume}, 0)
	if err != nil {
		h.T.Fatalf("%v", err)
	}
	began := time.Now()
	timer := time.NewTimer(h.Size.Duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		h.T.Fatalf("count renewals: %v", ctx.Err())
	case <-timer.C:
	}
	calls, err := h.Control.CallsWhere(ctx, control.Query{Operation: assume, After: before.Last}, 0)
	if err != nil {
		h.T.Fatalf("%v", err)
	}
	counted = renewal{minutes: time.Since(began).Minutes(), gone: share{of: len(gone.known)}, living: share{of: len(living.known)}}
	for _, call := range calls.Calls {
		switch {
		case gone.known[call.Token]:
			counted.gone.calls++
		case living.known[call.Token]:
			counted.living.calls++
		}
	}
	return counted
}

// complaints are the lines of the agent's log that tell of an expired token.
func (h *ghostAgent) complaints(ctx context.Context) int {
	h.T.Helper()
	return linesWith(workload.Log(ctx, h.Env, h.agent.Pod, agentContainer), expired)
}

func linesWith(log, text string) int {
	count := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			count++
		}
	}
	return count
}

// share is calls for a number of identities.
type share struct{ calls, of int }

func (s share) perMinute(minutes float64) float64 { return float64(s.calls) / float64(s.of) / minutes }

// renewal is what was counted in a window.
type renewal struct {
	minutes      float64
	gone, living share
}

// renewals are those of all windows.
type renewals []renewal

func (r *renewals) add(counted renewal) { *r = append(*r, counted) }

// record adds the rates of the windows. If the agent renewed nothing at all it did not look for it
// yet: then nothing is said about pods that are gone, and it returns false.
func (r renewals) record(t framework.T, c *Case) (told bool) {
	looked := false
	for _, window := range r {
		looked = looked || window.living.calls+window.gone.calls > 0
		c.Record(RenewalsLiving, window.living.perMinute(window.minutes))
	}
	if !looked {
		t.Report("renewals", fmt.Sprintf("none in %d windows, also of pods that live on: the agent has not looked yet for what to renew; --duration 2m gives it the time", len(r)))
		return false
	}
	for _, window := range r {
		c.Record(RenewalsGone, window.gone.perMinute(window.minutes))
	}
	return true
}
