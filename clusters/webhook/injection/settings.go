package injection

import "math/rand/v2"

const (
	uriVariable       = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	tokenFileVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	stsVariable       = "AWS_STS_REGIONAL_ENDPOINTS"

	// minExpiration is the least that Kubernetes takes for a projected token, in seconds.
	minExpiration = 600
	// jitteredExpiration is spread over the jitter below it, so that the tokens of pods that started
	// together do not all end together.
	jitteredExpiration = 86400
	jitter             = 7200
)

// Settings of an Injector. DefaultSettings are those of EKS.
type Settings struct {
	// URI where containers ask for credentials.
	URI string
	// Audience of the projected token.
	Audience string
	// VolumeName of the projected volume, the folder MountPath where containers see it, and the
	// file TokenPath in there.
	VolumeName, MountPath, TokenPath string
	// AnnotationPrefix of the annotations skip-containers and token-expiration, and of the label.
	AnnotationPrefix string
	// Expiration of the token in seconds, unless the pod's annotation says otherwise.
	Expiration int64
	// Region, unless empty, goes to containers that set none.
	Region string
	// RegionalSTS sets AWS_STS_REGIONAL_ENDPOINTS in containers that do not.
	RegionalSTS bool
	// Random returns a number of [0,n).
	Random func(n int64) int64
}

// DefaultSettings are the defaults of the EKS webhook.
func DefaultSettings() Settings {
	return Settings{
		URI:              "http://169.254.170.23/v1/credentials",
		Audience:         "pods.eks.amazonaws.com",
		VolumeName:       "eks-pod-identity-token",
		MountPath:        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
		TokenPath:        "eks-pod-identity-token",
		AnnotationPrefix: "eks.amazonaws.com",
		Expiration:       jitteredExpiration,
		Random:           rand.Int64N,
	}
}
