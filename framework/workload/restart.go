package workload

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
)

// RestartAgent restarts the agent on every node, like `kubectl rollout restart`, and waits until it is ready again. Only a
// spec that runs alone may call it. If the agent does not become ready, that is its own failure.
func RestartAgent(ctx context.Context, env *framework.Env) {
	env.T.Helper()
	AgentSet(ctx, env) // fails if there is none
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().UTC().Format(time.RFC3339Nano))
	_, err := env.Clientset.AppsV1().DaemonSets(clusters.AgentNamespace).Patch(ctx, clusters.AgentName, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		env.T.Fatalf("restart DaemonSet %s/%s of the agent: %v", clusters.AgentNamespace, clusters.AgentName, err)
	}
	var set *appsv1.DaemonSet
	err = wait.For(func(context.Context) (bool, error) {
		set = AgentSet(ctx, env)
		status := set.Status
		return status.ObservedGeneration >= set.Generation && status.UpdatedNumberScheduled == status.DesiredNumberScheduled &&
			status.NumberReady == status.DesiredNumberScheduled, nil
	}, poll(ctx, env.Timeouts.PodRunning)...)
	if err != nil {
		env.T.Blamef("the agent is not ready after an update: %v; last seen: %+v", err, set.Status)
	}
}
