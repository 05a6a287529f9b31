package measure

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
	// accounts is the number of service accounts with an association. The agent caches by token, so more accounts would
	// only take longer to create.
	accounts = 20
	// tokensAtOnce is how many tokens are requested at the same time.
	tokensAtOnce = 16
	// TokenLife is the life of tokens in seconds, longer than every scenario except a long soak.
	TokenLife = int64(3600)
)

// IdentityPool has the identities of scenarios: service accounts with associations, in a namespace of their own, each with
// a pod that is never scheduled.
type IdentityPool struct {
	Namespace string
	Role      *cloud.Role
	tenants   []*workload.Tenant
	// Clientset is a client of the API server without a rate limit of its own.
	Clientset kubernetes.Interface
	next      atomic.Uint64
}

// NewIdentityPool creates the identities. The clean-up of env removes them.
func NewIdentityPool(ctx context.Context, env *framework.Env) *IdentityPool {
	env.T.Helper()
	// Tokens are requested as fast as the API server signs them.
	config := rest.CopyConfig(env.Config)
	config.QPS, config.Burst = math.MaxFloat32, math.MaxInt32
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		env.T.Fatalf("reach cluster: %v", err)
	}
	pool := &IdentityPool{Namespace: workload.NewNamespace(ctx, env), Role: cloud.NewRole(ctx, env), Clientset: clientset}
	for range accounts {
		pool.tenants = append(pool.tenants, workload.NewTenant(ctx, env, pool.Namespace, pool.Role))
	}
	return pool
}

// Account returns the namespace and the name of one of the service accounts.
func (p *IdentityPool) Account() (namespace, name string) {
	pod := p.tenants[0].Pod
	return pod.Namespace, pod.Spec.ServiceAccountName
}

// Tokens returns n new tokens of the accounts, round robin, each bound to its pod. The agent has never seen them.
func (p *IdentityPool) Tokens(ctx context.Context, n int) ([]string, error) {
	pods := make([]*corev1.Pod, 0, len(p.tenants))
	for _, tenant := range p.tenants {
		pods = append(pods, tenant.Pod)
	}
	return p.TokensOf(ctx, n, pods...)
}

// TokensOf returns n new tokens of the service accounts of pods, round robin, each bound to its pod.
func (p *IdentityPool) TokensOf(ctx context.Context, n int, pods ...*corev1.Pod) ([]string, error) {
	tokens := make([]string, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(tokensAtOnce)
	for i := range tokens {
		pod := pods[p.next.Add(1)%uint64(len(pods))]
		group.Go(func() error {
			life := TokenLife
			answer, err := p.Clientset.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, &authenticationv1.TokenRequest{
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
