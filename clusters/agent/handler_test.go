package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkcredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/clusters/agent/cache"
	"github.com/podidentity/epi/clusters/agent/credentials"
)

// eksAuth answers AssumeRoleForPodIdentity with credentials, or with the exception that a test sets.
type eksAuth struct {
	calls  atomic.Int32
	mu     sync.Mutex
	status int
	code   string
	life   time.Duration
}

func (e *eksAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := e.calls.Add(1)
	e.mu.Lock()
	status, code, life := e.status, e.code, e.life
	e.mu.Unlock()
	if life == 0 {
		life = 6 * time.Hour
	}
	w.Header().Set("X-Amzn-RequestId", "11111111-2222")
	if code != "" {
		// AWS's messages may repeat the input.
		var input struct{ Token string }
		_ = json.NewDecoder(r.Body).Decode(&input)
		w.Header().Set("X-Amzn-ErrorType", code)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "no use: " + input.Token})
		return
	}
	_, _ = fmt.Fprintf(w, `{"credentials":{"accessKeyId":"ASIA%d","secretAccessKey":"the-secret-key","sessionToken":"the-session-token","expiration":%d},
		"assumedRoleUser":{"arn":"arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1","assumeRoleId":"AROA:eks-epi-pod-1"},
		"podIdentityAssociation":{"associationArn":"a","associationId":"b"},"audience":"pods.eks.amazonaws.com",
		"subject":{"namespace":"a","serviceAccount":"b"}}`, n, time.Now().Add(life).Unix())
}

func (e *eksAuth) answer(status int, code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.code = status, code
}

// waiting is the largest number of waiting requests of newAgent's agent.
const waiting = 20

// newAgent returns the agent's handler with an EKS Auth, and a log at the most detailed level.
func newAgent(t testing.TB, upstream http.Handler, log io.Writer) http.Handler {
	t.Helper()
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-west-2", Credentials: sdkcredentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "node-secret", "")}
	registry, logger := newRegistry(), slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	store, err := cache.New(credentials.NewClient(cfg, "epi", server.URL), cache.Options{
		Entries: 2000, Retention: 3 * time.Hour, RenewalsPerSecond: 3, Waiting: waiting, Metrics: registry, Log: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", metricsHandler(registry))
	mux.Handle("/", newHandler(store, newResponses(registry, "200"), logger))
	return mux
}

func token(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("any key"))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func podToken(t testing.TB, name string) string {
	t.Helper()
	return token(t, jwt.MapClaims{
		"aud": []string{"pods.eks.amazonaws.com"}, "sub": "system:serviceaccount:default:" + name,
		"exp": time.Now().Add(24 * time.Hour).Unix(), "iat": time.Now().Unix(),
	})
}

type request struct {
	method, path, host, token string
	header                    http.Header
}

func ask(h http.Handler, q request) *httptest.ResponseRecorder {
	if q.method == "" {
		q.method = http.MethodGet
	}
	if q.path == "" {
		q.path = "/v1/credentials"
	}
	r := httptest.NewRequest(q.method, q.path, nil)
	if r.Host = q.host; q.host == "" {
		r.Host = "169.254.170.23"
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.token != "" {
		r.Header.Set("Authorization", q.token)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder
}

// AGT-01, AGT-08.
func TestCredentials(t *testing.T) {
	upstream := &eksAuth{}
	agent := newAgent(t, upstream, io.Discard)
	pod := podToken(t, "reader")
	first := ask(agent, request{token: pod})
	if first.Code != 200 || first.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	var document map[string]string
	if err := json.Unmarshal(first.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339, document["Expiration"]); err != nil {
		t.Error(err)
	}
	delete(document, "Expiration")
	want := map[string]string{"AccessKeyId": "ASIA1", "SecretAccessKey": "the-secret-key", "Token": "the-session-token", "AccountId": "123456789012"}
	if fmt.Sprint(document) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", document, want)
	}
	if again := ask(agent, request{token: pod}); again.Body.String() != first.Body.String() || upstream.calls.Load() != 1 {
		t.Errorf("second answer %s after %d calls", again.Body, upstream.calls.Load())
	}
	upstream.answer(500, "InternalServerException")
	if down := ask(agent, request{token: pod}); down.Body.String() != first.Body.String() {
		t.Errorf("with EKS Auth down: %d", down.Code)
	}
}

// AGT-02 to AGT-05: measured answers of eks-pod-identity-agent 0.1.37.
func TestRequests(t *testing.T) {
	good := podToken(t, "reader")
	const text = "text/plain; charset=utf-8"
	for name, row := range map[string]struct {
		request     request
		status      int
		contentType string
		body        string // "": credentials
		calls       int32
	}{
		"no token":         {request{}, 400, text, "Service account token cannot be empty", 0},
		"garbage":          {request{token: "garbage"}, 400, text, "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments", 0},
		"three words":      {request{token: "aaa.bbb.ccc"}, 400, text, "Service account token cannot be parsed: token is malformed: could not JSON decode header: invalid character 'i' looking for beginning of value", 0},
		"with scheme":      {request{token: "Bearer " + good}, 400, text, "Service account token cannot be parsed: token is malformed: could not base64 decode header: illegal base64 data at input byte 6", 0},
		"expired":          {request{token: token(t, jwt.MapClaims{"exp": 1})}, 400, text, "Service account token failed basic claim validations: token is expired", 0},
		"not yet valid":    {request{token: token(t, jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()})}, 400, text, "Service account token failed basic claim validations: token is not valid yet", 0},
		"no exp, bad sig":  {request{token: token(t, jwt.MapClaims{"sub": "a"}) + "A"}, 200, "application/json", "", 1},
		"other audience":   {request{token: token(t, jwt.MapClaims{"aud": "sts.amazonaws.com"})}, 200, "application/json", "", 1},
		"other host":       {request{token: good, host: "evil.example"}, 403, text, "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] address not evil.example", 0},
		"host with port":   {request{token: good, host: "169.254.170.23:80"}, 200, "application/json", "", 1},
		"IPv6 host":        {request{token: good, host: "[fd00:ec2::23]:80"}, 200, "application/json", "", 1},
		"query":            {request{token: good, path: "/v1/credentials?a=b"}, 200, "application/json", "", 1},
		"forwarded":        {request{token: good, header: http.Header{"X-Forwarded-For": {"10.0.0.1"}}}, 200, "application/json", "", 1},
		"path /":           {request{token: good, path: "/"}, 404, text, "404 page not found", 0},
		"path with slash":  {request{token: good, path: "/v1/credentials/"}, 404, text, "404 page not found", 0},
		"path below":       {request{token: good, path: "/v1/credentials/x"}, 404, text, "404 page not found", 0},
		"any host, path /": {request{path: "/", host: "evil.example"}, 404, text, "404 page not found", 0},
		"POST":             {request{token: good, method: "POST"}, 200, "application/json", "", 1},
		"PUT":              {request{token: good, method: "PUT"}, 200, "application/json", "", 1},
		"DELETE":           {request{token: good, method: "DELETE"}, 200, "application/json", "", 1},
		"OPTIONS":          {request{token: good, method: "OPTIONS"}, 200, "application/json", "", 1},
		"HEAD":             {request{token: good, method: "HEAD"}, 200, "application/json", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := &eksAuth{}
			got := ask(newAgent(t, upstream, io.Discard), row.request)
			body := got.Body.String()
			if got.Code != row.status || got.Header().Get("Content-Type") != row.contentType {
				t.Errorf("got %d %s", got.Code, got.Header().Get("Content-Type"))
			}
			if row.body != "" && body != row.body+"\n" || row.body == "" && !strings.HasPrefix(body, `{"AccessKeyId":"ASIA1",`) {
				t.Errorf("body is %q", body)
			}
			if n := upstream.calls.Load(); n != row.calls {
				t.Errorf("%d calls to EKS Auth, want %d", n, row.calls)
			}
		})
	}
}

// AGT-06.
func TestErrorsOfEKSAuthAreRelayed(t *testing.T) {
	upstream := &eksAuth{}
	agent := newAgent(t, upstream, io.Discard)
	pod := podToken(t, "reader")
	for status, code := range map[int]string{400: "AccessDeniedException", 404: "ResourceNotFoundException", 418: "TeapotException"} {
		upstream.answer(status, code)
		fault := "client"
		if status == 418 {
			fault = "unknown"
		}
		got, want := ask(agent, request{token: pod}), fmt.Sprintf("[11111111-2222]: (%s): no use: %s, fault: %s\n", code, pod, fault)
		if got.Code != status || got.Body.String() != want || got.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("got %d %q, want %d %q", got.Code, got.Body, status, want)
		}
	}
}

func TestCredentialsThatAreAboutToEndAreAnError(t *testing.T) {
	got := ask(newAgent(t, &eksAuth{life: 10 * time.Second}, io.Discard), request{token: podToken(t, "reader")})
	if got.Code != 500 || !strings.HasPrefix(got.Body.String(), "fetched credentials are expired or will expire within the next ") {
		t.Errorf("got %d %q", got.Code, got.Body)
	}
}

// AGT-21: a request too many gets 429 and is counted, others are served, and the probes' path is not limited.
func TestTooManyRequests(t *testing.T) {
	release, upstream := make(chan struct{}), &eksAuth{}
	agent := newAgent(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		upstream.ServeHTTP(w, r)
	}), io.Discard)
	pod := podToken(t, "reader")
	statuses := make(chan int)
	for range waiting + 5 {
		go func() {
			got := ask(agent, request{token: pod})
			if got.Code == http.StatusTooManyRequests && got.Body.String() != "Too Many Requests\n" {
				t.Errorf("got %q", got.Body)
			}
			statuses <- got.Code
		}()
	}
	for range 5 {
		if status := <-statuses; status != http.StatusTooManyRequests {
			t.Errorf("got %d at once", status)
		}
	}
	if got := ask(agent, request{path: "/"}); got.Code != http.StatusNotFound {
		t.Errorf("path / got %d", got.Code)
	}
	close(release)
	for range waiting {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("got %d after waiting", status)
		}
	}
	// OPS-02: counted, unlike upstream's.
	metrics := ask(agent, request{path: "/metrics"}).Body.String()
	if want := `pod_identity_http_response{code="429"} 5`; !strings.Contains(metrics, want) {
		t.Errorf("no %s in\n%s", want, metrics)
	}
}

// OPS-02.
func TestMetricsNames(t *testing.T) {
	upstream := &eksAuth{}
	agent := newAgent(t, upstream, io.Discard)
	ask(agent, request{token: podToken(t, "reader")})
	ask(agent, request{token: podToken(t, "reader")})
	ask(agent, request{})
	metrics := ask(agent, request{path: "/metrics"}).Body.String()
	for _, want := range []string{
		`pod_identity_http_response{code="200"} 2`, `pod_identity_http_response{code="400"} 1`,
		`pod_identity_cache_state{state="miss"} 1`, `pod_identity_cache_state{state="served"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
}

// SEC-04, at the most detailed level, also if EKS Auth repeats the token.
func TestNoSecretInLogs(t *testing.T) {
	var log syncBuffer
	upstream := &eksAuth{}
	agent := newAgent(t, upstream, &log)
	tokens := []string{podToken(t, "reader"), podToken(t, "writer"), token(t, jwt.MapClaims{"exp": 1, "sub": "old"})}
	for _, pod := range tokens {
		ask(agent, request{token: pod})
		ask(agent, request{token: pod})
		ask(agent, request{token: "Bearer " + pod})
		ask(agent, request{token: pod, host: "evil.example"})
	}
	upstream.answer(400, "InvalidTokenException")
	refused := podToken(t, "refused")
	if got := ask(agent, request{token: refused}); !strings.Contains(got.Body.String(), refused) {
		t.Fatalf("EKS Auth did not repeat the token: %s", got.Body)
	}
	text := log.String()
	for _, pod := range append(tokens, refused) {
		for _, part := range strings.Split(pod, ".") {
			if strings.Contains(text, part) {
				t.Errorf("%s is in the log", part)
			}
		}
	}
	for _, secret := range []string{"the-secret-key", "the-session-token", "node-secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
	for _, useful := range []string{"system:serviceaccount:default:refused", "InvalidTokenException", "evil.example"} {
		if !strings.Contains(text, useful) {
			t.Errorf("%s is not in the log:\n%s", useful, text)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
