// Package eksauth has the specs of EKS Auth (AUT): its sessions for agents, and its refusals. No pod has to run, because a
// token that is bound to a pod is enough.
package eksauth

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
)

const account = "reader"

// pod is a pod that never runs, and a token that is bound to it.
type pod struct {
	*corev1.Pod
	token workload.Token
}

// newPod makes a pod in a namespace of its own.
func newPod(ctx context.Context, env *framework.Env, options ...workload.Option) pod {
	env.T.Helper()
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, account)
	unscheduled := workload.NewUnscheduledPod(ctx, env, namespace, account, options...)
	return pod{unscheduled, workload.NewToken(ctx, env, unscheduled)}
}

// named is an option of newPod.
func named(name string) workload.Option {
	return func(pod *corev1.Pod) { pod.Name, pod.GenerateName = name, "" }
}

// associated is newPod with an association with a new role, after EKS Auth uses it.
func associated(ctx context.Context, env *framework.Env, options ...workload.Option) (pod, *cloud.Association) {
	env.T.Helper()
	pod := newPod(ctx, env, options...)
	association := cloud.Associate(ctx, env, pod.Namespace, account, cloud.NewRole(ctx, env))
	cloud.AwaitSession(ctx, env, string(pod.token))
	return pod, association
}

// asking sends one request to EKS Auth as the caller. The error is EKS Auth's.
func asking(env *framework.Env, caller *framework.Clients, token workload.Token) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := assume(ctx, caller, env.ClusterName, token)
		return err
	}
}

// assume sends one request to EKS Auth, without a retry after a refusal.
func assume(ctx context.Context, caller *framework.Clients, cluster string, token workload.Token) (*eksauth.AssumeRoleForPodIdentityOutput, error) {
	return caller.EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: &cluster, Token: aws.String(string(token)),
	}, func(o *eksauth.Options) { o.Retryer = aws.NopRetryer{} })
}

// answer is the session of a pod, for a spec that does not test whether there is one.
func answer(ctx context.Context, env *framework.Env, pod pod) *eksauth.AssumeRoleForPodIdentityOutput {
	env.T.Helper()
	out, err := assume(ctx, &env.Clients, env.ClusterName, pod.token)
	if err != nil {
		env.T.Blamef("EKS Auth gave a session a moment ago and gives none now: %v", err)
	}
	return out
}

// sessionName is the last part of an ARN of a session.
func sessionName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
