package injection

import (
	"context"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Method is a method by which pods get credentials. Its text is used in metrics.
type Method string

// The methods.
const (
	None                 Method = ""
	ContainerCredentials Method = "container_credentials" // Pod Identity, with the agent
	WebIdentity          Method = "sts_web_identity"      // IAM roles for service accounts, with STS
)

// grant is what the pods of a service account get.
type grant struct {
	method Method
	token  Token
	// expiration is that of the token in seconds, if the pod does not set one.
	expiration  int64
	regionalSTS bool
	// role is the role for STS.
	role string
}

// grant finds the method of a service account. Its annotations take precedence over the settings.
func (i *Injector) grant(ctx context.Context, namespace, account string) grant {
	if account == "" { // the API server names the service account of every pod; no name is nobody's
		return grant{}
	}
	granted := grant{method: ContainerCredentials, token: i.settings.PodIdentity, expiration: i.settings.Expiration, regionalSTS: i.settings.RegionalSTS}
	var annotations map[string]string
	if i.identities.Has(namespace, account) {
		annotations, _ = i.accounts.Annotations(namespace, account)
	} else {
		annotations = i.accounts.Await(ctx, namespace, account)
		granted.method, granted.token, granted.role = WebIdentity, i.settings.WebIdentity, annotations[i.annotation(roleAnnotation)]
		if granted.role == "" {
			return grant{}
		}
		if audience, ok := annotations[i.annotation(audienceAnnotation)]; ok {
			granted.token.Audience = audience
		}
	}
	if regional, err := strconv.ParseBool(annotations[i.annotation(stsAnnotation)]); err == nil {
		granted.regionalSTS = regional
	}
	granted.expiration = i.asked(annotations, granted.expiration)
	return granted
}

func (i *Injector) annotation(name string) string { return i.settings.AnnotationPrefix + "/" + name }

// asked returns the expiration in annotations, at least Kubernetes' minimum. Without a number it returns the other
// argument.
func (i *Injector) asked(annotations map[string]string, otherwise int64) int64 {
	if seconds, err := strconv.ParseInt(annotations[i.annotation(expirationAnnotation)], 10, 64); err == nil {
		return max(seconds, minExpiration)
	}
	return otherwise
}

// jittered spreads the default lifetime of Pod Identity's tokens.
func (i *Injector) jittered(method Method, seconds int64) int64 {
	if method == ContainerCredentials && seconds == jitteredExpiration {
		seconds -= i.settings.Random(jitter + 1)
	}
	return seconds
}

// variables are the SDK's variables for the credentials.
func (i *Injector) variables(granted grant, onWindows bool) []corev1.EnvVar {
	file := tokenFile(granted.token, onWindows)
	if granted.method == WebIdentity {
		return []corev1.EnvVar{{Name: roleVariable, Value: granted.role}, {Name: webTokenVariable, Value: file}}
	}
	return []corev1.EnvVar{{Name: uriVariable, Value: i.settings.URI}, {Name: tokenFileVariable, Value: file}}
}

// tokenFile is the path of the token in containers. It has another form on nodes with Windows.
func tokenFile(token Token, onWindows bool) string {
	file := path.Join(token.MountPath, token.Path)
	if onWindows {
		return `C:` + strings.ReplaceAll(file, "/", `\`)
	}
	return file
}

// windows says whether the pod asks for a node with Windows.
func windows(nodeSelector map[string]string) bool {
	return nodeSelector["kubernetes.io/os"] == "windows" || nodeSelector["beta.kubernetes.io/os"] == "windows"
}
