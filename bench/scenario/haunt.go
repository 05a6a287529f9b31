package scenario

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework/workload"
)

// ghostAgent is an agent with pods.
type ghostAgent struct {
	*Setup
	agent   *workload.Probe
	address string
}

// podGroup is pods of one service account.
type podGroup struct {
	tenant *workload.Tenant
	pods   []*corev1.Pod
	// known are the fingerprints of the tokens that they asked with.
	known map[string]bool
}

// agentContainer is the name of the agent in its pod.
const agentContainer = "agent"

func newGhostAgent(ctx context.Context, s *Setup) *ghostAgent {
	s.T.Helper()
	s.Progress("starting an agent that renews after %s", retention)
	flags, loopback := workload.HostPorts()
	_, port, err := net.SplitHostPort(loopback)
	if err != nil {
		s.T.Fatalf("find the port of an agent: %v", err)
	}
	// Pods reach it at the node's address. As many renewals as all entries need are allowed for.
	flags = append(flags, "--bind-hosts", "$(POD_IP)", "--max-credential-retention-before-renewal", retention.String(),
		"--max-cache-size", fmt.Sprint(4*s.Size.Pods), "--max-service-qps", fmt.Sprint(4*s.Size.Pods))
	pod := workload.NewPod(s.Env, s.Identities.Namespace, "", workload.OnHostNetwork(), workload.NewAgentUnderTest(ctx, s.Env).Serving(agentContainer, flags...))
	pod.Name = "ghost-agent"
	h := &ghostAgent{Setup: s, agent: workload.Start(ctx, s.Env, pod)}
	h.address = net.JoinHostPort(h.agent.Pod.Status.HostIP, port)
	h.agent.AwaitAgent(ctx, h.address)
	return h
}

// pods of a new service account, which are to run on the agent's node.
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

// ask has each pod get its credentials from the agent, as soon as all of them run.
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

// remove deletes pods and waits until nothing is left of them.
func (h *ghostAgent) remove(ctx context.Context, g *podGroup) {
	h.T.Helper()
	h.Progress("deleting %d pods", len(g.pods))
	for _, pod := range g.pods {
		workload.Delete(ctx, h.Env, pod)
	}
	h.await(ctx, g, "be gone", func(_ *corev1.Pod, exists bool) bool { return !exists })
}

// onNode puts a pod on a node, through the scheduler.
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
			return false, nil //nolint:nilerr // told with the timeout, if it lasts
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
