package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
)

// NewSession returns EKS Auth's session for a new token of the pod, which need not run: see cloud.AwaitSession.
func NewSession(ctx context.Context, env *framework.Env, pod *corev1.Pod) *cloud.Session {
	env.T.Helper()
	return cloud.AwaitSession(ctx, env, string(NewToken(ctx, env, pod)))
}
