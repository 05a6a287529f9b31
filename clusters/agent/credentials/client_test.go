package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const token = "header.claims.signature"

var configured = aws.Config{
	Region:      "us-west-2",
	Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
}

// answering is EKS Auth from the client's view: one handler for every call.
func answering(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return NewClient(configured, "epi", server.URL)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", code)
	w.Header().Set("X-Amzn-RequestId", "a1b2")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func TestFetch(t *testing.T) {
	expiration := time.Now().Add(time.Hour).Truncate(time.Second)
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/clusters/epi/assume-role-for-pod-identity" || string(body) != `{"token":"`+token+`"}` {
			t.Errorf("got %s %s %s", r.Method, r.URL.Path, body)
		}
		if scope := r.Header.Get("Authorization"); !strings.Contains(scope, "/us-west-2/eks-auth/aws4_request") {
			t.Errorf("signed for %s", scope)
		}
		_, _ = fmt.Fprintf(w, `{"credentials":{"accessKeyId":"ASIA","secretAccessKey":"sss","sessionToken":"ttt","expiration":%d},
			"assumedRoleUser":{"arn":"arn:aws:sts::210987654321:assumed-role/reader/eks-epi-pod-1","assumeRoleId":"AROA:eks-epi-pod-1"},
			"podIdentityAssociation":{"associationArn":"a","associationId":"b"},"audience":"pods.eks.amazonaws.com",
			"subject":{"namespace":"a","serviceAccount":"b"}}`, expiration.Unix())
	})
	got, err := client.Fetch(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "ASIA" || got.SecretAccessKey != "sss" || got.SessionToken != "ttt" ||
		got.AccountID != "210987654321" || !got.Expiration.Equal(expiration) {
		t.Errorf("got key %s, account %s, expiration %s", got.AccessKeyID, got.AccountID, got.Expiration)
	}
}

// The SDK counts attempts in a header, so each attempt must have its own number.
func TestAttemptsAreTheSDKs(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var attempts, invocations []string
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		attempts = append(attempts, r.Header.Get("Amz-Sdk-Request"))
		invocations = append(invocations, r.Header.Get("Authorization"))
		if len(attempts) == 1 {
			w.Header().Set("Content-Length", "1000") // the body ends before that
			_, _ = io.WriteString(w, "{")
			return
		}
		refuse(w, 429, "ThrottlingException", "slow down")
	})
	if _, err := client.Fetch(t.Context(), token); err == nil {
		t.Error("got credentials")
	}
	for n, attempt := range attempts {
		if want := fmt.Sprintf("attempt=%d; max=10", n+1); attempt != want || !strings.HasPrefix(invocations[n], "AWS4-HMAC-SHA256 ") {
			t.Errorf("attempt %d says %q, signed %t", n+1, attempt, invocations[n] != "")
		}
	}
	if len(attempts) != 10 {
		t.Errorf("%d attempts, want 10", len(attempts))
	}
}

// decode reads from an answer what the SDK reads.
func FuzzGranted(f *testing.F) {
	var body atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*body.Load()) }))
	f.Cleanup(server.Close)
	client := NewClient(configured, "epi", server.URL)
	for _, seed := range []string{
		`{"credentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":1.7e9},"assumedRoleUser":{"arn":"arn:aws:sts::210987654321:assumed-role/r/s"}}`,
		`{"credentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":1795860000.25},"assumedRoleUser":{"arn":"a","arn":"b"},"more":[{}]}`,
		`{"credentials":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","expiration":"soon"},"assumedRoleUser":{"arn":"a"}}`,
		`{"credentials":{"accessKeyId":"","secretAccessKey":"s","sessionToken":"t","expiration":1},"assumedRoleUser":{"arn":"a"}} `,
		`{"credentials":null}`, `{}`, ``, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got := granted(answer)
		if got == nil {
			return // the SDK is used
		}
		body.Store(&answer)
		want, err := client.api.AssumeRoleForPodIdentity(t.Context(), &eksauth.AssumeRoleForPodIdentityInput{ClusterName: aws.String("epi"), Token: aws.String(token)}, once(client.http))
		if err != nil || want.Credentials == nil || want.AssumedRoleUser == nil {
			t.Fatalf("%q is read; the SDK reads %+v, %v", answer, want, err)
		}
		if !reflect.DeepEqual(got.Credentials, want.Credentials) || *got.AssumedRoleUser.Arn != aws.ToString(want.AssumedRoleUser.Arn) {
			t.Errorf("%q gives %s until %s, by the SDK %s until %s", answer, *got.AssumedRoleUser.Arn, got.Credentials.Expiration, aws.ToString(want.AssumedRoleUser.Arn), want.Credentials.Expiration)
		}
	})
}

// The rows are measured answers of eks-pod-identity-agent 0.1.37. Its source says which codes remove cached credentials.
func TestFetchRelaysErrors(t *testing.T) {
	for _, row := range []struct {
		status int
		code   string
		fault  string
		calls  int32
		final  bool
	}{
		{400, "AccessDeniedException", "client", 1, true},
		{400, "ExpiredTokenException", "client", 1, true},
		{400, "InvalidParameterException", "client", 1, false},
		{400, "InvalidRequestException", "client", 1, false},
		{400, "InvalidTokenException", "client", 1, true},
		{404, "ResourceNotFoundException", "client", 1, true},
		{418, "TeapotException", "unknown", 1, false},
		{403, "AccessDeniedException", "client", 1, true},
		{429, "ThrottlingException", "client", 10, false},
		{500, "InternalServerException", "server", 3, false},
		{503, "ServiceUnavailableException", "server", 3, false},
	} {
		t.Run(fmt.Sprint(row.code, row.status), func(t *testing.T) {
			t.Parallel() // a retried row waits for the SDK's backoff
			var calls atomic.Int32
			client := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				refuse(w, row.status, row.code, "no "+token)
			})
			_, err := client.Fetch(t.Context(), token)
			failure, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v, want an *Error", err)
			}
			body := fmt.Sprintf("[a1b2]: (%s): no %s, fault: %s", row.code, token, row.fault)
			if failure.Status != row.status || failure.Code != row.code || failure.Body != body || failure.Final() != row.final || calls.Load() != row.calls {
				t.Errorf("got %d %q final %t after %d calls, want %d %q final %t after %d",
					failure.Status, failure.Body, failure.Final(), calls.Load(), row.status, body, row.final, row.calls)
			}
			if text := failure.Error(); strings.Contains(text, token) || !strings.Contains(text, row.code) {
				t.Errorf("the text for logs is %q", text)
			}
		})
	}
}

func TestFetchWithoutAnswer(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, client := range map[string]*Client{
		"refused": NewClient(configured, "epi", gone.URL),
		"not JSON": answering(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client.Fetch(t.Context(), token)
			if failure, ok := errors.AsType[*Error](err); !ok || failure.Status != 500 || failure.Body != "[]" || failure.Final() {
				t.Errorf("got %v, want 500 []", err)
			}
		})
	}
	t.Run("incomplete", func(t *testing.T) {
		client := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
		if got, err := client.Fetch(t.Context(), token); err == nil {
			t.Errorf("got %v, want an error", got)
		}
	})
}

func TestFetchIsBoundedWhenEKSAuthIsSilent(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client := answering(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	start := time.Now()
	_, err := client.Fetch(t.Context(), token)
	if failure, ok := errors.AsType[*Error](err); !ok || failure.Status != 500 {
		t.Errorf("got %v, want 500", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

// An error of the instance metadata service for the agent is not the answer to a pod.
func TestFetchWithoutNodeCredentials(t *testing.T) {
	cfg := configured
	cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusNotFound}}, Err: errors.New("no role"),
		}}
	}))
	_, err := NewClient(cfg, "epi", "http://127.0.0.1:1").Fetch(t.Context(), token)
	if _, relayed := errors.AsType[*Error](err); err == nil || relayed || !strings.Contains(err.Error(), "node's role") {
		t.Errorf("got %v, want an error that is not EKS Auth's", err)
	}
}
