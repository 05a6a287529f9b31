package workload

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/probe"
)

// TokenLife is the lifetime of tokens from NewToken, which is the TokenRequest API's minimum.
const TokenLife = 10 * time.Minute

// APIServer stands for the API server's own audience, which is the default of tokens.
const APIServer = ""

// Token is a service account token. It is a secret, so no verb prints it.
type Token string

// Format implements fmt.Formatter, so that a failed expectation does not show the token.
func (t Token) Format(state fmt.State, _ rune) {
	// A fmt.State fails only if its writer does, whose caller notices that.
	_, _ = fmt.Fprint(state, probe.Redacted)
}

// neverScheduled keeps the scheduler from a pod, and also a program that would create a node for it.
const neverScheduled = "epi.podidentity.dev/never-scheduled"

// NewUnscheduledPod creates a pod that never runs. Tokens can be bound to it, and it costs very little. Options change it
// as those of NewPod do. It is deleted with its namespace.
func NewUnscheduledPod(ctx context.Context, env *framework.Env, namespace, serviceAccount string, options ...Option) *corev1.Pod {
	env.T.Helper()
	pod := unscheduledPod(env, namespace, serviceAccount, options...)
	if err := env.Resources.Create(ctx, pod); err != nil {
		FailAdmission(env, pod, err)
	}
	return pod
}

// NeverScheduled makes a pod that never runs.
func NeverScheduled() Option {
	return func(pod *corev1.Pod) {
		pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: neverScheduled}}
	}
}

func unscheduledPod(env *framework.Env, namespace, serviceAccount string, options ...Option) *corev1.Pod {
	pod := NewPod(env, namespace, serviceAccount, NeverScheduled())
	pod.Name, pod.GenerateName = "", "unscheduled-"
	for _, option := range options {
		option(pod)
	}
	return pod
}

// NewToken returns a token of the pod's service account that is bound to the pod, for the audiences. No audiences mean Pod
// Identity's.
func NewToken(ctx context.Context, env *framework.Env, pod *corev1.Pod, audiences ...string) Token {
	env.T.Helper()
	return NewTokenLasting(ctx, env, pod, TokenLife, audiences...)
}

// tokensAtOnce is the number of simultaneous requests.
const tokensAtOnce = 8

// NewTokens is NewToken for many tokens of one pod.
func NewTokens(ctx context.Context, env *framework.Env, pod *corev1.Pod, n int) []Token {
	env.T.Helper()
	tokens := make([]Token, n)
	var group errgroup.Group
	group.SetLimit(tokensAtOnce)
	for i := range tokens {
		group.Go(func() (err error) {
			tokens[i], err = tryRequestToken(ctx, env, pod.Namespace, pod.Spec.ServiceAccountName, TokenLife, boundTo(pod), []string{TokenAudience})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		env.T.Fatalf("%v", err)
	}
	return tokens
}

func boundTo(pod *corev1.Pod) *authenticationv1.BoundObjectReference {
	return &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
}

// NewTokenLasting is NewToken with another lifetime: two tokens that are requested within a second end at the same time if
// they have the same lifetime.
func NewTokenLasting(ctx context.Context, env *framework.Env, pod *corev1.Pod, life time.Duration, audiences ...string) Token {
	env.T.Helper()
	return requestToken(ctx, env, pod.Namespace, pod.Spec.ServiceAccountName, life, boundTo(pod), audiences)
}

// NewUnboundToken is NewToken without a pod.
func NewUnboundToken(ctx context.Context, env *framework.Env, namespace, serviceAccount string, audiences ...string) Token {
	env.T.Helper()
	return requestToken(ctx, env, namespace, serviceAccount, TokenLife, nil, audiences)
}

func requestToken(ctx context.Context, env *framework.Env, namespace, serviceAccount string, life time.Duration, bound *authenticationv1.BoundObjectReference, audiences []string) Token {
	env.T.Helper()
	if len(audiences) == 0 {
		audiences = []string{TokenAudience}
	}
	if audiences[0] == APIServer {
		audiences = nil
	}
	token, err := tryRequestToken(ctx, env, namespace, serviceAccount, life, bound, audiences)
	if err != nil {
		env.T.Fatalf("%v", err)
	}
	return token
}

func tryRequestToken(ctx context.Context, env *framework.Env, namespace, serviceAccount string, life time.Duration, bound *authenticationv1.BoundObjectReference, audiences []string) (Token, error) {
	seconds := int64(life.Seconds())
	answer, err := env.Clientset.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds, BoundObjectRef: bound},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("request a token of service account %s/%s: %w", namespace, serviceAccount, err)
	}
	return Token(answer.Status.Token), nil
}

// Delete deletes a pod. A pod that never ran is gone at once.
func Delete(ctx context.Context, env *framework.Env, pod *corev1.Pod) {
	env.T.Helper()
	if err := env.Resources.Delete(ctx, pod); err != nil && !apierrors.IsNotFound(err) {
		env.T.Fatalf("delete pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
}
