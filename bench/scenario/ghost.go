package scenario

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/bench/measure"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/workload"
)

// What the agent does for deleted pods, and for those that still run.
var (
	RenewalsGone   = measure.Metric{Name: "renewals-gone", Unit: "calls/pod/min", Better: measure.Lower}
	RenewalsLiving = measure.Metric{Name: "renewals-living", Unit: "calls/pod/min"}
	LogLines       = measure.Metric{Name: "log-lines", Unit: "lines/pod", Better: measure.Lower}
)

const (
	// retention of the scenario's own agent. At each of its regular checks it renews older entries.
	retention = 4 * time.Second
	// expired is the code with which EKS Auth refuses an expired token.
	expired = "ExpiredTokenException"
)

// Ghost is about a node with pods that were deleted.
var Ghost = measure.Scenario{
	Name: "ghost", Title: "Renewals for pods that are gone",
	About: "The scenario starts an agent of its own, which renews credentials after 4 s. Pods ask it, and half of them are deleted. The scenario " +
		"counts the calls that EKS Auth gets for the tokens of the deleted pods and of those that still run. At the end the tokens of the " +
		"deleted pods expire, and the scenario counts the lines that the agent logs about it. The agent of AWS checks once a minute what to " +
		"renew: give it --duration 2m.",
	Source:  "https://github.com/aws/eks-pod-identity-agent/issues/171",
	Subject: "agent",
	Needs:   []clusters.Capability{clusters.EmulatorControl, clusters.HostNetworkPods},
	Size:    measure.Size{Duration: 7 * time.Second, Repeats: 4, Pods: 10},
	Metrics: []string{RenewalsGone.Name, RenewalsLiving.Name, LogLines.Name},
	Primary: []measure.Primary{{Case: "", Metric: RenewalsGone.Name}},
	Run: func(ctx context.Context, s *measure.Setup) {
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

// ghostAgent is an agent of the scenario's own, which some pods ask.
type ghostAgent struct {
	*measure.Setup
	agent   *workload.Probe
	address string
}

// podGroup has the pods of one service account.
type podGroup struct {
	tenant *workload.Tenant
	pods   []*corev1.Pod
	// known are the fingerprints of the tokens that the pods sent.
	known map[string]bool
}

// agentContainer is the name of the agent in its pod.
const agentContainer = "agent"

func newGhostAgent(ctx context.Context, s *measure.Setup) *ghostAgent {
	s.T.Helper()
	s.Progress("starting an agent that renews after %s", retention)
	flags, loopback := workload.HostPorts()
	_, port, err := net.SplitHostPort(loopback)
	if err != nil {
		s.T.Fatalf("find the port of an agent: %v", err)
	}
	// Pods reach the agent at the node's address. Its limits allow the renewals of all entries.
	flags = append(flags, "--bind-hosts", "$(POD_IP)", "--max-credential-retention-before-renewal", retention.String(),
		"--max-cache-size", fmt.Sprint(4*s.Size.Pods), "--max-service-qps", fmt.Sprint(4*s.Size.Pods))
	pod := workload.NewPod(s.Env, s.Identities.Namespace, "", workload.OnHostNetwork(), workload.NewAgentUnderTest(ctx, s.Env).Serving(agentContainer, flags...))
	pod.Name = "ghost-agent"
	h := &ghostAgent{Setup: s, agent: workload.Start(ctx, s.Env, pod)}
	h.address = net.JoinHostPort(h.agent.Pod.Status.HostIP, port)
	h.agent.AwaitAgent(ctx, h.address)
	return h
}

// pods creates pods of a new service account on the agent's node.
func (h *ghostAgent) pods(ctx context.Context, name string, n int) *podGroup {
	h.T.Helper()
	h.Progress("creating %d pods", n)
	g := &podGroup{tenant: workload.NewTenant(ctx, h.Env, h.Identities.Namespace, h.Identities.Role), known: map[string]bool{}}
	for i := range n {
		pod := workload.NewPod(h.Env, h.Identities.Namespace, g.tenant.Pod.Spec.ServiceAccountName, onNode(h.agent.Pod.Spec.NodeName))
		pod.Name = fmt.Sprintf("%s-%d", name, i)
		workload.Create(ctx, h.Env, pod)
		h.T.Cleanup("pod "+pod.Name, func(ctx context.Context) error { return crclient.IgnoreNotFound(h.Resources.Delete(ctx, pod)) })
		g.pods = append(g.pods, pod)
	}
	return g
}

// ask waits until all pods of a group run, and lets each get its credentials from the agent.
func (h *ghostAgent) ask(ctx context.Context, g *podGroup) {
	h.T.Helper()
	h.Progress("starting %d pods", len(g.pods))
	h.await(ctx, g, "run", func(pod *corev1.Pod, exists bool) bool { return exists && workload.Running(pod) })
	for _, pod := range g.pods {
		h.Progress("pod %s asks the agent", pod.Name)
		tokens, err := h.Identities.TokensOf(ctx, 1, pod)
		if err != nil {
			h.T.Fatalf("%v", err)
		}
		g.known[control.Fingerprint(tokens[0])] = true
		answer := workload.ProbeIn(h.Env, pod).AskOnce(ctx, workload.RequestTo(h.address, workload.Token(tokens[0])))
		if answer.Status != http.StatusOK || answer.Credentials == nil {
			h.T.Blamef("the agent with %s refused pod %s its credentials: status %d, %v", retention, pod.Name, answer.Status, answer.Failure)
		}
	}
}

// remove deletes the pods of a group and waits until they are gone.
func (h *ghostAgent) remove(ctx context.Context, g *podGroup) {
	h.T.Helper()
	h.Progress("deleting %d pods", len(g.pods))
	for _, pod := range g.pods {
		workload.Delete(ctx, h.Env, pod)
	}
	h.await(ctx, g, "be gone", func(_ *corev1.Pod, exists bool) bool { return !exists })
}

// onNode lets the scheduler place a pod on a node.
func onNode(name string) workload.Option {
	return func(pod *corev1.Pod) {
		pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{
				Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{name},
			}}}},
		}}}
	}
}

// await waits until all pods of a group are as they should be.
func (h *ghostAgent) await(ctx context.Context, g *podGroup, what string, right func(pod *corev1.Pod, exists bool) bool) {
	h.T.Helper()
	seen := "nothing"
	err := wait.For(func(ctx context.Context) (bool, error) {
		now := map[string]*corev1.Pod{}
		var list corev1.PodList
		if err := h.Resources.WithNamespace(h.Identities.Namespace).List(ctx, &list); err != nil {
			seen = err.Error()
			return false, nil //nolint:nilerr // if it persists the timeout's error contains it
		}
		for i := range list.Items {
			now[list.Items[i].Name] = &list.Items[i]
		}
		for i, pod := range g.pods {
			current, exists := now[pod.Name]
			if !right(current, exists) {
				seen = "no pod " + pod.Name
				if exists {
					seen = fmt.Sprintf("pod %s: %s", pod.Name, workload.Describe(current))
				}
				return false, nil
			}
			if exists {
				g.pods[i] = current
			}
		}
		return true, nil
	}, wait.WithContext(ctx), wait.WithTimeout(h.Timeouts.PodRunning), wait.WithInterval(200*time.Millisecond), wait.WithImmediate())
	if err != nil {
		h.T.Fatalf("wait for %d pods to %s: %v; last seen: %s", len(g.pods), what, err, seen)
	}
}

// window counts the calls that EKS Auth gets for the tokens of two groups during one repeat.
func (h *ghostAgent) window(ctx context.Context, gone, living *podGroup) (counted renewal) {
	h.T.Helper()
	before, err := h.Control.CallsWhere(ctx, control.Query{Operation: measure.AssumeRole}, 0)
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
	calls, err := h.Control.CallsWhere(ctx, control.Query{Operation: measure.AssumeRole, After: before.Last}, 0)
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

// complaints counts the lines of the agent's log that mention an expired token.
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

// share is a number of calls for a number of identities.
type share struct{ calls, of int }

func (s share) perMinute(minutes float64) float64 { return float64(s.calls) / float64(s.of) / minutes }

// renewal has the counts of one window.
type renewal struct {
	minutes      float64
	gone, living share
}

// renewals has the counts of all windows.
type renewals []renewal

func (r *renewals) add(counted renewal) { *r = append(*r, counted) }

// record adds the rates of all windows. If the agent renewed nothing at all it has not checked yet what to
// renew: then record adds nothing about deleted pods and returns false.
func (r renewals) record(t framework.T, c *measure.Case) (decided bool) {
	looked := false
	for _, window := range r {
		looked = looked || window.living.calls+window.gone.calls > 0
		c.Record(RenewalsLiving, window.living.perMinute(window.minutes))
	}
	if !looked {
		t.Report("renewals", fmt.Sprintf("none in %d windows, not even for pods that still run: the agent has not checked yet what to renew; --duration 2m gives it enough time", len(r)))
		return false
	}
	for _, window := range r {
		c.Record(RenewalsGone, window.gone.perMinute(window.minutes))
	}
	return true
}
