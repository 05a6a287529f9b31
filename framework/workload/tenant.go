package workload

import (
	"context"
	"crypto/rand"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/probe"
)

// Tenant is a service account with an association, and a pod of it that never runs. For the agent, the sender of its token
// is that pod.
type Tenant struct {
	Association *cloud.Association
	Pod         *corev1.Pod
	// Token is bound to Pod. It has not been used yet.
	Token Token
}

// NewTenant creates a service account in the namespace, associates it with the role and waits until EKS Auth uses the
// association.
func NewTenant(ctx context.Context, env *framework.Env, namespace string, role *cloud.Role) *Tenant {
	env.T.Helper()
	return NewTenantNamed(ctx, env, namespace, "app-"+strings.ToLower(rand.Text()[:8]), role)
}

// NewTenantNamed is NewTenant with a name for the service account.
func NewTenantNamed(ctx context.Context, env *framework.Env, namespace, serviceAccount string, role *cloud.Role) *Tenant {
	env.T.Helper()
	NewServiceAccount(ctx, env, namespace, serviceAccount)
	tenant := &Tenant{
		Association: cloud.Associate(ctx, env, namespace, serviceAccount, role),
		Pod:         NewUnscheduledPod(ctx, env, namespace, serviceAccount),
	}
	// This uses a token of its own, so that it does not affect counts by token.
	NewSession(ctx, env, tenant.Pod)
	tenant.Token = NewToken(ctx, env, tenant.Pod)
	return tenant
}

// AgentRequest returns the request for the tenant's credentials that its pod would send to the agent.
func (t *Tenant) AgentRequest() probe.Request { return AgentRequest(t.Token) }
