package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func hopsOf(run Run) []string {
	var list []string
	for _, hop := range newHTMLPage(NewFindings(run)).Path {
		list = append(list, fmt.Sprintf("%s: %s, %s, %q, %q", hop.Name, hop.Outcome, hop.Found, hop.Times, hop.IDs))
	}
	return list
}

func TestThePathSaysWhatEachPartDid(t *testing.T) {
	for name, row := range map[string]struct {
		run  Run
		want []string
	}{
		"passing": {passing(), []string{
			`Webhook: pass, 4 passed, ["3 specs, 12.8s"], []`, `Token: not-run, no requirement of this run is about it, [], []`, `Agent: pass, 2 passed, ["2 specs, 8.9s"], []`,
			`EKS Auth: not-supported, 1 not supported, ["AssumeRoleForPodIdentity: 212 calls, p50 0.400 ms, p99 3.00 ms, 20 refused"], []`,
			`S3: pass, 2 passed, ["2 specs, 11.9s" "GetObject: 41 calls, p50 0.600 ms, p99 4.00 ms, 12 refused"], []`,
		}},
		"failing": {failing(), []string{
			`Webhook: fail, 1 passed, 2 failed, 1 not supported, ["2 specs, 33.7s"], ["INJ-01" "INJ-02"]`, `Token: not-run, no requirement of this run is about it, [], []`,
			`Agent: fail, 1 passed, 1 failed, ["2 specs, 8.9s"], ["AGT-01"]`,
			`EKS Auth: not-supported, 1 not supported, ["AssumeRoleForPodIdentity: 212 calls, p50 0.400 ms, p99 3.00 ms, 20 refused"], []`,
			`S3: fail, 1 passed, 1 failed, ["2 specs, 11.9s" "GetObject: 41 calls, p50 0.600 ms, p99 4.00 ms, 12 refused"], ["ABAC-01"]`,
		}},
		"nothing decided": {errored(), nil}, "measured only": {samples()["measured"], nil},
	} {
		if got := hopsOf(row.run); !slices.Equal(got, row.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(row.want, "\n"))
		}
	}
}

func TestStartsAreMediansOfWholeWays(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Run)
		want   string
	}{
		"as it is": {func(*Run) {}, "3 pods: scheduled +0s 200ms ≤300ms; started, and its token traded for credentials +200ms 2.0s ≤2.0s; given its first object +2.2s 200ms ≤500ms"},
		"one came no further": {func(r *Run) { r.Pods[1].Object = PodStart{}.Object },
			"2 pods: scheduled +0s 300ms ≤300ms; started, and its token traded for credentials +300ms 2.0s ≤2.0s; given its first object +2.3s 500ms ≤500ms"},
		"clocks differ": {func(r *Run) { r.Pods[1].Credentials = at(30) },
			"2 pods: scheduled +0s 300ms ≤300ms; started, and its token traded for credentials +300ms 2.0s ≤2.0s; given its first object +2.3s 500ms ≤500ms"},
		"AWS tells nothing": {func(r *Run) {
			for i := range r.Pods {
				r.Pods[i].Credentials, r.Pods[i].Object = PodStart{}.Object, PodStart{}.Object
			}
		}, "3 pods: scheduled +0s 200ms ≤300ms; started +200ms 900ms ≤1.8s"},
		"none injected": {func(r *Run) {
			for i := range r.Pods {
				r.Pods[i].Injected = false
			}
		}, ""},
		"no pods": {func(r *Run) { r.Pods = nil }, ""},
	} {
		run := passing()
		row.change(&run)
		var got string
		if starts := newHTMLPage(NewFindings(run)).Starts; starts != nil {
			var steps []string
			for _, step := range starts.Steps {
				steps = append(steps, fmt.Sprintf("%s %s %s ≤%s", step.Name, step.At, step.Took, step.Slowest))
			}
			pods, _, _ := strings.Cut(strings.TrimPrefix(starts.Lead, "Medians over "), " of this run")
			got = pods + ": " + strings.Join(steps, "; ")
		}
		if got != row.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, row.want)
		}
	}
}

// A requirement names the specs that decided it, with a link.
func TestRequirementsSayHowTheyWereDecided(t *testing.T) {
	said := words(t, string(written(t, of(WriteHTML), failing())))
	for _, want := range []string{
		"How it was decided Webhook injects both variables into every container fail in 30.4s",
		"How it was decided Webhook keeps the last good configuration not supported: needs a webhook with a configuration file",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if page := string(written(t, of(WriteHTML), failing())); !strings.Contains(page, `<a href="#req-INJ-01">INJ-01</a>`) {
		t.Error("INJ-01 cannot be linked to")
	}
}

// A scenario without a course over time has no plot over time.
func TestAHerdOfOneInstantHasNoPlotOverTime(t *testing.T) {
	s := Scenario{Name: "herd-same", Cases: []Case{{Series: []Interval{{Seconds: 1, Requests: 200, P50: 0.1, P99: 0.2}}, Tracks: []Track{{Name: "rss", Unit: "B", Points: []Point{{Value: 1}}}}}}}
	if shown := s.html(0); shown.HasSeries || shown.Cases[0].Latency != nil {
		t.Errorf("%+v", shown.Cases[0])
	}
	s.Cases[0].Series = append(s.Cases[0].Series, Interval{From: 1, Seconds: 1, Requests: 3, P50: 0.1, P99: 0.2})
	if shown := s.html(0); !shown.HasSeries || shown.Cases[0].Latency == nil {
		t.Errorf("two intervals are not drawn: %+v", shown.Cases[0])
	}
}
