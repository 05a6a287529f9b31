package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kubeconfig"
	"github.com/podidentity/epi/clusters/room"
)

// Inspect returns what is known, below Kubernetes and AWS, about a machine or program of the environment. It returns an
// *AwayError if that does not run. The name is a node's, or Emulator.
type Inspect func(ctx context.Context, name string) error

// Emulator names the AWS emulator for Inspect.
const Emulator = "emulator"

// apiServer is the name of the part through which most others are asked.
const apiServer = "the API server"

// mostNodes is the number of nodes whose kubelets are asked. The API server reports about further nodes.
const mostNodes = 20

// restarts is how long a part of the control plane may take to restart, which it does by itself if its store was slow for
// 10 seconds.
const restarts = 5 * time.Minute

// Folder is a folder that must exist and have space.
type Folder struct {
	Path string
	// Remedy is what a user can do otherwise.
	Remedy string
}

// Parts are those of a running environment. inspect may be nil. Then only the answers of the API server and the emulator
// are known.
func Parts(ctx context.Context, env *clusters.Environment, inspect Inspect, dirs ...Folder) ([]Part, error) {
	config, err := kubeconfig.Read(env.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", env.Name, err)
	}
	config.QPS = -1 // there are few requests, and none may wait for another; each is bounded by its context
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach cluster of environment %s: %w", env.Name, err)
	}
	listing, cancel := context.WithTimeout(ctx, defaultBearable)
	defer cancel()
	nodes, err := client.CoreV1().Nodes().List(listing, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes of environment %s: %w", env.Name, err)
	}
	parts := []Part{{Name: apiServer, Ask: reads(client)}}
	for _, node := range nodes.Items[:min(len(nodes.Items), mostNodes)] {
		parts = append(parts, Part{Name: "node " + node.Name, Behind: apiServer, Ask: inspected(inspect, node.Name, func(ctx context.Context) error {
			return kubelet(ctx, client, node.Name)
		})})
	}
	parts = append(parts, Part{Name: "a ready node", Behind: apiServer, Ask: conditions(client, nodes.Items)})
	for _, name := range []string{"kube-scheduler", "kube-controller-manager"} {
		parts = append(parts, Part{Name: "the " + strings.TrimPrefix(name, "kube-"), Behind: apiServer, Bearable: restarts, Ask: lease(client, name)})
	}
	if env.Control != nil {
		asked := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
		parts = append(parts, Part{Name: "the AWS emulator", Ask: inspected(inspect, Emulator, func(ctx context.Context) error {
			return healthy(ctx, asked, env.Control.URL+"/healthz")
		})})
	}
	for _, dir := range dirs {
		parts = append(parts, Part{Name: "the folder " + dir.Path, Bearable: roomTime, Remedy: dir.Remedy, Ask: kept(dir.Path)})
	}
	return append(parts, Part{Name: "this machine's clock", Ask: newJump(time.Now).ask}), nil
}

// inspected asks what is below a part that does not answer.
func inspected(inspect Inspect, name string, ask func(context.Context) error) func(context.Context) error {
	if inspect == nil {
		return ask
	}
	var doubtful atomic.Bool
	return func(ctx context.Context) error {
		// The request gets only a part of the time, so that some is left for inspect.
		asking, cancel := context.WithTimeout(ctx, askTime*3/5)
		err := ask(asking)
		cancel()
		// A part that answers again after a failure is inspected too, because it may be another one.
		if err == nil && !doubtful.Load() || errors.Is(err, ErrUnsupported) {
			return err
		}
		below, known := errors.AsType[*AwayError](inspect(ctx, name))
		doubtful.Store(err != nil || known)
		if known {
			return below
		}
		return err
	}
}

// reads asks the API server for an object, which the server reads from its store. /readyz would say more, but fails too
// early: if the store takes more than two seconds for a write, as on a busy machine.
func reads(client kubernetes.Interface) func(context.Context) error {
	var allowed atomic.Bool
	return func(ctx context.Context) error {
		_, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		if err == nil {
			allowed.Store(true)
			return nil
		}
		if _, answered := errors.AsType[*apierrors.StatusError](err); answered {
			if apierrors.IsForbidden(err) && !allowed.Load() {
				return nil // this user always gets this answer
			}
			return unwell("it is not ready")
		}
		return asAway(err)
	}
}

// unwell returns a bad answer as a reason that follows a colon. It is no proof of an absence.
type unwell string

func (u unwell) Error() string { return string(u) }

// kubelet asks the kubelet of a node for its health, through the API server.
func kubelet(ctx context.Context, client kubernetes.Interface, node string) error {
	err := client.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy").Suffix("healthz").Do(ctx).Error()
	switch {
	case apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err):
		return ErrUnsupported
	case apierrors.IsNotFound(err):
		return &AwayError{Why: "the cluster has no such node any more", Weak: true, Final: true}
	case err != nil && strings.Contains(err.Error(), "connection refused"):
		return &AwayError{Why: "its kubelet does not run", Weak: true}
	}
	return err
}

// badConditions of nodes evict pods or keep new ones away
// (https://kubernetes.io/docs/reference/node/node-status/#condition).
var badConditions = map[corev1.NodeConditionType]string{
	corev1.NodeMemoryPressure: "is short of memory", corev1.NodeDiskPressure: "is short of disk space",
	corev1.NodePIDPressure: "is short of process IDs", corev1.NodeNetworkUnavailable: "has no network",
}

// conditions checks whether the nodes are as healthy as at the beginning.
func conditions(client kubernetes.Interface, before []corev1.Node) func(context.Context) error {
	return func(ctx context.Context) error {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return err
		}
		return worse(before, list.Items)
	}
}

// worse returns a node that was healthy and is no longer, or says that all nodes that accepted new pods have stopped to. If
// one of several is cordoned, that is normal in a cluster.
func worse(before, now []corev1.Node) error {
	well, closing := map[string]bool{}, false
	for _, node := range before {
		well[node.Name] = illness(node) == ""
		closing = closing || closed(node) == ""
	}
	why := ""
	for _, node := range now {
		if ill := illness(node); ill != "" && well[node.Name] {
			return &AwayError{Why: "node " + node.Name + " " + ill, Weak: true}
		}
		reason := closed(node)
		closing = closing && reason != ""
		if why == "" {
			why = "none takes new pods: node " + node.Name + " " + reason
		}
	}
	if closing && why != "" {
		return &AwayError{Why: why, Weak: true}
	}
	return nil
}

// closed is the reason why a node accepts no new pods; "" if it accepts them. A taint of the node's own conditions is
// reported as that condition (https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/).
func closed(node corev1.Node) string {
	if node.Spec.Unschedulable {
		return "is cordoned"
	}
	for _, taint := range node.Spec.Taints {
		if taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute {
			return "has taint " + taint.Key
		}
	}
	return ""
}

// illness is the problem of a node; "" if there is none.
func illness(node corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if bad, ok := badConditions[condition.Type]; ok && condition.Status == corev1.ConditionTrue {
			return bad
		}
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return "is not ready"
		}
	}
	return ""
}

// lease asks whether a part of the control plane renews its lease. It does so every 2 seconds, and another instance takes a
// lease that was not renewed for 15 seconds
// (https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/).
func lease(client kubernetes.Interface, name string) func(context.Context) error {
	var mu sync.Mutex
	var renewed metav1.MicroTime
	var seen time.Time
	return func(ctx context.Context) error {
		got, err := client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
			return ErrUnsupported
		case err != nil:
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		at := renewTime(got)
		if seen.IsZero() || !at.Equal(&renewed) {
			renewed, seen = at, time.Now()
		}
		if time.Since(seen) > silent {
			return unwell("it does not renew its lease")
		}
		return nil
	}
}

func renewTime(lease *coordinationv1.Lease) metav1.MicroTime {
	if lease.Spec.RenewTime == nil {
		return metav1.MicroTime{}
	}
	return *lease.Spec.RenewTime
}

func healthy(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return asAway(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10)) // so that the connection can be reused
	if response.StatusCode != http.StatusOK {
		return unwell("it answers " + response.Status)
	}
	return nil
}

// asAway distinguishes a missing program, whose connections are refused or end, from a slow one.
func asAway(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return &AwayError{Why: "it refuses connections", Weak: true}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &AwayError{Why: "its connections end at once", Weak: true}
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" && !failed.Timeout() {
		return &AwayError{Why: "it cannot be reached", Weak: true}
	}
	return err
}

// jump detects that the wall clock and the monotonic clock differ. The latter stands still while the machine sleeps, and
// cannot be set.
type jump struct {
	now  func() time.Time
	last time.Time
}

// jumped is the difference of the two clocks that is more than an adjustment.
const jumped = 3 * time.Second

func newJump(now func() time.Time) *jump { return &jump{now: now, last: now()} }

func (j *jump) ask(context.Context) error {
	now := j.now()
	wall, monotonic := now.Round(0).Sub(j.last.Round(0)), now.Sub(j.last)
	j.last = now
	return leapt(wall, monotonic)
}

// leapt says that the wall clock advanced by more or less than the elapsed time.
func leapt(wall, monotonic time.Duration) error {
	switch by := (wall - monotonic).Round(time.Second); {
	case by > jumped:
		return &AwayError{Why: fmt.Sprintf("it went ahead by %s: the machine slept, or the clock was set", by)}
	case by < -jumped:
		return &AwayError{Why: fmt.Sprintf("it was set back by %s", -by)}
	}
	return nil
}

// roomTime is how long a folder's disk may be full. What cannot be written is lost.
const roomTime = 8 * time.Second

// kept checks that a folder exists and has space.
func kept(dir string) func(context.Context) error {
	_, err := os.Stat(dir)
	was := err == nil
	return func(context.Context) error {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			if was {
				return &AwayError{Why: "it was removed", Final: true}
			}
			return nil
		}
		was = true
		if full, ok := errors.AsType[*room.Error](room.Check(dir)); ok {
			return &AwayError{Why: full.Why}
		}
		return nil
	}
}
