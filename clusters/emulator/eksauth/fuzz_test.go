package eksauth

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequests sends paths and bodies. No request ends in a server's error, only the test's own token gets a session, and
// no answer repeats it.
func FuzzRequests(f *testing.F) {
	const path = "/clusters/blue/assume-role-for-pod-identity"
	s := newSigner()
	good := s.token(nil)
	// The comparison leaves out the signature's last characters, whose unused bits have no effect.
	signed := good[:len(good)-4]
	w := newWorld(f, s)
	service := w.service()
	for _, seed := range [][2]string{
		{path, `{"token":"` + good + `"}`}, {path, `{"token":"a.b.c"}`}, {path, `{"token":7}`}, {path, `{"token":null}`}, {path, `{"token":"x","token":""}`},
		{path, ``}, {path, `[]`}, {path, `{"token":"` + strings.Repeat("a", 4096) + `"}`}, {path, "\xff"},
		{"/clusters/green/assume-role-for-pod-identity", `{"token":"` + good + `"}`}, {"/clusters/%2e%2e/assume-role-for-pod-identity", `{}`},
		{"/clusters/a%2Fb/assume-role-for-pod-identity", `{}`}, {"//", ``}, {"/", `{}`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, target, body string) {
		// httptest.NewRequest panics on requests that no HTTP server would accept.
		if strings.ContainsAny(target, " \r\n\t") || !strings.HasPrefix(target, "/") {
			t.Skip("not a request line")
		}
		if _, err := url.ParseRequestURI(target); err != nil {
			t.Skip("not a request line")
		}
		answer := httptest.NewRecorder()
		service.ServeHTTP(answer, httptest.NewRequest("POST", target, strings.NewReader(body)))
		switch code := answer.Header().Get("x-amzn-ErrorType"); {
		case answer.Code == 200:
			var in struct {
				Token string `json:"token"`
			}
			if err := json.Unmarshal([]byte(body), &in); err != nil || !strings.HasPrefix(in.Token, signed) {
				t.Errorf("a session for %q", body)
			}
		case answer.Code >= 500 || code == "":
			t.Errorf("got %d %q %s", answer.Code, code, answer.Body)
		}
		if strings.Contains(answer.Body.String(), good) {
			t.Errorf("the answer has the token: %s", answer.Body)
		}
	})
}
