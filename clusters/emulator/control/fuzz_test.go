package control

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// FuzzFault: a posted fault is refused with a reason, or is returned as it was accepted.
func FuzzFault(f *testing.F) {
	for _, seed := range []string{
		`{"service":"eks-auth","probability":0.5,"error":{"kind":"throttling"}}`,
		`{"service":"eks-auth","outage":{"hang":"30s"},"for":"30s"}`,
		`{"operation":"AssumeRoleForPodIdentity","latency":{"fixed":"200ms","stall":{"probability":0.01,"length":"1s"}}}`,
		`{"latency":{"uniform":{"min":"0s","max":"1us"}},"count":1}`,
		`{"latency":{"exponential":{"mean":"1ns","cap":"5m"}}}`,
		`{"latency":{"lognormal":{"p50":"1ns","p99":"5m"}},"principal":"*"}`,
		`{"throttle":{"rate":1e-300,"burst":1000000,"error":{"code":"A","status":599,"message":"é"}}}`,
		`{"association":"a-*","outage":{},"until":"2199-01-01T00:00:00.5+14:00"}`,
		`null`, `[]`, `{"latency":null}`, `{"count":-1}`, `{"probability":1e999}`, `{"id":"x"}`, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		set := faults.New(faults.Options{})
		handler := newFuzzHandler(t, set)
		w := send(handler, http.MethodPost, "/v1/faults", body)
		if w.Code == http.StatusBadRequest || w.Code == http.StatusRequestEntityTooLarge {
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Error == "" || len(set.List()) != 0 {
				t.Fatalf("refused with %q, %v, %d rules", w.Body, err, len(set.List()))
			}
			return
		}
		if w.Code != http.StatusCreated {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		var added Fault
		if err := json.Unmarshal(w.Body.Bytes(), &added); err != nil || added.ID == "" {
			t.Fatalf("got %s, %v", w.Body, err)
		}
		var listed faultList
		if err := json.Unmarshal(send(handler, http.MethodGet, "/v1/faults", "").Body.Bytes(), &listed); err != nil || len(listed.Faults) != 1 {
			t.Fatalf("got %+v, %v", listed, err)
		}
		if !reflect.DeepEqual(listed.Faults[0].Rule, added) {
			t.Fatalf("added %+v, listed %+v", added, listed.Faults[0].Rule)
		}
		if w := send(handler, http.MethodDelete, "/v1/faults/"+added.ID, ""); w.Code != http.StatusNoContent {
			t.Fatalf("remove: %d %s", w.Code, w.Body)
		}
	})
}

// FuzzRequest: the API never fails, and always answers in JSON, for any path, parameters and body.
func FuzzRequest(f *testing.F) {
	f.Add(http.MethodGet, "/v1/calls", "after=1&service=s3&principal=arn*&succeeded=true", "")
	f.Add(http.MethodGet, "/v1/calls", "after=18446744073709551615&wait=1ns", "")
	f.Add(http.MethodPut, "/v1/imds", "", `{"hopLimit":2,"v1Enabled":true}`)
	f.Add(http.MethodPut, "/v1/clusters/a%2Fb", "", `{"issuer":"https://i","jwks":{"keys":[]},"createdAt":"2026-01-01T00:00:00Z"}`)
	f.Add(http.MethodGet, "/v1/clusters/blue/identities", "after=&wait=0s", "")
	f.Add(http.MethodDelete, "/v1/faults/../faults", "", "")
	f.Add(http.MethodPost, "/v1/reset", "%zz", "{")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.Contains(query, "wait") {
			return // a wait is no failure, but it takes long
		}
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(method, " \t\r\n") || method == "" {
			return // net/http accepts no such request
		}
		if _, err := url.Parse("http://h" + path); err != nil || strings.ContainsAny(path, "?# \t\r\n") {
			return
		}
		w := send(newFuzzHandler(t, faults.New(faults.Options{})), method, path, body, query)
		if w.Code >= http.StatusInternalServerError || w.Code >= 300 && w.Code < 400 {
			t.Fatalf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
		}
		if w.Code != http.StatusNoContent && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s?%s: %d %q", method, path, query, w.Code, w.Body)
		}
	})
}

func newFuzzHandler(t *testing.T, set *faults.Set) http.Handler {
	t.Helper()
	e := &emulator{registered: map[string]Cluster{}, changed: make(chan Identities, 1), hopLimit: 1}
	ring := journal.NewRing(2)
	ring.Add(Call{Service: "s3"})
	handler, err := NewHandler(Options{
		Token: token, SyncToken: syncToken, Clusters: e, Journal: ring, Faults: set, IMDS: e, IMDSv1: e, Resetter: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func send(handler http.Handler, method, path, body string, query ...string) *httptest.ResponseRecorder {
	parsed, err := url.Parse("http://emulator" + path)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
	r.Method, r.URL = method, parsed
	r.URL.RawQuery = strings.Join(query, "")
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}
