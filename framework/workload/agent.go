package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/probe"
)

// AgentSet returns the DaemonSet of the agent under test. A missing one is the platform's failure, and not the harness's: a
// user who left the agent out must see which requirements do not hold.
func AgentSet(ctx context.Context, env *framework.Env) *appsv1.DaemonSet {
	env.T.Helper()
	set := &appsv1.DaemonSet{}
	err := env.Resources.Get(ctx, clusters.AgentName, clusters.AgentNamespace, set)
	if apierrors.IsNotFound(err) {
		env.T.Blamef("there is no agent: the cluster has no DaemonSet %s/%s", clusters.AgentNamespace, clusters.AgentName)
	}
	if err != nil {
		env.T.Fatalf("read DaemonSet %s/%s of the agent: %v", clusters.AgentNamespace, clusters.AgentName, err)
	}
	return set
}

// AgentMetrics returns the metrics of an agent's pod in the text format of Prometheus, if the API server can reach its
// metrics port.
func AgentMetrics(ctx context.Context, env *framework.Env, pod string) probe.Response {
	return proxied(ctx, clusters.AgentNamespace, env.Clientset.CoreV1().RESTClient().Get().Resource("pods").Name("http:"+pod+":2705").
		SubResource("proxy").Suffix("metrics"))
}

// AgentUnderTest has the containers of the installed agent, to run once more in a pod of the spec with other options. A
// spec can test there what would disturb others.
type AgentUnderTest struct{ pod corev1.PodSpec }

// NewAgentUnderTest reads them.
func NewAgentUnderTest(ctx context.Context, env *framework.Env) AgentUnderTest {
	env.T.Helper()
	pod := AgentSet(ctx, env).Spec.Template.Spec
	if len(pod.Containers) == 0 || len(pod.InitContainers) == 0 {
		env.T.Fatalf("read DaemonSet %s/%s of the agent: it has no container, or none that initializes", clusters.AgentNamespace, clusters.AgentName)
	}
	return AgentUnderTest{pod}
}

// Serving adds an agent that serves, with additional flags, which take precedence over its own.
func (a AgentUnderTest) Serving(name string, flags ...string) Option {
	return func(pod *corev1.Pod) {
		server := a.own(a.pod.Containers[0], name)
		server.Args = append(server.Args, flags...)
		pod.Spec.Containers = append(pod.Spec.Containers, server)
	}
}

// Initializing adds an init container that prepares the pod's network as the agent prepares its node's.
func (a AgentUnderTest) Initializing(name string) Option {
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, a.own(a.pod.InitContainers[0], name))
	}
}

// Linked adds, before the containers that initialize, what the installation does on a node for an agent that only makes
// links of type dummy: if the kernel has none, a bridge of the link's name exists already. The reference makes its bridge
// itself, so nothing is added for it.
func (a AgentUnderTest) Linked(env *framework.Env, link string) Option {
	return func(pod *corev1.Pod) {
		for _, subject := range env.Subjects {
			if subject.Role == "agent" && subject.Reference {
				return
			}
		}
		prepare := container(pod, "link", "do", "--output", corev1.TerminationMessagePathDefault, probe.OpSpareDummy, link)
		root := int64(0) // an added capability is effective only for root
		prepare.SecurityContext = &corev1.SecurityContext{RunAsUser: &root, Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}
		pod.Spec.InitContainers = append([]corev1.Container{prepare}, pod.Spec.InitContainers...)
	}
}

// own returns a container without its ties to the node: ports, and the kubelet's probes of the loopback address. Its
// environment has PodIP, for use in flags.
func (a AgentUnderTest) own(container corev1.Container, name string) corev1.Container {
	own := *container.DeepCopy()
	own.Name, own.Ports, own.VolumeMounts = name, nil, nil
	own.LivenessProbe, own.ReadinessProbe, own.StartupProbe = nil, nil, nil
	own.Env = append(own.Env, corev1.EnvVar{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}})
	return own
}

// HostPorts returns flags for an agent on the host network that does not disturb another one, and its address. It answers
// only requests whose Host header is the agent's address.
func HostPorts() (flags []string, address string) {
	const first, count = 20_000, 3_000 // below the ports that Kubernetes and the kernel assign
	port := first + 3*rand.IntN(count)
	return []string{
		"--bind-hosts", "127.0.0.1", "--port", fmt.Sprint(port),
		"--probe-port", fmt.Sprint(port + 1), "--metrics-port", fmt.Sprint(port + 2), "--metrics-address", "127.0.0.1",
	}, fmt.Sprintf("127.0.0.1:%d", port)
}

// RequestTo returns a request to an agent at another address, with the agent's own address as its host.
func RequestTo(address string, token Token) probe.Request {
	return probe.Request{
		URL: "http://" + address + "/v1/credentials", Token: string(token), Header: map[string]string{"Host": "169.254.170.23"},
	}
}

// AwaitAgent waits until the spec's own agent answers at the address. If it does not, that is the agent's failure, because
// its flags are documented.
func (p *Probe) AwaitAgent(ctx context.Context, address string) {
	p.env.T.Helper()
	var last probe.Answer
	err := wait.For(func(context.Context) (bool, error) {
		last = p.AskOnce(ctx, probe.Request{URL: "http://" + address + "/", Timeout: time.Second})
		return last.Failure == nil, nil
	}, poll(ctx, p.env.Timeouts.PodRunning)...)
	if err != nil {
		p.env.T.Blamef("an agent with options of its own does not answer at %s: %v; last seen: %v", address, err, last.Failure)
	}
}
