package scenario

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
)

const (
	// accounts with an association that all tokens belong to. What the agent keeps goes by token, so
	// that more of them would only take longer to make.
	accounts = 20
	// tokensAtOnce is how many are asked for at the same time.
	tokensAtOnce = 16
	// tokenLife outlives every scenario.
	tokenLife = int64(3600)
)

// IdentityPool are the identities that scenarios act with: service accounts with associations, each with a
// pod that is never scheduled, in a namespace of their own.
type IdentityPool struct {
	Namespace string
	Role      *cloud.Role
	tenants   []*workload.Tenant
	clientset kubernetes.Interface
	next      atomic.Uint64
}

// NewIdentityPool makes them. They go with the act of env.
func NewIdentityPool(ctx context.Context, env *framework.Env) *IdentityPool {
	env.T.Helper()
	// Tokens are asked for as fast as the API server signs them.
	config := rest.CopyConfig(env.Config)
	config.QPS, config.Burst = math.MaxFloat32, math.MaxInt32
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		env.T.Fatalf("reach cluster: %v", err)
	}
	cast := &IdentityPool{Namespace: workload.NewNamespace(ctx, env), Role: cloud.NewRole(ctx, env), clientset: clientset}
	for range accounts {
		cast.tenants = append(cast.tenants, workload.NewTenant(ctx, env, cast.Namespace, cast.Role))
	}
	return cast
}

// Tokens are n new tokens, unknown to the agent, of the accounts in turn, each bound to its pod.
func (c *IdentityPool) Tokens(ctx context.Context, n int) ([]string, error) {
	pods := make([]*corev1.Pod, 0, len(c.tenants))
	for _, tenant := range c.tenants {
		pods = append(pods, tenant.Pod)
	}
	return c.TokensOf(ctx, n, pods...)
}

// TokensOf are n new tokens of the service accounts of pods, in turn, each bound to its pod.
func (c *IdentityPool) TokensOf(ctx context.Context, n int, pods ...*corev1.Pod) ([]string, error) {
	tokens := make([]string, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tokensAtOnce)
	for i := range tokens {
		pod := pods[c.next.Add(1)%uint64(len(pods))]
		group.Go(func() error {
			life := tokenLife
			answer, err := c.clientset.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
				Spec: authenticationv1.TokenRequestSpec{
					Audiences: []string{workload.TokenAudience}, ExpirationSeconds: &life,
					BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
				},
			}, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("request token of service account %s/%s: %w", pod.Namespace, pod.Spec.ServiceAccountName, err)
			}
			tokens[i] = answer.Status.Token
			return nil
		})
	}
	return tokens, group.Wait()
}
