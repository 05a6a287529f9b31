package imds

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

type constantRole struct{}

func (constantRole) InstanceCredentials(context.Context, Delivery) (Credentials, error) {
	return Credentials{"ASIA", "fuzz-secret", "fuzz-session", time.Now().Add(6 * time.Hour)}, nil
}

// FuzzServe: every request gets one of the documented answers, and no request without a token gets data.
func FuzzServe(f *testing.F) {
	f.Add("PUT", "/latest/api/token", "", "60", "")
	f.Add("PUT", "/latest/api/token", "", "60", "10.0.0.1")
	f.Add("GET", "/latest/meta-data/iam/security-credentials/epi-node", "AAAA", "", "")
	f.Add("GET", "/latest/meta-data/iam/security-credentials/epi-node/", "good", "", "")
	f.Add("HEAD", "/2021-03-23/dynamic/instance-identity/document", "good", "", "")
	f.Add("GET", "/", "good", "", "")
	f.Add("GET", "/latest/meta-data/network/interfaces/macs//..", "good", "", "")
	f.Add("TRACE", "//latest", "good", "", "")
	f.Fuzz(func(t *testing.T, method, path, token, ttl, forwarded string) {
		s := New(Options{Region: "us-west-2", Account: "123456789012", RoleName: "epi-node", Role: constantRole{}})
		good := s.newToken(time.Now().Add(time.Hour), netip.MustParseAddr("10.0.0.2"))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL.Path, r.RemoteAddr = method, path, "10.0.0.2:40000"
		switch token {
		case "":
		case "good":
			r.Header.Set(tokenHeader, good)
		default:
			r.Header.Set(tokenHeader, token)
		}
		if ttl != "" {
			r.Header.Set(ttlHeader, ttl)
		}
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		body := w.Body.String()
		switch w.Code {
		case http.StatusOK:
			isToken := path == "/latest/api/token" && method == http.MethodPut && forwarded == ""
			if !isToken && token != "good" {
				t.Fatalf("%s %s is answered without a token: %s", method, path, body)
			}
			if isToken && strings.TrimLeft(ttl, "0") != w.Header().Get(ttlHeader) {
				t.Fatalf("TTL %q became %q", ttl, w.Header().Get(ttlHeader))
			}
			if strings.Contains(body, "fuzz-secret") && operation(path) != getCredentials {
				t.Fatalf("%s gives credentials", path)
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		default:
			t.Fatalf("%s %q: %d", method, path, w.Code)
		}
	})
}
