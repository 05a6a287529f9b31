package workload

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	eksauthtypes "github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/wait"

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
		Pod:         NewBystander(ctx, env, namespace, serviceAccount),
	}
	// With a token of its own, so that what is counted by tokens is not disturbed.
	awaitSession(ctx, env, NewToken(ctx, env, tenant.Pod))
	tenant.Token = NewToken(ctx, env, tenant.Pod)
	return tenant
}

// awaitSession asks EKS Auth, in the agent's place, until association and role are known to it.
func awaitSession(ctx context.Context, env *framework.Env, token Token) {
	env.T.Helper()
	var last error
	// The spec's own context, not the wait's: only asking again is bounded, not the answer.
	err := wait.For(func(context.Context) (bool, error) {
		_, last = env.EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
			ClusterName: &env.ClusterName, Token: aws.String(string(token)),
		})
		_, untrusted := errors.AsType[*eksauthtypes.AccessDeniedException](last)
		_, unknown := errors.AsType[*eksauthtypes.ResourceNotFoundException](last)
		if untrusted || unknown {
			return false, nil
		}
		return true, last
	}, poll(ctx, env.Timeouts.AssociationVisible)...)
	if err != nil {
		env.T.Fatalf("wait until EKS Auth knows the association: %v; last seen: %v", err, last)
	}
}

// AgentRequest asks the agent for the tenant's credentials, as its pod would.
func (t *Tenant) AgentRequest() probe.Request { return AgentRequest(t.Token) }
