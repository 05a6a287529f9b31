package scenario

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/framework/probe"
	"github.com/podidentity/epi/framework/workload"
)

// The milestones of a pod until its first object, in this order.
const (
	admitted     = "admitted"
	started      = "started"
	hasIdentity  = "credentials"
	readsObjects = "object"
)

// milestones in their order.
var milestones = []string{admitted, started, hasIdentity, readsObjects}

// startup has the times of one pod until its first object. Asked and Admitted are by this machine's clock, the
// program's times by its node's clock.
type startup struct {
	// Asked is when its creation was due, Admitted when the API server had answered it.
	Asked, Admitted time.Time
	// Injected: the pod was admitted with what the webhook adds.
	Injected bool
	// First is what its program wrote at its end.
	First probe.FirstObject
}

// reached returns how long after its due time the pod reached each milestone, as far as it came. kind is the
// kind of failure that stopped it, "" if it reached all.
func (b startup) reached() (after []time.Duration, kind string) {
	if !b.Injected {
		return nil, "not injected"
	}
	after = append(after, b.Admitted.Sub(b.Asked), b.First.Started.Sub(b.Asked.Round(0)))
	if !b.First.Credentials.IsZero() {
		after = append(after, b.First.Credentials.Sub(b.Asked.Round(0)))
	}
	switch failure := b.First.Failure; {
	case failure != nil && failure.Status != 0:
		return after, strconv.Itoa(failure.Status)
	case failure != nil:
		return after, string(failure.Class)
	case b.First.Size != objectSize:
		return after, "wrong size"
	}
	return append(after, b.First.Object.Sub(b.Asked.Round(0))), ""
}

// startupOf is the startup of a pod that has ended. If its program wrote nothing that is the harness's fault:
// the program succeeds whatever AWS and the agent answer.
func startupOf(pod *corev1.Pod, asked, answered time.Time, injected bool) (startup, error) {
	b := startup{Asked: asked, Admitted: answered, Injected: injected}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name != workload.Main || status.State.Terminated == nil {
			continue
		}
		var err error
		if b.First, err = probe.DecodeFirstObject(status.State.Terminated.Message); err != nil {
			return b, fmt.Errorf("pod %s: %w; it ended with code %d: %s", pod.Name, err, status.State.Terminated.ExitCode, workload.Describe(pod))
		}
		return b, nil
	}
	return b, fmt.Errorf("pod %s ended without its container: %s", pod.Name, workload.Describe(pod))
}

// recordStartups adds a repeat to the cases "until=MILESTONE", and to "step=credentials", which is the time from
// a program's start to its credentials by one clock. A milestone counts all failures before it.
func recordStartups(startups []startup, to func(name string) *measure.Case) {
	until := make([][]time.Duration, len(milestones))
	failures := make([]map[string]int, len(milestones))
	for i := range failures {
		failures[i] = map[string]int{}
	}
	var step []time.Duration
	for _, b := range startups {
		after, kind := b.reached()
		for i := range milestones {
			if i < len(after) {
				until[i] = append(until[i], after[i])
			} else {
				failures[i][kind]++
			}
		}
		if len(after) > 2 {
			step = append(step, b.First.Credentials.Sub(b.First.Started))
		}
	}
	for i, name := range milestones {
		c := to("until=" + name)
		c.RecordLatencies(until[i])
		c.RecordFailures(len(startups), failures[i])
	}
	to("step=" + hasIdentity).RecordLatencies(step)
}
