package eks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestNextToken: a token is opaque and for the list that returned it
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html).
func TestNextToken(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	f := newFixture(t)
	for n := range 3 {
		f.create(t, "default", fmt.Sprint("app-", n))
	}
	if err := f.service.RegisterCluster(Cluster{Name: "green", Issuer: "i", JWKS: jwks()}); err != nil {
		t.Fatal(err)
	}
	token := func(path string) string {
		t.Helper()
		_, _, text := f.send(t, "GET", path, "")
		var list struct {
			NextToken string `json:"nextToken"`
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil || list.NextToken == "" {
			t.Fatalf("%s: %v", text, err)
		}
		return list.NextToken
	}
	all, filtered, clusters := token(path+"?maxResults=1"), token(path+"?maxResults=1&namespace=default"), token("/clusters?maxResults=1")
	forged := []byte(all)
	forged[0] ^= 1
	tests := []struct {
		name, path, token string
		status            int
	}{
		{"own", path + "?", all, 200},
		{"own, other page size", path + "?maxResults=2&", all, 200},
		{"own with filter", path + "?namespace=default&", filtered, 200},
		{"clusters", "/clusters?", clusters, 200},
		{"without the filter it was made with", path + "?", filtered, 400},
		{"with a filter it was made without", path + "?serviceAccount=app-1&", all, 400},
		{"of another cluster's list", "/clusters/green/pod-identity-associations?", all, 400},
		{"of another operation", "/clusters?", all, 400},
		{"altered", path + "?", string(forged), 400},
		{"made up", path + "?", base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("0", 36))), 400},
		{"short", path + "?", "AAAA", 400},
		{"not base64", path + "?", "!", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, code, text := f.send(t, "GET", test.path+"nextToken="+url.QueryEscape(test.token), "")
			if status != test.status || status == 400 && (code != codeInvalidParameter || !strings.Contains(text, "nextToken")) {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
	// A new service has other tokens.
	if _, ok := newPages().seen(httptest.NewRequest("GET", path, nil), all); ok {
		t.Error("another process took the token")
	}
}

func FuzzNextToken(f *testing.F) {
	p := newPages()
	list := httptest.NewRequest("GET", "/clusters/blue/pod-identity-associations?namespace=a", nil)
	own := p.token(list, "00000000000000000001")
	for _, seed := range []string{own, own[:10], "", "!", own + "A", own + "\n", "AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if seen, ok := p.seen(list, token); ok && token != own {
			t.Errorf("%q was taken for a token of %q", token, seen)
		}
	})
}
