package scenario

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/bench/measure/measuretest"
	"github.com/podidentity/epi/framework/probe"
)

const ms = time.Millisecond

// startupWith is a pod that was admitted after 10 ms, started after 100 ms, had credentials after 130 ms and the
// object after 150 ms, with changes.
func startupWith(change ...func(*startup)) startup {
	asked := time.Now()
	wall := asked.Round(0)
	b := startup{Asked: asked, Admitted: asked.Add(10 * ms), Injected: true, First: probe.FirstObject{
		Started: wall.Add(100 * ms), Credentials: wall.Add(130 * ms), Object: wall.Add(150 * ms), Size: objectSize,
	}}
	for _, c := range change {
		c(&b)
	}
	return b
}

func withoutInjection(b *startup) { b.Injected = false }

func withoutCredentials(b *startup) {
	b.First.Credentials, b.First.Object = time.Time{}, time.Time{}
	b.First.Failure = &probe.Failure{Class: probe.CredentialsFailed}
}

func denied(b *startup) {
	b.First.Object, b.First.Failure = time.Time{}, &probe.Failure{Class: probe.APIError, Status: 403}
}

func TestStartupKnowsItsMilestones(t *testing.T) {
	for name, test := range map[string]struct {
		startup startup
		after   []time.Duration
		kind    string
	}{
		"all the way":         {startupWith(), []time.Duration{10 * ms, 100 * ms, 130 * ms, 150 * ms}, ""},
		"no webhook":          {startupWith(withoutInjection), nil, "not injected"},
		"no agent":            {startupWith(withoutCredentials), []time.Duration{10 * ms, 100 * ms}, "credentials-failed"},
		"a role that may not": {startupWith(denied), []time.Duration{10 * ms, 100 * ms, 130 * ms}, "403"},
		"half an object":      {startupWith(func(b *startup) { b.First.Size-- }), []time.Duration{10 * ms, 100 * ms, 130 * ms}, "wrong size"},
	} {
		if after, kind := test.startup.reached(); !slices.Equal(after, test.after) || kind != test.kind {
			t.Errorf("%s: got %v, %q; want %v, %q", name, after, kind, test.after, test.kind)
		}
	}
}

// A pod that fails at a milestone counts as a failure at all later ones, and has no latency there.
func TestStartupsAreRecordedByMilestone(t *testing.T) {
	cases := map[string]*measure.Case{}
	to := func(name string) *measure.Case {
		if cases[name] == nil {
			cases[name] = measure.NewCase(name)
		}
		return cases[name]
	}
	recordStartups([]startup{startupWith(), startupWith(), startupWith(withoutCredentials), startupWith(denied)}, to)
	recordStartups([]startup{startupWith(), startupWith(), startupWith(), startupWith(withoutInjection)}, to)
	for name, want := range map[string]struct {
		p50    float64
		failed []float64
		errors map[string]int64
	}{
		"until=admitted":    {0.010, []float64{0, 0.25}, map[string]int64{"not injected": 1}},
		"until=started":     {0.100, []float64{0, 0.25}, map[string]int64{"not injected": 1}},
		"until=credentials": {0.130, []float64{0.25, 0.25}, map[string]int64{"not injected": 1, "credentials-failed": 1}},
		"until=object":      {0.150, []float64{0.5, 0.25}, map[string]int64{"not injected": 1, "credentials-failed": 1, "403": 1}},
		"step=credentials":  {0.030, nil, nil},
	} {
		record := to(name).Report()
		if got := measuretest.Metric(t, record, "p50"); !measuretest.Near(got.Value, want.p50) || len(got.Samples) != 2 {
			t.Errorf("%s: p50 %g of %v, want %g of two", name, got.Value, got.Samples, want.p50)
		}
		if !maps.Equal(record.Errors, want.errors) {
			t.Errorf("%s: errors %v, want %v", name, record.Errors, want.errors)
		}
		if want.failed == nil {
			continue
		}
		all := float64(0)
		for _, n := range want.errors {
			all += float64(n) / 8
		}
		if got := measuretest.Metric(t, record, "failed"); !slices.Equal(got.Samples, want.failed) || !measuretest.Near(got.Value, all) {
			t.Errorf("%s: failed %g of %v, want %g of %v", name, got.Value, got.Samples, all, want.failed)
		}
	}
}

// A repeat without a success has no latency, and all of it failed.
func TestStartupsThatAllFailAreRecorded(t *testing.T) {
	cases := map[string]*measure.Case{}
	recordStartups([]startup{startupWith(withoutCredentials), startupWith(withoutCredentials)}, func(name string) *measure.Case {
		cases[name] = measure.NewCase(name)
		return cases[name]
	})
	record := cases["until=credentials"].Report()
	if got := measuretest.Metric(t, record, "failed"); got.Value != 1 || len(record.Metrics) != 1 || record.Distribution != nil {
		t.Errorf("got %+v, want failed=1 alone", record)
	}
}

func TestStartupIsReadFromThePod(t *testing.T) {
	pod := func(state corev1.ContainerState) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "start-1-0"}, Status: corev1.PodStatus{
			Phase: corev1.PodFailed, ContainerStatuses: []corev1.ContainerStatus{{Name: "main", State: state}},
		}}
	}
	left := func(message string, code int32) *corev1.Pod {
		return pod(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: message, ExitCode: code, Reason: "Error"}})
	}
	asked := time.Now()
	got, err := startupOf(left(`{"started":"2026-01-02T03:04:05Z","failure":{"class":"no-credentials"}}`, 0), asked, asked.Add(ms), true)
	if err != nil || !got.Injected || got.Admitted.Sub(got.Asked) != ms || got.First.Failure.Class != probe.NoCredentials {
		t.Errorf("%v: %+v", err, got)
	}
	for says, pod := range map[string]*corev1.Pod{
		"ended with code 137":     left("", 137),
		"invalid character":       left("panic: out of memory", 2),
		"without its container":   pod(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError"}}),
		"pod start-1-0 ended wit": {ObjectMeta: metav1.ObjectMeta{Name: "start-1-0"}, Status: corev1.PodStatus{Phase: corev1.PodFailed}},
	} {
		if _, err := startupOf(pod, asked, asked, true); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "start-1-0") {
			t.Errorf("error %v, want one of the pod that says %q", err, says)
		}
	}
}
