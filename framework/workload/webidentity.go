package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
)

// What the webhook adds to pods whose service account is annotated with a role (IAM roles for service accounts):
// https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html.
const (
	RoleAnnotation       = "eks.amazonaws.com/role-arn"
	AudienceAnnotation   = "eks.amazonaws.com/audience"
	STSAnnotation        = "eks.amazonaws.com/sts-regional-endpoints"
	ExpirationAnnotation = "eks.amazonaws.com/token-expiration" // also of pods, also with Pod Identity
	RoleVariable         = "AWS_ROLE_ARN"
	WebIdentityVariable  = "AWS_WEB_IDENTITY_TOKEN_FILE"
	WebIdentityVolume    = "aws-iam-token"
	WebIdentityMountPath = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
	WebIdentityTokenFile = WebIdentityMountPath + "/token"
	WebIdentityAudience  = "sts.amazonaws.com"
	SkipContainers       = "eks.amazonaws.com/skip-containers"           // annotation of pods
	SkipWebhook          = "eks.amazonaws.com/skip-pod-identity-webhook" // label of pods
)

// AwaitRole waits until new pods with a service account that is annotated with a role get the role's variables. If the
// webhook does not notice the annotation, that is the subject's failure. The returned pod is the first one that was
// admitted with them, with the options. It was not created.
func AwaitRole(ctx context.Context, env *framework.Env, namespace, serviceAccount string, options ...Option) *corev1.Pod {
	env.T.Helper()
	admitted, inTime := webIdentity.await(ctx, env, NewPod(env, namespace, serviceAccount, options...), env.Timeouts.AnnotationVisible)
	if !inTime {
		env.T.Blamef("the role of service account %s/%s is not effective after %s: new pods are admitted without %s; is the webhook running?",
			namespace, serviceAccount, env.Timeouts.AnnotationVisible, RoleVariable)
	}
	return admitted
}

// InjectedRole lists what the webhook added to a pod for IAM roles for service accounts, such as "container main:
// AWS_ROLE_ARN"; empty for none.
func InjectedRole(pod *corev1.Pod) []string { return webIdentity.in(pod) }
