package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// hops are the parts on the path of a credential, in order, with the prefixes of the requirements about each, and the calls
// between them.
var hops = []struct {
	name, about     string
	prefixes        []string
	service, called string
}{
	{"Webhook", "injects variables and token into the pod", []string{"INJ"}, "", ""},
	{"Token", "is the pod's own, and for Pod Identity only", []string{"TOK"}, "", ""},
	{"Agent", "trades the token for credentials on the node", []string{"AGT"}, "", ""},
	{"EKS Auth", "finds the association and assumes its role", []string{"AUT", "ASC", "TAG"}, "eks-auth", "AssumeRoleForPodIdentity"},
	{"S3", "lets the role do what its policies and tags allow", []string{"ABAC"}, "s3", ""},
}

// htmlHop is a part of the path with the run's results about it.
type htmlHop struct {
	Name, About string
	Outcome     Outcome
	// Found counts outcomes of requirements. Times has durations and calls.
	Found string
	Times []string
	IDs   []string
}

// htmlStart is the pods' way to their first object, in steps.
type htmlStart struct {
	Lead  string
	Steps []htmlStartStep
	Label string
}

type htmlStartStep struct{ Name, X, Width, At, Took, Slowest string }

// path adds the path of a credential.
func (p *htmlPage) path(findings *Findings) {
	decided := false
	for _, hop := range hops {
		shown := htmlHop{Name: hop.name, About: hop.about, Outcome: NotRun}
		var counts Counts
		var took time.Duration
		specs := map[string]bool{}
		for _, result := range findings.Requirements {
			prefix, _, _ := strings.Cut(result.ID, "-")
			if !slices.Contains(hop.prefixes, prefix) {
				continue
			}
			counts.add(result.Outcome)
			if result.Outcome == Fail || result.Outcome == Error {
				shown.IDs = append(shown.IDs, plain(result.ID))
			}
			for _, spec := range result.Specs {
				if key := spec.Suite + "\x00" + spec.Name; !specs[key] && spec.Outcome.Decided() {
					specs[key] = true
					took += spec.Duration
				}
			}
		}
		for _, outcome := range []Outcome{Fail, Error, Pass, NotRun, Skipped, NotSupported} {
			if counts.Of(outcome) > 0 {
				shown.Outcome = outcome
				break
			}
		}
		decided = decided || counts.Decided() > 0
		shown.Found = cmp.Or(counts.list("", Pass, Fail, Error, NotSupported, Skipped, NotRun), "no requirement of this run is about it")
		if len(specs) > 0 {
			shown.Times = append(shown.Times, fmt.Sprintf("%s, %s", Plural(len(specs), "spec"), short(took)))
		}
		shown.Times = append(shown.Times, findings.Run.callsOver(hop.service, hop.called)...)
		p.Path = append(p.Path, shown)
	}
	if !decided {
		p.Path = nil
	}
}

// callsOver lists the calls of a service, or of one operation of it.
func (r Run) callsOver(service, operation string) []string {
	var parts []string
	for _, c := range r.Calls {
		if service == "" || c.Service != service || operation != "" && c.Operation != operation {
			continue
		}
		text := fmt.Sprintf("%s: %s, p50 %s, p99 %s", plain(c.Operation), Plural(c.Count, "call"), Quantity(c.P50, "sec"), Quantity(c.P99, "sec"))
		if c.Refused > 0 {
			text += fmt.Sprintf(", %d refused", c.Refused)
		}
		parts = append(parts, text)
	}
	const most = 4
	return parts[:min(len(parts), most)]
}

// starts adds the pods' way to their first object. A pod counts if it got the object.
func (p *htmlPage) starts(run Run) {
	type leg struct {
		name string
		at   func(PodStart) time.Time
	}
	legs := []leg{
		{"scheduled", func(s PodStart) time.Time { return s.Scheduled }},
		// The state that its container runs is reported later than the container's first request, so it is no step.
		{"started, and its token traded for credentials", func(s PodStart) time.Time { return s.Credentials }},
		{"given its first object", func(s PodStart) time.Time { return s.Object }},
	}
	// If AWS does not report its calls, as on EKS, the way ends with the running container.
	whole := slices.DeleteFunc(slices.Clone(run.Pods), func(s PodStart) bool { return !s.Injected || s.Scheduled.IsZero() || s.Object.IsZero() || !s.inOrder() })
	if len(whole) == 0 {
		legs = []leg{legs[0], {"started", func(s PodStart) time.Time { return s.Started }}}
		whole = slices.DeleteFunc(slices.Clone(run.Pods), func(s PodStart) bool {
			return !s.Injected || s.Scheduled.IsZero() || s.Started.Before(s.Scheduled) || !s.inOrder()
		})
	}
	if len(whole) == 0 {
		return
	}
	shown := &htmlStart{Lead: fmt.Sprintf("Medians over %s of this run that the webhook injected, from the moment at which the API server had admitted it, with the slowest in each step.", Plural(len(whole), "pod"))}
	var at, end time.Duration
	medians := make([]time.Duration, len(legs))
	slowest := make([]time.Duration, len(legs))
	for i, l := range legs {
		var took []time.Duration
		for _, pod := range whole {
			from := pod.Admitted
			if i > 0 {
				from = legs[i-1].at(pod)
			}
			took = append(took, l.at(pod).Sub(from))
		}
		slices.Sort(took)
		medians[i], slowest[i] = took[len(took)/2], took[len(took)-1]
		end += medians[i]
	}
	var parts []string
	for i, l := range legs {
		shown.Steps = append(shown.Steps, htmlStartStep{
			l.name, percent(at, end), percent(medians[i], end), "+" + short(at), short(medians[i]), short(slowest[i]),
		})
		at += medians[i]
		parts = append(parts, fmt.Sprintf("%s after %s", l.name, short(at)))
	}
	shown.Label = strings.Join(parts, ", ")
	p.Starts = shown
}

// inOrder says whether the pod's times are in the necessary order, because the clocks of two machines may differ.
func (s PodStart) inOrder() bool {
	last := s.Admitted
	for _, at := range []time.Time{s.Scheduled, s.Credentials, s.Object} {
		if at.IsZero() {
			continue
		}
		if at.Before(last) {
			return false
		}
		last = at
	}
	return true
}
