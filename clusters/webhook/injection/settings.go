package injection

import "math/rand/v2"

const (
	uriVariable       = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFileVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	roleVariable      = "AWS_ROLE_ARN"
	webTokenVariable  = "AWS_WEB_IDENTITY_TOKEN_FILE"
	stsVariable       = "AWS_STS_REGIONAL_ENDPOINTS"

	// Annotations, after the prefix: of service accounts, of both, and of pods.
	roleAnnotation       = "role-arn"
	audienceAnnotation   = "audience"
	stsAnnotation        = "sts-regional-endpoints"
	expirationAnnotation = "token-expiration"
	skipAnnotation       = "skip-containers"

	// minExpiration is Kubernetes' minimum for a projected token, in seconds.
	minExpiration = 600
	// jitteredExpiration is spread over the jitter below it, so that the tokens of pods that started together do not end
	// together.
	jitteredExpiration = 86400
	jitter             = 7200
)

// Token is the projected token of a method.
type Token struct {
	// Audience that the token is for.
	Audience string
	// VolumeName is the projected volume, MountPath its folder in containers, and Path the file in it.
	VolumeName, MountPath, Path string
}

// Settings of an Injector. DefaultSettings are those of EKS.
type Settings struct {
	// URI is the agent's URL for containers.
	URI string
	// PodIdentity is the token for the agent. WebIdentity is the token for STS, for which a service account's annotation
	// may name another audience.
	PodIdentity, WebIdentity Token
	// AnnotationPrefix of the annotations of pods and service accounts, and of the label.
	AnnotationPrefix string
	// Expiration is the token's in seconds, unless an annotation sets another.
	Expiration int64
	// Region, if it is not empty, is set in containers that set none.
	Region string
	// RegionalSTS sets AWS_STS_REGIONAL_ENDPOINTS in containers that do not set it, unless the service account's annotation
	// says otherwise.
	RegionalSTS bool
	// KnownFieldsOnly removes fields from containers that this webhook's version of the Kubernetes API lacks, as upstream's
	// does.
	KnownFieldsOnly bool
	// Random returns a number of [0,n).
	Random func(n int64) int64
}

// DefaultSettings are the defaults of the EKS webhook.
func DefaultSettings() Settings {
	return Settings{
		URI: "http://169.254.170.23/v1/credentials",
		PodIdentity: Token{
			Audience:   "pods.eks.amazonaws.com",
			VolumeName: "eks-pod-identity-token",
			MountPath:  "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
			Path:       "eks-pod-identity-token",
		},
		WebIdentity: Token{
			Audience:   "sts.amazonaws.com",
			VolumeName: "aws-iam-token",
			MountPath:  "/var/run/secrets/eks.amazonaws.com/serviceaccount",
			Path:       "token",
		},
		AnnotationPrefix: "eks.amazonaws.com",
		Expiration:       jitteredExpiration,
		Random:           rand.Int64N,
	}
}

// RoleAnnotation is the annotation by which a service account names its role.
func (s Settings) RoleAnnotation() string { return s.AnnotationPrefix + "/" + roleAnnotation }
