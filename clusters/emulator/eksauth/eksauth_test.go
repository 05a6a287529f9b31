package eksauth

import (
	"context"
	"crypto/elliptic"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"

	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
	"github.com/podidentity/epi/clusters/emulator/podtoken"
)

const issuer = "https://issuer.example"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world implements Clusters, Authorizer and Sessions, with one cluster "blue" and an association of service account
// "default/app".
type world struct {
	verifier    *podtoken.Verifier
	association eks.Association
	gone        bool
	denied      error
	sessionErr  error
	asked       string
	input       AssumeRoleInput
}

func (w *world) ClusterARN(name string) string {
	return "arn:aws:eks:us-west-2:123456789012:cluster/" + name
}

func (w *world) Verifier(cluster string) (*podtoken.Verifier, bool) {
	return w.verifier, cluster == "blue"
}

func (w *world) Association(_, namespace, serviceAccount string) (eks.Association, bool) {
	return w.association, namespace == "default" && serviceAccount == "app" && !w.gone
}

func (w *world) Authorize(_ context.Context, action, resource string, _ map[string][]string) error {
	w.asked = action + " " + resource
	return w.denied
}

func (w *world) AssumeRole(_ context.Context, input AssumeRoleInput) (Session, error) {
	w.input = input
	return Session{
		AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "session", Expiration: now.Add(input.Duration + 5*time.Millisecond),
		ARN: "arn:aws:sts::123456789012:assumed-role/r/" + input.SessionName, ID: "AROAEXAMPLE:" + input.SessionName,
	}, w.sessionErr
}

// signer is the issuer of the cluster blue.
type signer struct{ oidctest.Issuer }

func newSigner() signer { return signer{oidctest.Issuer{Key: oidctest.EC(elliptic.P256())}} }

// token returns the token of a pod.
func (s signer) token(changes map[string]any) string {
	pod := oidctest.Pod{Issuer: issuer, Audience: "pods.eks.amazonaws.com", Namespace: "default", ServiceAccount: "app", Name: "web-0"}
	return s.Token(pod.Claims(now, changes))
}

func newWorld(t testing.TB, s signer) *world {
	t.Helper()
	verifier, err := podtoken.NewVerifier(issuer, s.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	return &world{verifier: verifier, association: eks.Association{
		Cluster: "blue", Namespace: "default", ServiceAccount: "app", RoleARN: "arn:aws:iam::123456789012:role/r",
		ARN: "arn:aws:eks:us-west-2:123456789012:podidentityassociation/blue/a-1", ID: "a-1",
	}}
}

func (w *world) service() *Service {
	return New(Options{Account: "123456789012", Clusters: w, Authorizer: w, Sessions: w, Now: func() time.Time { return now }})
}

func TestAssumeRoleForPodIdentity(t *testing.T) {
	s := newSigner()
	w := newWorld(t, s)
	server := httptest.NewServer(w.service())
	defer server.Close()
	client := awseksauth.New(awseksauth.Options{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")})
	out, err := client.AssumeRoleForPodIdentity(t.Context(), &awseksauth.AssumeRoleForPodIdentityInput{ClusterName: aws.String("blue"), Token: aws.String(s.token(nil))})
	if err != nil {
		t.Fatal(err)
	}
	// AUT-02, AUT-03
	if *out.Audience != "pods.eks.amazonaws.com" || *out.Subject.Namespace != "default" || *out.Subject.ServiceAccount != "app" ||
		*out.PodIdentityAssociation.AssociationArn != w.association.ARN || *out.PodIdentityAssociation.AssociationId != "a-1" {
		t.Errorf("got %+v %+v", out, out.Subject)
	}
	c := out.Credentials
	if *c.AccessKeyId != "ASIAEXAMPLE" || *c.SecretAccessKey != "secret" || *c.SessionToken != "session" || !c.Expiration.Equal(now.Add(6*time.Hour)) {
		t.Errorf("got %+v", c)
	}
	// AUT-04
	if !regexp.MustCompile(`^arn:aws:sts::123456789012:assumed-role/r/eks-blue-web-0-[0-9a-f-]{36}$`).MatchString(*out.AssumedRoleUser.Arn) ||
		!strings.HasPrefix(*out.AssumedRoleUser.AssumeRoleId, "AROAEXAMPLE:eks-blue-web-0-") {
		t.Errorf("got %s %s", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumeRoleId)
	}
	// AUT-10
	if w.asked != "eks-auth:AssumeRoleForPodIdentity arn:aws:eks:us-west-2:123456789012:cluster/blue" {
		t.Errorf("asked %q", w.asked)
	}
	// TAG-01
	want := map[string]string{
		"eks-cluster-arn": "arn:aws:eks:us-west-2:123456789012:cluster/blue", "eks-cluster-name": "blue", "kubernetes-namespace": "default",
		"kubernetes-service-account": "app", "kubernetes-pod-name": "web-0", "kubernetes-pod-uid": "uid-of-web-0",
	}
	if !maps.Equal(w.input.Tags, want) || w.input.SourceARN != want["eks-cluster-arn"] || w.input.SourceAccount != "123456789012" {
		t.Errorf("got %+v", w.input)
	}
}

func TestSessionOfAssociation(t *testing.T) {
	s := newSigner()
	w := newWorld(t, s)
	w.association.DisableSessionTags = true
	w.association.Policy = `{"Version":"2012-10-17"}`
	w.association.TargetRoleARN, w.association.ExternalID = "arn:aws:iam::999999999999:role/t", "us-west-2/123456789012/blue/default/app"
	if status, _, text := post(t, w.service(), "blue", `{"token":"`+s.token(nil)+`"}`); status != 200 {
		t.Fatal(text)
	}
	// TAG-04, ASC-10, ASC-11, AUT-11
	if in := w.input; in.Tags != nil || in.Policy != w.association.Policy || in.TargetRoleARN != w.association.TargetRoleARN ||
		in.ExternalID != w.association.ExternalID || in.Duration != 59*time.Minute {
		t.Errorf("got %+v", in)
	}
}

func post(t *testing.T, s *Service, cluster, body string) (status int, code, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/clusters/"+cluster+"/assume-role-for-pod-identity", strings.NewReader(body)))
	return w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body.String()
}

func TestRefusals(t *testing.T) {
	s := newSigner()
	good := s.token(nil)
	denied := errors.New("User: me is not authorized to perform: eks-auth:AssumeRoleForPodIdentity")
	quote := func(token string) string { return `{"token":"` + token + `"}` }
	tests := []struct {
		name, cluster, body string
		denied, session     error
		status              int
		code, text          string
	}{
		{"AUT-10 caller without the permission", "blue", quote(good), denied, nil, 400, codeAccessDenied, "User: me is not authorized"},
		{"unauthorised caller learns nothing of clusters", "green", quote(good), denied, nil, 400, codeAccessDenied, "User: me"},
		{"AUT-06 no association", "blue", quote(s.token(map[string]any{"sub": "system:serviceaccount:default:other", "kubernetes.io": map[string]any{
			"namespace": "default", "serviceaccount": map[string]string{"name": "other"}, "pod": map[string]string{"name": "p", "uid": "u"}}})), nil, nil,
			404, codeNotFound, "no service account role association"},
		{"AUT-07 trust policy", "blue", quote(good), nil, ErrNotTrusted, 400, codeAccessDenied, "EKS does not have permissions to assume the associated role"},
		{"AUT-08 expired", "blue", quote(s.token(map[string]any{"exp": now.Add(-time.Second).Unix()})), nil, nil, 400, codeExpiredToken,
			"current date/time 2026-03-01T12:00:00Z must be before the expiration date/time 2026-03-01T11:59:59Z"},
		{"AUT-09 audience", "blue", quote(s.token(map[string]any{"aud": "sts.amazonaws.com"})), nil, nil, 400, codeInvalidToken, "audience"},
		{"AUT-09 issuer", "blue", quote(s.token(map[string]any{"iss": "https://other"})), nil, nil, 400, codeInvalidToken, "issuer"},
		{"AUT-09 other signer", "blue", quote(newSigner().token(nil)), nil, nil, 400, codeInvalidToken, "signature"},
		{"no token", "blue", `{}`, nil, nil, 400, codeInvalidParameter, "token is required"},
		{"empty body", "blue", ``, nil, nil, 400, codeInvalidParameter, "token is required"},
		{"not JSON", "blue", `{"token"`, nil, nil, 400, codeInvalidRequest, "not valid JSON"},
		{"no cluster", "green", quote(good), nil, nil, 404, codeNotFound, "No cluster found for name: green."},
		{"AUT-05 internal error keeps its text", "blue", quote(good), nil, errors.New("disk on fire"), 500, codeInternal, "Internal error."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, s)
			w.denied, w.sessionErr = test.denied, test.session
			status, code, text := post(t, w.service(), test.cluster, test.body)
			if status != test.status || code != test.code || !strings.Contains(text, test.text) || strings.Contains(text, good) {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
}

func TestUnknownOperation(t *testing.T) {
	service := newWorld(t, newSigner()).service()
	for _, request := range [][2]string{{"GET", "/clusters/blue/assume-role-for-pod-identity"}, {"POST", "/"}, {"POST", "//clusters/blue/assume-role-for-pod-identity"}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(request[0], "http://h/", nil)
		r.URL.Path = request[1]
		service.ServeHTTP(w, r)
		if body, _ := io.ReadAll(w.Body); w.Code != 404 || w.Header().Get("x-amzn-ErrorType") != "UnknownOperationException" {
			t.Errorf("%v: got %d %s", request, w.Code, body)
		}
	}
}

func TestSessionName(t *testing.T) {
	const random = "01234567-89ab-cdef-0123-456789abcdef"
	long := strings.Repeat("p", 60)
	tests := []struct{ cluster, pod, want string }{
		{"blue", "web-0", "eks-blue-web-0-" + random},
		{"eleven-char", "eleven-char", "eks-eleven-char-eleven-char-" + random},
		{"blue", long, "eks-blue-" + strings.Repeat("p", 18) + "-" + random},
		{strings.Repeat("c", 100), "web-0", "eks-" + strings.Repeat("c", 17) + "-web-0-" + random},
		{strings.Repeat("c", 100), long, "eks-" + strings.Repeat("c", 11) + "-" + strings.Repeat("p", 11) + "-" + random},
	}
	for _, test := range tests {
		got := sessionName(test.cluster, test.pod, random)
		if got != test.want || len(got) > 64 {
			t.Errorf("%s, %s: got %s (%d)", test.cluster, test.pod, got, len(got))
		}
	}
}
