package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// request is a request that no SDK would send.
type request struct {
	method, path, body string
	contentType        string
	// service and region of the signature; without a service the request is unsigned.
	service, region string
	key, secret     string
	change          func(*http.Request)
}

func (w *world) send(t *testing.T, in request) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), in.method, w.url+in.path, strings.NewReader(in.body))
	if err != nil {
		t.Fatal(err)
	}
	if in.contentType != "" {
		r.Header.Set("Content-Type", in.contentType)
	}
	if in.service != "" {
		sum := sha256.Sum256([]byte(in.body))
		digest := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", digest)
		credentials := aws.Credentials{AccessKeyID: in.key, SecretAccessKey: in.secret}
		if in.key == "" {
			credentials = aws.Credentials{AccessKeyID: adminKey, SecretAccessKey: adminSecret}
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, r, digest, in.service, in.region, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if in.change != nil {
		in.change(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

const (
	form       = "application/x-www-form-urlencoded"
	callerForm = "Action=GetCallerIdentity&Version=2011-06-15"
	listForm   = "Action=ListRoles&Version=2010-05-08"
)

// TestRouting: the protocol and code of the answer to requests that no service serves.
func TestRouting(t *testing.T) {
	w := newWorld(t)
	const jsonError = "x-amzn-ErrorType"
	tests := []struct {
		name   string
		in     request
		status int
		// code is in the header x-amzn-ErrorType for REST-JSON, in the body for XML.
		code, header string
	}{
		{"signed EKS", request{method: "GET", path: "/clusters", service: "eks", region: region}, 200, `"epi-test"`, ""},
		{"signed STS", request{method: "POST", path: "/", body: callerForm, contentType: form, service: "sts", region: region}, 200, "user/epi-admin", ""},
		{"signed STS, global endpoint", request{method: "POST", path: "/", body: callerForm, contentType: form, service: "sts", region: "us-east-1"}, 200, "user/epi-admin", ""},
		{"signed IAM, global endpoint", request{method: "POST", path: "/", body: listForm, contentType: form, service: "iam", region: "us-east-1"}, 200, "epi-node", ""},

		{"unsigned EKS", request{method: "GET", path: "/clusters"}, 403, "MissingAuthenticationTokenException", jsonError},
		{"unsigned EKS Auth", request{method: "POST", path: "/clusters/epi-test/assume-role-for-pod-identity", body: "{}"}, 403, "MissingAuthenticationTokenException", jsonError},
		{"unsigned IAM", request{method: "POST", path: "/", body: listForm, contentType: form}, 403, "<Code>MissingAuthenticationToken</Code>", ""},
		{"unsigned STS", request{method: "POST", path: "/", body: callerForm, contentType: form}, 403, "<Code>MissingAuthenticationToken</Code>", ""},
		{"unsigned S3", request{method: "GET", path: "/"}, 403, "<Code>AccessDenied</Code>", ""},
		{"unsigned root", request{method: "GET", path: "/"}, 403, "<Code>AccessDenied</Code>", ""},
		{"unsigned form of 2 MiB", request{method: "POST", path: "/", body: strings.Repeat("a", 2<<20), contentType: form}, 413, "<Code>", ""},
		{"broken signature", request{method: "GET", path: "/clusters", change: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense") }}, 403, "IncompleteSignatureException", jsonError},

		{"unknown service, JSON", request{method: "POST", path: "/", contentType: "application/x-amz-json-1.0", service: "dynamodb", region: region}, 403, "InvalidSignatureException", jsonError},
		{"unknown service, Query", request{method: "POST", path: "/", body: "Action=ListQueues", contentType: form, service: "sqs", region: region}, 403, "<Code>SignatureDoesNotMatch</Code>", ""},
		{"EKS, another region", request{method: "GET", path: "/clusters", service: "eks", region: "us-east-1"}, 403, "InvalidSignatureException", jsonError},
		{"IAM, another region", request{method: "POST", path: "/", body: listForm, contentType: form, service: "iam", region: "eu-west-1"}, 403, "<Code>SignatureDoesNotMatch</Code>", ""},
		{"EKS Auth path signed for EKS", request{method: "POST", path: "/clusters/epi-test/assume-role-for-pod-identity", body: "{}", service: "eks", region: region}, 404, "UnknownOperationException", jsonError},
		{"EKS path signed for EKS Auth", request{method: "GET", path: "/clusters", service: "eks-auth", region: region}, 404, "UnknownOperationException", jsonError},

		{"unknown key", request{method: "GET", path: "/clusters", service: "eks", region: region, key: "AKIAUNKNOWN", secret: "x"}, 403, "UnrecognizedClientException", jsonError},
		{"wrong secret", request{method: "GET", path: "/clusters", service: "eks", region: region, key: adminKey, secret: "x"}, 403, "InvalidSignatureException", jsonError},
		{"altered after signing", request{method: "GET", path: "/clusters", service: "eks", region: region, change: func(r *http.Request) { r.URL.Path = "/clusters/epi-test" }}, 403, "InvalidSignatureException", jsonError},
		{"other body than signed", request{method: "POST", path: "/clusters/epi-test/pod-identity-associations", body: "{}", service: "eks", region: region, change: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader("[]"))
		}}, 403, "InvalidSignatureException", jsonError},
		{"body of 2 MiB", request{method: "POST", path: "/clusters/epi-test/pod-identity-associations", body: strings.Repeat(" ", 2<<20), service: "eks", region: region}, 413, "RequestEntityTooLargeException", jsonError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response, body := w.send(t, test.in)
			got := body
			if test.header != "" {
				got = response.Header.Get(test.header)
			}
			if response.StatusCode != test.status || !strings.Contains(got, test.code) {
				t.Errorf("got %d %s %s", response.StatusCode, response.Header, body)
			}
			if response.Header.Get(jsonRequestID) == "" && response.Header.Get(s3RequestID) == "" {
				t.Error("no request ID")
			}
			calls, err := w.control.Calls(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if last := calls.Calls[len(calls.Calls)-1]; last.Status != test.status || (test.status >= 400 && last.ErrorCode == "") {
				t.Errorf("journal: %+v", last)
			}
		})
	}
}

// Credentials end, and so do the tokens that were issued for them.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.associate(t, "app", w.role(t, "app", seedTrust, ""), nil)
	pod, _ := w.pod(t, "app", "p")
	node := w.node(t)
	token := w.token("app", "p", map[string]any{"exp": time.Now().Add(time.Minute).Unix()})
	assume := func() error {
		_, err := node.eksauth.AssumeRoleForPodIdentity(t.Context(), &awseksauth.AssumeRoleForPodIdentityInput{ClusterName: aws.String(clusterName), Token: &token})
		return err
	}
	if err := assume(); err != nil {
		t.Fatal(err)
	}
	// The SDK signs by the real clock. Ten minutes are within the tolerance of a signature.
	w.clock.advance(10 * time.Minute)
	if err := assume(); err == nil || !strings.Contains(err.Error(), "ExpiredTokenException") || statusOf(err) != 400 {
		t.Errorf("AUT-08: %v", err)
	}
	if _, err := pod.sts.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("credentials within their life: %v", err)
	}
	w.clock.advance(6 * time.Hour)
	if _, err := pod.sts.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err == nil {
		t.Error("credentials were good after their end")
	}
}

func TestPanicIsJournaled(t *testing.T) {
	w := newWorld(t)
	broken := w.emulator.cloud.Load().services["eks"]
	broken.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	w.emulator.cloud.Load().services["eks"] = broken
	if _, err := w.admin().eks.ListClusters(context.Background(), &awseks.ListClustersInput{}); err == nil {
		t.Error("a panic was a success")
	}
	calls, last := w.emulator.journal.After(0)
	if last != 1 || calls[0].Status != 500 || calls[0].ErrorCode != "InternalError" {
		t.Errorf("journal: %+v", calls)
	}
}

// TestLargeObject: an object of any size in the store can be read in one request.
func TestLargeObject(t *testing.T) {
	w := newWorld(t)
	bucket, body := "large", bytes.NewReader(make([]byte, 65<<20))
	c := w.admin().s3
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
		t.Fatal(err)
	}
	unsigned := awss3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	if _, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: aws.String("key"), Body: body}, unsigned); err != nil {
		t.Error(err)
	}
}

// BenchmarkAssumeRoleForPodIdentity measures one request without a network: signature, caller's policies, token,
// association, trust policy, session and journal. Nothing about a token is cached, so the same token each time costs as
// much as different ones. API servers of kubeadm sign with RS256. The log has epi-emulator's level.
func BenchmarkAssumeRoleForPodIdentity(b *testing.B) {
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
		b.Run(string(algorithm), func(b *testing.B) { benchmarkAssumeRole(b, algorithm) })
	}
}

func benchmarkAssumeRole(b *testing.B, algorithm jose.SignatureAlgorithm) {
	w := newWorld(b)
	w.emulator.options.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if algorithm == jose.RS256 {
		w.signWithRSA(b)
	}
	w.associate(b, "app", w.role(b, "app", seedTrust, ""), nil)
	node := w.node(b)
	credentials, err := node.config.Credentials.Retrieve(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"token":"` + w.token("app", "p", nil) + `"}`)
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	template, err := http.NewRequest(http.MethodPost, w.url+"/clusters/"+clusterName+"/assume-role-for-pod-identity", nil)
	if err != nil {
		b.Fatal(err)
	}
	template.Header.Set("X-Amz-Content-Sha256", digest)
	template.ContentLength = int64(len(body))
	if err := v4.NewSigner().SignHTTP(b.Context(), credentials, template, digest, "eks-auth", region, time.Now()); err != nil {
		b.Fatal(err)
	}
	template.RequestURI = template.URL.RequestURI()
	template.RemoteAddr = "10.0.0.2:40000"
	handler := w.emulator.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := template.Clone(b.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &discard{header: http.Header{}}
		handler.ServeHTTP(answer, r)
		if answer.status != http.StatusOK {
			b.Fatal(answer.status)
		}
	}
}

// signWithRSA gives the cluster an RSA key instead of its ECDSA key.
func (w *world) signWithRSA(t testing.TB) {
	t.Helper()
	w.tokens = oidctest.Issuer{Key: oidctest.RSA()}
	w.register(t)
}

// discard is an http.ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
