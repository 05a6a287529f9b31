package eks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkListPodIdentityAssociations gets pages of 100 of 5,000 associations, from the middle of the list.
func BenchmarkListPodIdentityAssociations(b *testing.B) {
	f := newFixture(b)
	if err := f.service.SetAssociationLimit(5000); err != nil {
		b.Fatal(err)
	}
	const path = "/clusters/blue/pod-identity-associations"
	serve := func(method, path, body string) string {
		w := httptest.NewRecorder()
		f.service.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if w.Code != http.StatusOK {
			b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	for n := range 5000 {
		serve("POST", path, fmt.Sprintf(`{"namespace":"default","serviceAccount":"app-%d","roleArn":%q}`, n, good))
	}
	page := path + "?maxResults=100"
	for range 20 {
		_, token, found := strings.Cut(serve("GET", page, ""), `"nextToken":"`)
		if !found {
			b.Fatal("the list has ended")
		}
		page = path + "?maxResults=100&nextToken=" + token[:strings.IndexByte(token, '"')]
	}
	b.ReportAllocs()
	for b.Loop() {
		serve("GET", page, "")
	}
}
