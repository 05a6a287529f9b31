package authorization

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/workload"
)

// tenant is a pod in a namespace of its own, and EKS Auth's session for its token. The pod never runs: the harness uses its
// session itself.
type tenant struct {
	*cloud.Session
	Pod *corev1.Pod
}

// newTenant associates a service account with the role.
func newTenant(ctx context.Context, env *framework.Env, role *cloud.Role, options ...cloud.AssociationOption) tenant {
	GinkgoHelper()
	pod := newPod(ctx, env)
	cloud.Associate(ctx, env, pod.Namespace, account, role, options...)
	return tenant{workload.NewSession(ctx, env, pod), pod}
}

// newPod creates a pod with a service account that has no association yet.
func newPod(ctx context.Context, env *framework.Env) *corev1.Pod {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	workload.NewServiceAccount(ctx, env, namespace, account)
	return workload.NewUnscheduledPod(ctx, env, namespace, account)
}

// tags are the session tags that the tenant's session must have.
func (t tenant) tags(env *framework.Env) map[string]string { return tagsOf(env, t.Pod) }

// tagsOf are the session tags of a pod: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
func tagsOf(env *framework.Env, pod *corev1.Pod) map[string]string {
	return map[string]string{
		"eks-cluster-arn":            env.ClusterARN,
		"eks-cluster-name":           env.ClusterName,
		"kubernetes-namespace":       pod.Namespace,
		"kubernetes-service-account": pod.Spec.ServiceAccountName,
		"kubernetes-pod-name":        pod.Name,
		"kubernetes-pod-uid":         string(pod.UID),
	}
}

// expectAllowed waits until IAM knows a new policy.
func expectAllowed(ctx context.Context, env *framework.Env, request func(context.Context) error, why ...any) {
	GinkgoHelper()
	Eventually(request).WithContext(ctx).Within(env.Timeouts.CredentialsWork).Should(Succeed(), why...)
}

// expectDenied is for requests after another one was allowed, when IAM knows the policy.
func expectDenied(ctx context.Context, request func(context.Context) error, why ...any) {
	GinkgoHelper()
	Expect(request(ctx)).To(BeRefusedWith("AccessDenied", 403), why...)
}
