package injection

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const (
	role      = "arn:aws:iam::123456789012:role/r"
	webFile   = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
	webValues = "AWS_ROLE_ARN=" + role + " AWS_WEB_IDENTITY_TOKEN_FILE=" + webFile
	webPod    = `{"metadata":{"name":"p"},"spec":{"serviceAccountName":"web","containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}}`
)

// annotate makes two accounts with the same annotations (name, value, and so on): bench/web without an association, and
// bench/bench-3 with one.
func annotate(pairs ...string) annotated {
	annotations := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		annotations["eks.amazonaws.com/"+pairs[i]] = pairs[i+1]
	}
	return annotated{"bench/web": annotations, "bench/bench-3": annotations}
}

func token(t *testing.T, pod corev1.Pod) *corev1.ServiceAccountTokenProjection {
	t.Helper()
	if len(pod.Spec.Volumes) != 1 || len(pod.Spec.Volumes[0].Projected.Sources) != 1 {
		t.Fatalf("volumes are %v", pod.Spec.Volumes)
	}
	return pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken
}

// IRSA-01.
func TestWebIdentity(t *testing.T) {
	pod := injected(t, newInjectorOf(annotate("role-arn", role), nil), webPod)
	for _, c := range append(pod.Spec.Containers, pod.Spec.InitContainers...) {
		if got := variables(c); got != webValues {
			t.Errorf("container %s has %s", c.Name, got)
		}
		if m := c.VolumeMounts; len(m) != 1 || m[0].Name != "aws-iam-token" || !m[0].ReadOnly || m[0].MountPath != "/var/run/secrets/eks.amazonaws.com/serviceaccount" {
			t.Errorf("container %s mounts %v", c.Name, m)
		}
	}
	if got := token(t, pod); pod.Spec.Volumes[0].Name != "aws-iam-token" || got.Audience != "sts.amazonaws.com" || got.Path != "token" || *got.ExpirationSeconds != 86400 {
		t.Errorf("volume %s has token %v", pod.Spec.Volumes[0].Name, got)
	}
	if len(pod.Labels) != 0 {
		t.Errorf("labels are %v: the pod has no Pod Identity", pod.Labels)
	}
}

func TestNoRoleNoWebIdentity(t *testing.T) {
	for name, accounts := range map[string]annotated{
		"not known": nil, "not annotated": annotate("audience", "a"), "empty role": annotate("role-arn", ""), "of another namespace": {"other/web": {"eks.amazonaws.com/role-arn": role}},
	} {
		if got := inject(t, newInjectorOf(accounts, nil), webPod); got.Method != None || got.Patch != nil {
			t.Errorf("%s: got %s", name, got.Patch)
		}
	}
}

// INJ-08.
func TestAssociationWinsOverRole(t *testing.T) {
	pod := injected(t, newInjectorOf(annotate("role-arn", role, "audience", "own"), nil), `{"metadata":{},"spec":{"serviceAccountName":"bench-3","containers":[{"name":"a"}]}}`)
	if got := variables(pod.Spec.Containers[0]); got != both {
		t.Errorf("got %s", got)
	}
	if got := token(t, pod); got.Audience != "pods.eks.amazonaws.com" {
		t.Errorf("token is for %s", got.Audience)
	}
}

// The annotations of service accounts: the webhook's README, and AWS's user guide on the endpoint of STS.
func TestAnnotationsOfServiceAccount(t *testing.T) {
	const regional = "AWS_STS_REGIONAL_ENDPOINTS=regional"
	for name, row := range map[string]struct {
		pairs     []string
		flags     func(*Settings)
		audience  string
		variables string
	}{
		"audience":             {[]string{"audience", "own"}, nil, "own", webValues},
		"regional":             {[]string{"sts-regional-endpoints", "true"}, nil, "sts.amazonaws.com", regional + " " + webValues},
		"regional by flag":     {nil, func(s *Settings) { s.RegionalSTS = true }, "sts.amazonaws.com", regional + " " + webValues},
		"not regional":         {[]string{"sts-regional-endpoints", "false"}, func(s *Settings) { s.RegionalSTS = true }, "sts.amazonaws.com", webValues},
		"regional, no boolean": {[]string{"sts-regional-endpoints", "often"}, func(s *Settings) { s.RegionalSTS = true }, "sts.amazonaws.com", regional + " " + webValues},
		"flags":                {nil, func(s *Settings) { s.WebIdentity.Audience, s.Region = "flag", "eu" }, "flag", "AWS_DEFAULT_REGION=eu AWS_REGION=eu " + webValues},
	} {
		pod := injected(t, newInjectorOf(annotate(append([]string{"role-arn", role}, row.pairs...)...), row.flags), webPod)
		if got, audience := variables(pod.Spec.Containers[0]), token(t, pod).Audience; got != row.variables || audience != row.audience {
			t.Errorf("%s: got %s with a token for %s", name, got, audience)
		}
	}
}

// TOK-03: the pod's annotation precedes the service account's, which precedes the flag, for both methods.
func TestExpirationOfServiceAccount(t *testing.T) {
	for name, row := range map[string]struct {
		account, pod string
		agent, web   int64
	}{
		"account":           {"1200", "", 1200, 1200},
		"pod over account":  {"1200", "1300", 1300, 1300},
		"account too low":   {"5", "", 600, 600},
		"pod no integer":    {"1200", "1h", 1200, 1200},
		"account default":   {"86400", "", 86395, 86400},
		"neither a integer": {"1h", "1d", 3600, 3600},
	} {
		i := newInjectorOf(annotate("role-arn", role, "token-expiration", row.account), func(s *Settings) {
			s.Expiration = 3600
			s.Random = func(int64) int64 { return 5 }
		})
		for account, want := range map[string]int64{"bench-3": row.agent, "web": row.web} {
			pod := injected(t, i, `{"metadata":{"annotations":{"eks.amazonaws.com/token-expiration":"`+row.pod+`"}},"spec":{"serviceAccountName":"`+account+`","containers":[{"name":"a"}]}}`)
			if got := *token(t, pod).ExpirationSeconds; got != want {
				t.Errorf("%s, %s: token lives %d s, want %d", name, account, got, want)
			}
		}
	}
}

// The container's own variables are kept in this method too. Those of the other method do not count.
func TestExistingVariablesOfWebIdentity(t *testing.T) {
	i := newInjectorOf(annotate("role-arn", role), nil)
	for own, want := range map[string]string{
		"AWS_ROLE_ARN":                "AWS_ROLE_ARN=own",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "AWS_WEB_IDENTITY_TOKEN_FILE=own",
		uriVariable:                   uriVariable + "=own " + webValues,
	} {
		pod := injected(t, i, `{"metadata":{},"spec":{"serviceAccountName":"web","containers":[{"name":"a","env":[{"name":"`+own+`","value":"own"}]}]}}`)
		if got := variables(pod.Spec.Containers[0]); got != want {
			t.Errorf("%s: got %s", own, got)
		}
	}
}

func TestWebIdentityAgainChangesNothing(t *testing.T) {
	i := newInjectorOf(annotate("role-arn", role), nil)
	once := apply(t, webPod, inject(t, i, webPod))
	if again := inject(t, i, once); again.Patch != nil || again.Method != WebIdentity {
		t.Errorf("got %s", again.Patch)
	}
}
