package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/probe"
)

const deniedBody = `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`

// S3's answers, and the load's results for them.
func TestLoadOnS3JudgesAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		status  int
		body    string
		denied  bool
		errors  map[string]int64
		hangs   bool
		refuses bool
	}{
		{name: "the object", status: 200, body: "hello"},
		{name: "another object", status: 200, body: "hi", errors: map[string]int64{"wrong size": 3}},
		{name: "a refusal", status: 403, body: deniedBody, errors: map[string]int64{"403": 3}},
		{name: "a refusal that is right", status: 403, body: deniedBody, denied: true},
		{name: "a refusal for another reason", status: 403, body: strings.Replace(deniedBody, "AccessDenied", "SignatureDoesNotMatch", 1), denied: true, errors: map[string]int64{"403": 3}},
		{name: "an object that was to be denied", status: 200, body: "hello", denied: true, errors: map[string]int64{"200": 3}},
		{name: "a busy S3", status: 503, body: `<Error><Code>SlowDown</Code></Error>`, errors: map[string]int64{"503": 3}},
		{name: "no answer", hangs: true, errors: map[string]int64{"timeout": 3}},
		{name: "no S3", refuses: true, errors: map[string]int64{"refused": 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			workload(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.hangs {
					<-r.Context().Done()
					return
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			withKeys(t)
			if test.refuses {
				t.Setenv("AWS_ENDPOINT_URL", closedAddress(t))
			}
			options := load.S3Options{Bucket: "b", Key: "k", Size: 5, Denied: test.denied}
			if test.hangs {
				options.Timeout = 100 * time.Millisecond
			}
			result := loadS3(t, options, 3)
			if got := result.Phases[0]; got.Requests != 3 || !maps.Equal(got.Errors, test.errors) {
				t.Errorf("%d requests, errors %v; want 3, %v", got.Requests, got.Errors, test.errors)
			}
		})
	}
}

func loadS3(t *testing.T, options load.S3Options, n int) *load.Result {
	t.Helper()
	job := load.Job{Phases: []load.Phase{{Name: "a", Lasts: time.Second, Arrivals: load.AtOnce, Count: n}}, Target: load.TargetSpec{S3: &options}}
	input, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := makeLoad(t.Context(), bytes.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	result, err := load.DecodeResult(&out)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// fromAgent makes the credentials come from handler, with the token of a file.
func fromAgent(t *testing.T, agent string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("the-pods-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
}

// agentAndS3 answers for both, and counts the requests to each.
func agentAndS3(t *testing.T, object string) (credentials, objects *atomic.Int64) {
	t.Helper()
	credentials, objects = new(atomic.Int64), new(atomic.Int64)
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/credentials" && r.Header.Get("Authorization") == "the-pods-token":
			credentials.Add(1)
			_, _ = fmt.Fprintf(w, `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"hush","Token":"hush","Expiration":%q}`,
				time.Now().Add(6*time.Hour).UTC().Format(time.RFC3339))
		case strings.Contains(r.Header.Get("Authorization"), "Credential=ASIAIOSFODNN7EXAMPLE/"):
			objects.Add(1)
			_, _ = io.WriteString(w, object)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	fromAgent(t, os.Getenv("AWS_ENDPOINT_URL")+"/v1/credentials")
	return credentials, objects
}

// All requests use the credentials from before the first one.
func TestLoadOnS3AsksTheAgentOnce(t *testing.T) {
	credentials, objects := agentAndS3(t, "hello")
	result := loadS3(t, load.S3Options{Bucket: "b", Key: "k", Size: 5}, 20)
	if result.Phases[0].Failed() != 0 || credentials.Load() != 1 || objects.Load() != 20 {
		t.Errorf("errors %v, %d requests for credentials and %d for objects; want 1 and 20", result.Phases[0].Errors, credentials.Load(), objects.Load())
	}
}

func TestLoadOnS3WithoutCredentialsIsNone(t *testing.T) {
	workload(t, http.NotFoundHandler())
	if target, err := newS3Target(t.Context(), load.S3Options{Bucket: "b", Key: "k"}); err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("%v, error %v; want one that says that there are no credentials", target, err)
	}
}

func TestAnInterruptedLoadOnS3LetsGo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	workload(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	withKeys(t)
	target, err := newS3Target(ctx, load.S3Options{Bucket: "b", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if got := target.Do(ctx, 0); got != load.Unfinished {
		t.Errorf("got %q, want %q", got, load.Unfinished)
	}
}

// The program's result is the termination message: times in order, and no secret.
func TestFirstObjectLeavesItsTimes(t *testing.T) {
	before := time.Now()
	agentAndS3(t, "hello")
	file := filepath.Join(t.TempDir(), "termination-log")
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"do", "--output", file, "first-object", "b", "k"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	message, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := probe.DecodeFirstObject(string(message))
	if err != nil || got.Failure != nil || got.Started.Before(before) || got.Object.After(time.Now()) || got.Size != 5 || got.Source != "CredentialsEndpointProvider" {
		t.Errorf("%v: %s", err, message)
	}
	if bytes.Contains(message, []byte("hush")) || bytes.Contains(message, []byte("ASIA")) {
		t.Errorf("a secret is in %s", message)
	}
}

func TestFirstObjectReportsHowFarItCame(t *testing.T) {
	workload(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, deniedBody)
	}))
	got := doProbe[probe.FirstObject](t, "first-object", "b", "k")
	if f := got.Failure; f == nil || f.Class != probe.NoCredentials || !got.Credentials.IsZero() {
		t.Errorf("got %+v, want no credentials", got)
	}
	withKeys(t)
	got = doProbe[probe.FirstObject](t, "first-object", "b", "k")
	if f := got.Failure; f == nil || f.Code != "AccessDenied" || got.Credentials.IsZero() || !got.Object.IsZero() {
		t.Errorf("got %+v (%v), want credentials and AccessDenied", got, got.Failure)
	}
}
