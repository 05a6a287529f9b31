package eks

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequests sends bodies and paths to every operation: none may fail as the server's fault, and
// what is refused changes nothing.
func FuzzRequests(f *testing.F) {
	const associations = "/clusters/blue/pod-identity-associations"
	for _, seed := range [][3]string{
		{"POST", associations, `{"namespace":"default","serviceAccount":"app","roleArn":"` + good + `","tags":{"a":"b"},"clientRequestToken":"t"}`},
		{"POST", associations, `{"namespace":"default","serviceAccount":"b.c","roleArn":"` + good + `","disableSessionTags":true,"policy":"{}","targetRoleArn":"` + good + `"}`},
		{"POST", associations + "/" + firstID, `{"roleArn":null,"disableSessionTags":false,"policy":""}`},
		{"GET", associations + "?maxResults=1&namespace=default&nextToken=AAAA", ""},
		{"GET", associations + "/" + firstID, ""},
		{"DELETE", associations + "/" + firstID, "{}"},
		{"GET", "/clusters?include=all", ""},
		{"GET", "/clusters/blue", ""},
		{"POST", "/tags/arn%3Aaws%3Aeks%3Aus-west-2%3A123456789012%3Acluster%2Fblue", `{"tags":{"a":"b"}}`},
		{"DELETE", "/tags/arn%3Aaws%3Aeks%3Aus-west-2%3A123456789012%3Acluster%2Fblue?tagKeys=a&tagKeys=b", ""},
		{"GET", "/tags/arn%3Aaws%3Aeks%3A", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	keys := jwks(f)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		// httptest.NewRequest panics on what no HTTP server would let through.
		if strings.ContainsAny(method+target, " \r\n\t") || !strings.HasPrefix(target, "/") || !token(method) {
			t.Skip("not a request line")
		}
		if _, err := url.ParseRequestURI(target); err != nil {
			t.Skip("not a request line")
		}
		s := open(t, Options{Region: "us-west-2", Account: account, Authorizer: &rights{}, Roles: roles{}})
		if err := s.RegisterCluster(Cluster{Name: "blue", Issuer: "https://issuer", JWKS: keys}); err != nil {
			t.Fatal(err)
		}
		s.state.clusters["blue"].add(&Association{Cluster: "blue", Namespace: "default", ServiceAccount: "first", ID: firstID, RoleARN: good})
		before := s.state.clusters["blue"].revision
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		if w.Code >= 500 || w.Code != 200 && w.Header().Get("x-amzn-ErrorType") == "" {
			t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
		}
		if w.Code != 200 && s.state.clusters["blue"].revision != before {
			t.Errorf("a refusal changed the associations: %d %s", w.Code, w.Body)
		}
	})
}

const firstID = "a-00000000000000001"

// token tells whether text can be a method.
func token(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
