package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// emulator implements Clusters, HopLimiter, V1Switch, Quotas and Resetter.
type emulator struct {
	registered map[string]Cluster
	changed    chan Identities
	hopLimit   int
	v1         bool
	limit      int
	resets     int
	resetErr   error
}

func (e *emulator) V1Enabled() bool { return e.v1 }

func (e *emulator) SetV1Enabled(enabled bool) error {
	e.v1 = enabled
	return nil
}

func (e *emulator) Reset(context.Context) error {
	e.resets++
	return e.resetErr
}

func (e *emulator) UnregisterCluster(name string) error {
	delete(e.registered, name)
	return nil
}

func (e *emulator) RegisterCluster(name string, cluster Cluster) error {
	if cluster.Issuer == "" {
		return errors.New("issuer is empty")
	}
	e.registered[name] = cluster
	return nil
}

func (e *emulator) Identities(ctx context.Context, cluster, after string) (Identities, error) {
	if cluster != "blue" {
		return Identities{}, fmt.Errorf("cluster %s: %w", cluster, ErrNoCluster)
	}
	if after == "1" {
		select {
		case identities := <-e.changed:
			return identities, nil
		case <-ctx.Done():
		}
	}
	return Identities{Revision: "1", Identities: []Identity{{"default", "app"}}}, nil
}

func (e *emulator) HopLimit() int { return e.hopLimit }

func (e *emulator) SetHopLimit(n int) error {
	if n < 1 || n > 64 {
		return fmt.Errorf("hop limit %d: must be 1 to 64", n)
	}
	e.hopLimit = n
	return nil
}

func (e *emulator) AssociationLimit() int { return e.limit }

func (e *emulator) SetAssociationLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("limit of %d: too small", limit)
	}
	e.limit = limit
	return nil
}

const token, syncToken = "harness-token", "sync-token"

func newServer(t *testing.T) (*emulator, *journal.Ring, string) {
	t.Helper()
	e := &emulator{registered: map[string]Cluster{}, changed: make(chan Identities, 1), hopLimit: 1, limit: 5000}
	ring := journal.NewRing(10)
	handler, err := NewHandler(Options{
		Token: token, SyncToken: syncToken, Clusters: e, Journal: ring,
		Faults: faults.New(faults.Options{}), IMDS: e, IMDSv1: e, Quotas: e, Resetter: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return e, ring, server.URL
}

func TestClientAndServer(t *testing.T) {
	e, ring, url := newServer(t)
	client, ctx := New(url+"/", token), t.Context()
	if err := client.WaitHealthy(ctx, time.Second); err != nil {
		t.Fatal(err)
	}

	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := Cluster{Issuer: "https://issuer", JWKS: json.RawMessage(`{"keys":[]}`), CreatedAt: created, Endpoint: "https://e", Version: "v1.36.3", CertificateAuthority: []byte("PEM"), ServiceCIDR: "10.96.0.0/16"}
	if err := client.RegisterCluster(ctx, "blue", in); err != nil {
		t.Fatal(err)
	}
	if got := e.registered["blue"]; got.Issuer != in.Issuer || string(got.JWKS) != string(in.JWKS) || !got.CreatedAt.Equal(created) || got.Endpoint != in.Endpoint || got.Version != in.Version ||
		string(got.CertificateAuthority) != "PEM" || got.ServiceCIDR != in.ServiceCIDR {
		t.Errorf("got %+v", got)
	}

	if err := client.UnregisterCluster(ctx, "blue"); err != nil || len(e.registered) != 0 {
		t.Errorf("still registered: %v (error %v)", e.registered, err)
	}

	if limit, err := client.HopLimit(ctx); err != nil || limit != 1 {
		t.Errorf("hop limit %d, %v", limit, err)
	}
	if err := client.SetHopLimit(ctx, 2); err != nil || e.hopLimit != 2 {
		t.Errorf("hop limit %d, %v", e.hopLimit, err)
	}

	if limit, err := client.AssociationLimit(ctx); err != nil || limit != 5000 {
		t.Errorf("association limit %d, %v", limit, err)
	}
	if err := client.SetAssociationLimit(ctx, 20_000); err != nil || e.limit != 20_000 {
		t.Errorf("association limit %d, %v", e.limit, err)
	}

	ring.Add(Call{Service: "eks"})
	ring.Add(Call{Service: "eks-auth", Operation: "AssumeRoleForPodIdentity", Duration: time.Millisecond})
	calls, err := client.Calls(ctx, 1)
	if err != nil || calls.Last != 2 || len(calls.Calls) != 1 || calls.Calls[0].Operation != "AssumeRoleForPodIdentity" || calls.Calls[0].Seq != 2 {
		t.Errorf("got %+v, %v", calls, err)
	}
}

func TestLongPoll(t *testing.T) {
	e, _, url := newServer(t)
	client := New(url, syncToken)
	first, err := client.Identities(t.Context(), "blue", "", time.Minute)
	if err != nil || first.Revision != "1" || len(first.Identities) != 1 || first.Identities[0] != (Identity{"default", "app"}) {
		t.Fatalf("got %+v, %v", first, err)
	}
	if same, err := client.Identities(t.Context(), "blue", "1", time.Millisecond); err != nil || same.Revision != "1" {
		t.Errorf("after the wait: %+v, %v", same, err)
	}
	e.changed <- Identities{Revision: "2"}
	if changed, err := client.Identities(t.Context(), "blue", "1", time.Minute); err != nil || changed.Revision != "2" {
		t.Errorf("after a change: %+v, %v", changed, err)
	}
	_, err = client.Identities(t.Context(), "green", "", time.Minute)
	if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != 404 {
		t.Errorf("unknown cluster: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	_, _, url := newServer(t)
	tests := []struct {
		name, method, path, authorization, body string
		status                                  int
		want                                    string
	}{
		{"health needs no token", "GET", "/healthz", "", "", 200, "ok"},
		{"no token", "GET", "/v1/calls", "", "", 401, "bearer token"},
		{"empty token", "GET", "/v1/calls", "Bearer ", "", 401, "bearer token"},
		{"wrong token", "GET", "/v1/calls", "Bearer harness-tokem", "", 401, "bearer token"},
		{"AWS signature", "GET", "/v1/calls", "AWS4-HMAC-SHA256 Credential=AKID/…", "", 401, "bearer token"},
		{"basic", "GET", "/v1/calls", "Basic " + token, "", 401, "bearer token"},
		{"sync token reads calls", "GET", "/v1/calls", "Bearer " + syncToken, "", 403, "may only watch"},
		{"sync token registers", "PUT", "/v1/clusters/blue", "Bearer " + syncToken, "{}", 403, "may only watch"},
		{"sync token unregisters", "DELETE", "/v1/clusters/blue", "Bearer " + syncToken, "", 403, "may only watch"},
		{"sync token sets hop limit", "PUT", "/v1/imds", "Bearer " + syncToken, `{"hopLimit":2}`, 403, "may only watch"},
		{"harness token watches", "GET", "/v1/clusters/blue/identities", "Bearer " + token, "", 200, `"serviceAccount":"app"`},
		{"bad wait", "GET", "/v1/clusters/blue/identities?wait=x", "Bearer " + token, "", 400, "must be a duration"},
		{"long wait", "GET", "/v1/clusters/blue/identities?wait=6m", "Bearer " + token, "", 400, "must be a duration"},
		{"bad after", "GET", "/v1/calls?after=-1", "Bearer " + token, "", 400, "number of a call"},
		{"bad hop limit", "PUT", "/v1/imds", "Bearer " + token, `{"hopLimit":0}`, 400, "must be 1 to 64"},
		{"sync token sets a quota", "PUT", "/v1/quotas", "Bearer " + syncToken, `{"associationsPerCluster":2}`, 403, "may only watch"},
		{"bad quota", "PUT", "/v1/quotas", "Bearer " + token, `{}`, 400, "too small"},
		{"unknown field", "PUT", "/v1/imds", "Bearer " + token, `{"hops":2}`, 400, `unknown field \"hops\"`},
		{"field in other case", "PUT", "/v1/imds", "Bearer " + token, `{"hoplimit":2}`, 400, "unknown field"},
		{"repeated field", "PUT", "/v1/imds", "Bearer " + token, `{"hopLimit":2,"hopLimit":3}`, 400, "duplicate"},
		{"wrong type", "PUT", "/v1/imds", "Bearer " + token, `{"hopLimit":"2"}`, 400, "hopLimit: has the wrong type: JSON string"},
		{"two values", "PUT", "/v1/imds", "Bearer " + token, `{"hopLimit":2}{}`, 400, "after top-level value"},
		{"no body", "PUT", "/v1/imds", "Bearer " + token, ``, 400, "is empty or cut short"},
		{"nothing to set", "PUT", "/v1/imds", "Bearer " + token, `{}`, 400, "needs hopLimit, v1Enabled or both"},
		{"sync token sets a fault", "POST", "/v1/faults", "Bearer " + syncToken, `{"outage":{}}`, 403, "may only watch"},
		{"no token sets a fault", "POST", "/v1/faults", "", `{"outage":{}}`, 401, "bearer token"},
		{"no token resets", "POST", "/v1/reset", "", ``, 401, "bearer token"},
		{"sync token resets", "POST", "/v1/reset", "Bearer " + syncToken, ``, 403, "may only watch"},
		{"sync token clears calls", "DELETE", "/v1/calls", "Bearer " + syncToken, ``, 403, "may only watch"},
		{"unknown field deep down", "POST", "/v1/faults", "Bearer " + token, `{"latency":{"fixed":"1s","stall":{"chance":1}}}`, 400, `unknown field \"latency.stall.chance\"`},
		{"duration that is none", "POST", "/v1/faults", "Bearer " + token, `{"latency":{"fixed":"soon"}}`, 400, `latency.fixed: \"soon\" is no duration: write it like 200ms`},
		{"duration that is a number", "POST", "/v1/faults", "Bearer " + token, `{"latency":{"fixed":200}}`, 400, "latency.fixed: JSON value must be string type"},
		{"fault without an effect", "POST", "/v1/faults", "Bearer " + token, `{"service":"s3"}`, 400, "exactly one of"},
		{"fault without end of JSON", "POST", "/v1/faults", "Bearer " + token, `{"outage":{}`, 400, "is empty or cut short"},
		{"fault that is not there", "DELETE", "/v1/faults/fault-9", "Bearer " + token, ``, 404, `no fault \"fault-9\"`},
		{"unknown parameter", "GET", "/v1/calls?operatoin=x", "Bearer " + token, ``, 400, `parameter \"operatoin\": is none of`},
		{"repeated parameter", "GET", "/v1/calls?service=s3&service=sts", "Bearer " + token, ``, 400, "is given 2 times"},
		{"unreadable parameters", "GET", "/v1/calls?a;b", "Bearer " + token, ``, 400, "read parameters"},
		{"bad wait for calls", "GET", "/v1/calls?wait=-1s", "Bearer " + token, ``, 400, "must be a duration"},
		{"bad succeeded", "GET", "/v1/calls?succeeded=yes", "Bearer " + token, ``, 400, "must be true or false"},
		{"no such path", "GET", "/v1/nothing", "Bearer " + token, ``, 404, "no such path"},
		{"unclean path", "GET", "//v1/calls", "Bearer " + token, ``, 404, "no such path"},
		{"trailing slash", "GET", "/v1/faults/", "Bearer " + token, ``, 404, "no such path"},
		{"method", "PATCH", "/v1/faults", "Bearer " + token, ``, 405, "takes DELETE, GET, POST only"},
		{"method of one fault", "GET", "/v1/faults/fault-1", "Bearer " + token, ``, 405, "takes DELETE only"},
		{"cluster without issuer", "PUT", "/v1/clusters/blue", "Bearer " + token, `{}`, 400, "issuer is empty"},
		{"oversize", "PUT", "/v1/clusters/blue", "Bearer " + token, `{"issuer":"` + strings.Repeat("a", maxBody) + `"}`, 413, "too large"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", test.authorization)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			text, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status || !strings.Contains(string(text), test.want) {
				t.Errorf("got %d %s, %v", response.StatusCode, text, err)
			}
			if response.Header.Get("Content-Type") != "application/json" || !json.Valid(text) {
				t.Errorf("not JSON: %q", text)
			}
		})
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	handler, err := NewHandler(Options{Token: token, SyncToken: syncToken, Clusters: &emulator{}, Journal: journal.NewRing(1)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	client, ctx := New(server.URL, token), t.Context()
	_, hopErr := client.HopLimit(ctx)
	_, v1Err := client.IMDSv1(ctx)
	_, limitErr := client.AssociationLimit(ctx)
	_, addErr := client.AddFault(ctx, Fault{Outage: &Outage{}})
	_, listErr := client.Faults(ctx)
	for _, err := range []error{
		hopErr, v1Err, limitErr, client.SetAssociationLimit(ctx, 1), client.SetHopLimit(ctx, 1), client.SetIMDSv1(ctx, true),
		addErr, listErr, client.RemoveFault(ctx, "fault-1"), client.Reset(ctx),
	} {
		if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != 404 {
			t.Errorf("got %v", err)
		}
	}
}

func TestNewHandlerNeedsTwoTokens(t *testing.T) {
	for _, tokens := range [][2]string{{"", "b"}, {"a", ""}, {"a", "a"}} {
		if _, err := NewHandler(Options{Token: tokens[0], SyncToken: tokens[1]}); err == nil {
			t.Errorf("%q were taken", tokens)
		}
	}
}

func TestWaitHealthyReportsWhatItSaw(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) }))
	defer server.Close()
	if err := New(server.URL, token).WaitHealthy(t.Context(), 500*time.Millisecond); err == nil || !strings.Contains(err.Error(), "503: starting") {
		t.Errorf("got %v", err)
	}
}

// TestSecretOf: the token is accepted as a bearer token or as a password, and in no other form.
func TestSecretOf(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for header, want := range map[string]string{
		"Bearer secret": "secret", basic("api-server:secret"): "secret", basic(":secret"): "secret", basic("secret"): "", basic("secret:"): "",
		"": "", "secret": "", "Basic secret": "", "Bearer": "", "Digest secret": "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Authorization", header)
		if got := secretOf(r); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}
