package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	awsimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

type role struct {
	now  *time.Time
	made []string
	err  error
}

func (r *role) InstanceCredentials(_ context.Context, instanceID string) (Credentials, error) {
	r.made = append(r.made, instanceID)
	return Credentials{
		AccessKeyID: fmt.Sprint("ASIA", len(r.made)), SecretAccessKey: "secret", SessionToken: "session", Expiration: r.now.Add(6 * time.Hour),
	}, r.err
}

func newService(t *testing.T) (*Service, *role, *time.Time) {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	r := &role{now: &now}
	return New(Options{Region: "us-west-2", Account: "123456789012", RoleName: "epi-node", Role: r, Now: func() time.Time { return now }}), r, &now
}

func send(s *Service, method, path, from string, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = from + ":40000"
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func token(t *testing.T, s *Service, from string) string {
	t.Helper()
	w := send(s, http.MethodPut, "/latest/api/token", from, map[string]string{ttlHeader: "60"})
	if w.Code != http.StatusOK || w.Header().Get(ttlHeader) != "60" {
		t.Fatalf("PUT token: %d %v", w.Code, w.Header())
	}
	return w.Body.String()
}

// Rows: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
func TestTokenRequests(t *testing.T) {
	s, _, _ := newService(t)
	tests := []struct {
		name, method string
		headers      map[string]string
		want         int
	}{
		{"shortest", "PUT", map[string]string{ttlHeader: "1"}, 200},
		{"longest", "PUT", map[string]string{ttlHeader: "21600"}, 200},
		{"zero", "PUT", map[string]string{ttlHeader: "0"}, 400},
		{"too long", "PUT", map[string]string{ttlHeader: "21601"}, 400},
		{"overflow", "PUT", map[string]string{ttlHeader: "9223372036854775807"}, 400},
		{"negative", "PUT", map[string]string{ttlHeader: "-1"}, 400},
		{"no number", "PUT", map[string]string{ttlHeader: "x"}, 400},
		{"no TTL", "PUT", nil, 400},
		{"IMDS-05 through a proxy", "PUT", map[string]string{ttlHeader: "60", "X-Forwarded-For": "10.0.0.1"}, 403},
		{"GET", "GET", map[string]string{ttlHeader: "60"}, 405},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if w := send(s, test.method, "/latest/api/token", "10.0.0.2", test.headers); w.Code != test.want {
				t.Errorf("got %d", w.Code)
			}
		})
	}
}

func TestTokenIsRequired(t *testing.T) {
	s, _, now := newService(t)
	good := token(t, s, "10.0.0.2")
	get := func(from, token string) int {
		return send(s, http.MethodGet, "/latest/meta-data/instance-id", from, map[string]string{tokenHeader: token}).Code
	}
	if code := send(s, http.MethodGet, "/latest/meta-data/instance-id", "10.0.0.2", nil).Code; code != 401 {
		t.Errorf("IMDS-01 without a token: %d", code)
	}
	tests := []struct {
		name, from, token string
		want              int
	}{
		{"good", "10.0.0.2", good, 200},
		{"another instance's", "10.0.0.3", good, 401},
		{"altered", "10.0.0.2", "B" + good[1:], 401},
		{"cut", "10.0.0.2", good[:20], 401},
		{"garbage", "10.0.0.2", "!", 401},
		{"another service's", "10.0.0.2", New(Options{}).newToken(now.Add(time.Hour), "10.0.0.2"), 401},
	}
	for _, test := range tests {
		if code := get(test.from, test.token); code != test.want {
			t.Errorf("%s: got %d, want %d", test.name, code, test.want)
		}
	}
	*now = now.Add(59 * time.Second)
	if code := get("10.0.0.2", good); code != 200 {
		t.Errorf("a second before its end: %d", code)
	}
	*now = now.Add(time.Second)
	if code := get("10.0.0.2", good); code != 401 {
		t.Errorf("after its end: %d", code)
	}
}

func TestPaths(t *testing.T) {
	s, _, _ := newService(t)
	headers := map[string]string{tokenHeader: token(t, s, "10.0.0.2")}
	id := InstanceID("10.0.0.2")
	tests := []struct {
		path, want string
		status     int
	}{
		{"/latest", "dynamic/\nmeta-data/", 200},
		{"/latest/", "dynamic/\nmeta-data/", 200},
		{"/latest/meta-data/", "iam/\ninstance-id\nlocal-ipv4\nplacement/", 200},
		{"/latest/meta-data/iam/security-credentials/", "epi-node", 200},
		{"/latest/meta-data/iam/security-credentials", "epi-node", 200},
		{"/latest/meta-data/instance-id", id, 200},
		{"/latest/meta-data/local-ipv4", "10.0.0.2", 200},
		{"/latest/meta-data/placement/", "availability-zone\nregion", 200},
		{"/latest/meta-data/placement/region", "us-west-2", 200},
		{"/latest/meta-data/placement/availability-zone", "us-west-2a", 200},
		{"/latest/meta-data/iam/security-credentials/other", "404 - Not Found\n", 404},
		{"/latest/user-data", "404 - Not Found\n", 404},
		{"/latest/meta-data/iam-eks-1/info", "404 - Not Found\n", 404},
		{"/", "404 - Not Found\n", 404},
		{"/latest/meta-data/instance-id/x", "404 - Not Found\n", 404},
	}
	for _, test := range tests {
		w := send(s, http.MethodGet, test.path, "10.0.0.2", headers)
		if w.Code != test.status || w.Body.String() != test.want {
			t.Errorf("%s: got %d %q", test.path, w.Code, w.Body)
		}
	}
	if w := send(s, http.MethodPost, "/latest/meta-data/instance-id", "10.0.0.2", headers); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	if len(id) != 19 || id == InstanceID("10.0.0.3") {
		t.Errorf("instance ID %q", id)
	}
	var document map[string]any
	w := send(s, http.MethodGet, "/latest/dynamic/instance-identity/document", "10.0.0.2", headers)
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || document["region"] != "us-west-2" || document["instanceId"] != id || document["accountId"] != "123456789012" {
		t.Errorf("got %v, %v", document, err)
	}
}

func TestCredentialsRotate(t *testing.T) {
	s, r, now := newService(t)
	key := func(from string) string {
		t.Helper()
		headers := map[string]string{tokenHeader: token(t, s, from)}
		w := send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", from, headers)
		var c map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
			t.Fatalf("%d %s: %v", w.Code, w.Body, err)
		}
		if c["Code"] != "Success" || c["Type"] != "AWS-HMAC" || c["Token"] != "session" || c["SecretAccessKey"] != "secret" {
			t.Errorf("got %v", c)
		}
		return c["AccessKeyId"]
	}
	first := key("10.0.0.2")
	if other := key("10.0.0.3"); other == first {
		t.Error("two instances share credentials")
	}
	*now = now.Add(5 * time.Hour)
	if again := key("10.0.0.2"); again != first {
		t.Error("rotated with an hour left")
	}
	*now = now.Add(time.Second)
	if again := key("10.0.0.2"); again == first {
		t.Error("not rotated with less than an hour left")
	}
	if want := []string{InstanceID("10.0.0.2"), InstanceID("10.0.0.3"), InstanceID("10.0.0.2")}; strings.Join(r.made, " ") != strings.Join(want, " ") {
		t.Errorf("made for %v, want %v", r.made, want)
	}
	*now, r.err = now.Add(7*time.Hour), errors.New("no such role")
	headers := map[string]string{tokenHeader: token(t, s, "10.0.0.2")}
	if w := send(s, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "10.0.0.2", headers); w.Code != 500 || strings.Contains(w.Body.String(), "role") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// The SDK that the agent uses gets along with it.
func TestSDK(t *testing.T) {
	s, _, _ := newService(t)
	server := httptest.NewServer(s)
	defer server.Close()
	client := awsimds.New(awsimds.Options{Endpoint: server.URL, EnableFallback: 0})
	region, err := client.GetRegion(t.Context(), nil)
	if err != nil || region.Region != "us-west-2" {
		t.Errorf("region %v, %v", region, err)
	}
	document, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || document.AccountID != "123456789012" || document.InstanceID != InstanceID("127.0.0.1") {
		t.Errorf("document %v, %v", document, err)
	}
	got, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "ASIA1" || got.SessionToken != "session" || !got.CanExpire {
		t.Errorf("credentials of %s, %v", got.AccessKeyID, err)
	}
}
