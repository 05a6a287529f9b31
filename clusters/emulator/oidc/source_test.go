package oidc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/oidc"
)

func TestReadSet(t *testing.T) {
	const set = `{"keys":[]}`
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, set) }))
	t.Cleanup(other.Close)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	discovery := func(path, issuer, jwks string) {
		mux.HandleFunc(path+"/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, jwks)
		})
	}
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, set) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) })
	mux.Handle("/near", http.RedirectHandler("/jwks", http.StatusFound))
	mux.Handle("/far", http.RedirectHandler(other.URL, http.StatusFound))
	discovery("/good", server.URL+"/good", server.URL+"/jwks")
	discovery("/liar", server.URL+"/good", server.URL+"/jwks")
	discovery("/elsewhere", server.URL+"/elsewhere", other.URL)
	mux.HandleFunc("/broken/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "{") })
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, issuer, location, problem string }{
		{"a file", "https://issuer", file, ""},
		{"a URL", "https://issuer", server.URL + "/jwks", ""},
		{"a redirect on the host", "https://issuer", server.URL + "/near", ""},
		{"discovered", server.URL + "/good", "", ""},
		{"no file", "https://issuer", file + "2", "no such file"},
		{"not found", "https://issuer", server.URL + "/nothing", "404"},
		{"a redirect to another host", "https://issuer", server.URL + "/far", "another host"},
		{"too long", "https://issuer", server.URL + "/long", "more than"},
		{"a password in the URL", "https://issuer", "http://me:secret@127.0.0.1/jwks", "without a password"},
		{"another issuer answers", server.URL + "/liar", "", "it says that it is"},
		{"keys on another host", server.URL + "/elsewhere", "", "another host"},
		{"no JSON", server.URL + "/broken", "", "read /.well-known"},
		{"an issuer that is no URL to get", "kubernetes/serviceaccount", "", "no http or https URL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := oidc.ReadSet(t.Context(), test.issuer, test.location)
			switch {
			case test.problem == "" && (err != nil || string(got) != set):
				t.Errorf("got %q, %v", got, err)
			case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
				t.Errorf("error %v, want %q in it", err, test.problem)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}
