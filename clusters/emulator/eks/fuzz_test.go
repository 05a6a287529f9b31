package eks

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzRequests sends bodies and paths to every operation. No request may end in a server's error, and a refused request
// changes nothing.
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
		{"GET", "/tags/arn%3Aaws%3Aeks%3Aus-west-2%3A123456789012%3Aaddon%2Fblue%2Fvpc-cni%2Fx", ""},
		{"POST", "/clusters/blue/addons", `{"addonName":"adot","configurationValues":"collector: {}","podIdentityAssociations":[{"serviceAccount":"adot-col-container-logs","roleArn":"` + good + `"}]}`},
		{"POST", "/clusters/blue/addons", `{"addonName":"adot","namespaceConfig":{"namespace":"default"},"podIdentityAssociations":[{"serviceAccount":"adot-col-prom-metrics","roleArn":"` + good + `"},{"serviceAccount":"adot-col-otlp-ingest","roleArn":"` + good + `"}]}`},
		{"POST", "/clusters/blue/addons/vpc-cni/update", `{"addonVersion":"v1.19.5-eksbuild.1","resolveConflicts":"NONE","podIdentityAssociations":[]}`},
		{"DELETE", "/clusters/blue/addons/vpc-cni?preserve=true", ""},
		{"GET", "/clusters/blue/addons?maxResults=1", ""},
		{"GET", "/addons/supported-versions?addonName=coredns&kubernetesVersion=1.36&types=networking", ""},
		{"GET", "/addons/configuration-schemas?addonName=coredns&addonVersion=v1.12.1-eksbuild.2", ""},
		{"GET", "/clusters/blue/updates?addonName=vpc-cni", ""},
		{"GET", "/clusters/blue/updates/u?name=x&nodegroupName=y", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	keys := jwks()
	f.Fuzz(func(t *testing.T, method, target, body string) {
		// httptest.NewRequest panics on requests that no HTTP server would accept.
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
		s.state.clusters["blue"].add(&Association{Cluster: "blue", Namespace: "default", ServiceAccount: "adot-col-otlp-ingest", ID: firstID, RoleARN: good})
		cni := httptest.NewRecorder()
		s.ServeHTTP(cni, httptest.NewRequest("POST", "/clusters/blue/addons", strings.NewReader(`{"addonName":"vpc-cni","podIdentityAssociations":[{"serviceAccount":"aws-node","roleArn":"`+good+`"}]}`)))
		if cni.Code != 200 {
			t.Fatal(cni.Body)
		}
		before := everything(s)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		if w.Code >= 500 || w.Code != 200 && w.Header().Get("x-amzn-ErrorType") == "" {
			t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
		}
		if after := everything(s); w.Code != 200 && after != before {
			t.Errorf("%d %s changed\n%s\nto\n%s", w.Code, w.Body, before, after)
		}
	})
}

const firstID = "a-00000000000000001"

// everything is all that the service knows of the cluster blue.
func everything(s *Service) string {
	c := s.state.clusters["blue"]
	lines := []string{fmt.Sprint(c.tags)}
	for _, a := range c.byID {
		lines = append(lines, fmt.Sprintf("%+v", *a))
	}
	for _, a := range c.addons {
		lines = append(lines, fmt.Sprintf("%+v", *a))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// token says whether text can be an HTTP method.
func token(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
