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

// Tenant is a service account with an association, and a pod of it that never runs: to the agent,
// whoever presents its token is it.
type Tenant struct {
	Association *cloud.Association
	Pod         *corev1.Pod
	// Token is bound to Pod; nobody has presented it yet.
	Token Token
}

// NewTenant makes a service account in the namespace, associates it with the role and waits until EKS
// Auth goes by that.
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
	// By a token of its own, so that what is counted by tokens is not disturbed.
	NewSession(ctx, env, tenant.Pod)
	tenant.Token = NewToken(ctx, env, tenant.Pod)
	return tenant
}

// AgentRequest asks the agent for the tenant's credentials, as its pod would.
func (t *Tenant) AgentRequest() probe.Request { return AgentRequest(t.Token) }
