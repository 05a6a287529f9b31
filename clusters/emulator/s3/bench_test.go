package s3_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// sink is a ResponseWriter that counts, and keeps documents.
type sink struct {
	header http.Header
	status int
	bytes  int
	text   strings.Builder
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(data []byte) (int, error) {
	s.bytes += len(data)
	if s.header.Get("Content-Type") == "application/xml" {
		s.text.Write(data)
	}
	return len(data), nil
}

// BenchmarkGetObject gets 1 KiB with a session's key, whose policy is the seed's. "handler" measures this package and the decision.
// "signed" adds the verification of the signature. "connection" is a whole request over a loopback connection, with the client.
func BenchmarkGetObject(b *testing.B) {
	server, handler := serveHandler(b, s3.Options{})
	role, err := server.Accounts.CreateServiceRole("pod", "pods.eks.amazonaws.com")
	if err != nil {
		b.Fatal(err)
	}
	policy := allowing(`"s3:GetObject"`, "arn:aws:s3:::bucket/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*")
	if _, err := iamsdk.NewFromConfig(server.Admin()).PutRolePolicy(b.Context(), &iamsdk.PutRolePolicyInput{RoleName: aws.String("pod"), PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
		b.Fatal(err)
	}
	issued, err := server.Accounts.IssueSession(b.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "pod", Duration: time.Hour, Tags: map[string]string{
		"eks-cluster-arn": "arn:aws:eks:us-west-2:123456789012:cluster/epi", "eks-cluster-name": "epi", "kubernetes-namespace": "default",
		"kubernetes-service-account": "app", "kubernetes-pod-name": "app-0", "kubernetes-pod-uid": "8c1e4b0f-0000-4000-8000-000000000000",
	}})
	if err != nil {
		b.Fatal(err)
	}
	admin := clientOf(server.Admin())
	makeBucket(b, admin, "bucket")
	put(b, admin, "epi/default/test.txt", strings.Repeat("x", 1024))

	hash := sha256.Sum256(nil)
	signed := func(url string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, url+"/bucket/epi/default/test.txt?x-id=GetObject", http.NoBody)
		r.RequestURI = ""
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		r.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
		r.Header.Set("User-Agent", "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/s3#1.114.9")
		r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
		who := aws.Credentials{AccessKeyID: issued.AccessKeyID, SecretAccessKey: issued.SecretAccessKey, SessionToken: issued.SessionToken}
		err := v4.NewSigner().SignHTTP(b.Context(), who, r, hex.EncodeToString(hash[:]), "s3", iamtest.Region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	verifier := sigv4.NewVerifier(server.Accounts, sigv4.Options{})
	get := func(b *testing.B, r *http.Request, verify bool) {
		principal, ok := server.Accounts.Principal(b.Context(), issued.AccessKeyID, issued.SessionToken)
		if !ok {
			b.Fatal("no principal")
		}
		b.ReportAllocs()
		for b.Loop() {
			r := r.WithContext(journal.NewContext(b.Context(), &journal.Call{RequestID: "11111111-2222-3333-4444-555555555555"}))
			if verify {
				if _, err := verifier.Verify(r); err != nil {
					b.Fatal(err)
				}
			}
			w := &sink{header: make(http.Header, 16)}
			handler.ServeHTTP(w, r.WithContext(iam.WithCaller(r.Context(), &iam.Caller{Principal: principal, AccessKeyID: issued.AccessKeyID, Environment: iam.Environment{Region: iamtest.Region}, Time: time.Now()})))
			if w.status != http.StatusOK || w.bytes != 1024 {
				b.Fatalf("status %d, %d bytes", w.status, w.bytes)
			}
		}
	}
	b.Run("handler", func(b *testing.B) { get(b, signed("http://emu"), false) })
	b.Run("signed", func(b *testing.B) { get(b, signed("http://emu"), true) })
	b.Run("connection", func(b *testing.B) {
		b.ReportAllocs()
		r := signed(server.URL)
		for b.Loop() {
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, response.Body)
			_ = response.Body.Close() // the body has been read
			if err != nil || n != 1024 || response.StatusCode != http.StatusOK {
				b.Fatalf("%s, %d bytes, %v", response.Status, n, err)
			}
		}
	})
}
