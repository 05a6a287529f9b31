package eks

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	stdpath "path"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const (
	account = "123456789012"
	blueARN = "arn:aws:eks:us-west-2:123456789012:cluster/blue"
	good    = "arn:aws:iam::123456789012:role/epi-bucket-user"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rights allows every action that it does not list. It implements Authorizer.
type rights struct {
	denied map[string]bool
	asked  []string
	keys   map[string]map[string][]string
}

func (a *rights) Authorize(_ context.Context, action, resource string, keys map[string][]string) error {
	a.asked = append(a.asked, action+" "+resource)
	if a.keys == nil {
		a.keys = map[string]map[string][]string{}
	}
	a.keys[action] = keys
	if a.denied[action] {
		return fmt.Errorf("User: me is not authorized to perform: %s on resource: %s", action, resource)
	}
	return nil
}

// roles implements Roles: role "gone" does not exist, role "ec2" trusts another service.
type roles struct{}

func (roles) CheckTrust(_ context.Context, arn string) error {
	switch {
	case strings.HasSuffix(arn, "/gone"):
		return ErrNoRole
	case strings.HasSuffix(arn, "/ec2"):
		return ErrTrust
	}
	return nil
}

func (roles) CheckRole(_ context.Context, arn, _ string) error {
	if strings.HasSuffix(arn, "/gone") {
		return ErrNoRole
	}
	return nil
}

func (roles) CheckSessionPolicy(document string) error {
	if !json.Valid([]byte(document)) {
		return errors.New("1:1: not JSON")
	}
	return nil
}

func open(t testing.TB, options Options) *Service {
	t.Helper()
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type fixture struct {
	service *Service
	client  *awseks.Client
	url     string
	rights  *rights
	now     time.Time
}

// newFixture serves the cluster blue.
func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := newFixtureWith(t, Options{})
	f.register(t)
	return f
}

// newFixtureWith sets the options that all tests share.
func newFixtureWith(t testing.TB, options Options) *fixture {
	t.Helper()
	f := &fixture{rights: &rights{}, now: created}
	options.Region, options.Account, options.Authorizer, options.Roles = "us-west-2", account, f.rights, roles{}
	options.Now, options.AssociationLimit = func() time.Time { return f.now }, 3
	f.service = open(t, options)
	server := httptest.NewServer(f.service)
	t.Cleanup(server.Close)
	f.url = server.URL
	f.client = awseks.New(awseks.Options{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1})
	return f
}

func (f *fixture) register(t testing.TB) {
	t.Helper()
	err := f.service.RegisterCluster(Cluster{
		Name: "blue", Issuer: "https://issuer", JWKS: jwks(), Created: created, Endpoint: "https://10.0.0.1:6443", Version: "1.36",
		CertificateAuthority: []byte("PEM"), ServiceCIDR: "10.96.0.0/16",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func jwks() []byte { return oidctest.Issuer{Key: oidctest.EC(elliptic.P256())}.KeySet() }

func (f *fixture) send(t *testing.T, method, path, body string) (status int, errorType, text string) {
	t.Helper()
	r, err := http.NewRequest(method, f.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header.Get("x-amzn-ErrorType"), string(data)
}

func TestRefusals(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	create := func(changes string) string {
		in := map[string]any{"namespace": "default", "serviceAccount": "app", "roleArn": good}
		if err := json.Unmarshal([]byte(changes), &in); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	many := func(n int) string {
		tags := map[string]string{}
		for i := range n {
			tags[fmt.Sprint(i)] = "v"
		}
		data, err := json.Marshal(map[string]any{"tags": tags})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	// Codes and status: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html and the
	// pages of the other operations. Rows with ASC are of the requirement catalogue.
	tests := []struct {
		name, method, path, body string
		status                   int
		code, text               string
	}{
		{"ASC-05 role without trust", "POST", path, create(`{"roleArn":"arn:aws:iam::123456789012:role/ec2"}`), 400, codeInvalidParameter, "Trust policy of the role provided is invalid"},
		{"ASC-05 missing role", "POST", path, create(`{"roleArn":"arn:aws:iam::123456789012:role/gone"}`), 400, codeInvalidParameter, "does not exist"},
		{"ASC-05 role of another account", "POST", path, create(`{"roleArn":"arn:aws:iam::999999999999:role/x"}`), 400, codeInvalidParameter, "another account"},
		{"not a role ARN", "POST", path, create(`{"roleArn":"epi-bucket-user"}`), 400, codeInvalidParameter, "roleArn is not the ARN"},
		{"user's ARN", "POST", path, create(`{"roleArn":"arn:aws:iam::123456789012:user/x"}`), 400, codeInvalidParameter, "roleArn is not the ARN"},
		{"no role", "POST", path, create(`{"roleArn":""}`), 400, codeInvalidParameter, "roleArn is required"},
		{"no namespace", "POST", path, create(`{"namespace":""}`), 400, codeInvalidParameter, "namespace is required"},
		{"namespace no DNS label", "POST", path, create(`{"namespace":"a/b"}`), 400, codeInvalidParameter, "namespace must be"},
		{"no service account", "POST", path, create(`{"serviceAccount":""}`), 400, codeInvalidParameter, "serviceAccount is required"},
		{"service account with a wildcard", "POST", path, create(`{"serviceAccount":"*"}`), 400, codeInvalidParameter, "serviceAccount must be"},
		{"target is not a role", "POST", path, create(`{"targetRoleArn":"x"}`), 400, codeInvalidParameter, "targetRoleArn is not"},
		{"ASC-11 policy with session tags", "POST", path, create(`{"policy":"{}"}`), 400, codeInvalidParameter, "disableSessionTags is true"},
		{"malformed policy", "POST", path, create(`{"policy":"{","disableSessionTags":true}`), 400, codeInvalidParameter, "policy is not valid: 1:1"},
		{"long policy", "POST", path, create(`{"policy":"` + strings.Repeat(" ", 2049) + `","disableSessionTags":true}`), 400, codeInvalidParameter, "2048"},
		{"51 tags", "POST", path, create(many(51)), 400, codeInvalidParameter, "51 tags"},
		{"reserved tag", "POST", path, create(`{"tags":{"AWS:x":"y"}}`), 400, codeInvalidParameter, "reserved"},
		{"long tag key", "POST", path, create(`{"tags":{"` + strings.Repeat("ä", 129) + `":"y"}}`), 400, codeInvalidParameter, "128"},
		{"long tag value", "POST", path, create(`{"tags":{"x":"` + strings.Repeat("ä", 257) + `"}}`), 400, codeInvalidParameter, "256"},
		{"not JSON", "POST", path, `{`, 400, codeInvalidRequest, "not valid JSON"},
		{"wrong type", "POST", path, `{"namespace":1}`, 400, codeInvalidRequest, "namespace"},
		{"no such cluster", "POST", "/clusters/green/pod-identity-associations", create(`{}`), 404, codeNotFound, "No cluster found for name: green."},
		{"describe: no such cluster", "GET", "/clusters/green", "", 404, codeNotFound, "No cluster found for name: green."},
		{"list: no such cluster", "GET", "/clusters/green/pod-identity-associations", "", 404, codeNotFound, "No cluster found"},
		{"list: maxResults 0", "GET", path + "?maxResults=0", "", 400, codeInvalidParameter, "between 1 and 100"},
		{"list: maxResults 101", "GET", path + "?maxResults=101", "", 400, codeInvalidParameter, "between 1 and 100"},
		{"list: maxResults a word", "GET", path + "?maxResults=x", "", 400, codeInvalidParameter, "between 1 and 100"},
		{"list: foreign token", "GET", path + "?nextToken=!", "", 400, codeInvalidParameter, "nextToken"},
		{"list: maxResults empty", "GET", path + "?maxResults=", "", 400, codeInvalidParameter, "between 1 and 100"},
		{"list clusters: maxResults 101", "GET", "/clusters?maxResults=101", "", 400, codeInvalidParameter, "between 1 and 100"},
		// API_ListClusters: "'all' must be in lowercase otherwise an error occurs"
		{"list clusters: include in capitals", "GET", "/clusters?include=ALL", "", 400, codeInvalidParameter, "include must be all"},
		{"no such association", "GET", path + "/a-00000000000000000", "", 404, codeNotFound, "a-00000000000000000"},
		{"short ID", "GET", path + "/a-1", "", 400, codeInvalidParameter, "should be 19 characters long"},
		{"update nothing", "POST", path + "/a-00000000000000000", "{}", 400, codeInvalidParameter, "At least one"},
		{"update: no such association", "POST", path + "/a-00000000000000000", `{"disableSessionTags":true}`, 404, codeNotFound, "No pod identity association"},
		{"delete: no such association", "DELETE", path + "/a-00000000000000000", "", 404, codeNotFound, "No pod identity association"},
		{"unknown operation", "PUT", path, "{}", 404, "UnknownOperationException", "no operation PUT"},
		{"unclean path", "GET", "/clusters//blue", "", 404, "UnknownOperationException", "no operation"},
		{"dots in path", "GET", "/clusters/x/../blue", "", 404, "UnknownOperationException", "no operation"},
	}
	f := newFixture(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, code, text := f.send(t, test.method, test.path, test.body)
			if status != test.status || code != test.code || !strings.Contains(text, test.text) {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
}

func TestAuthorization(t *testing.T) {
	const association = "arn:aws:eks:us-west-2:123456789012:podidentityassociation/blue/a-00000000000000000"
	const path = "/clusters/blue/pod-identity-associations"
	body := `{"namespace":"default","serviceAccount":"app","roleArn":"` + good + `","tags":{"team":"a"}}`
	// Resource types: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
	tests := []struct{ action, resource, method, path, body string }{
		// Users quote refusals with this resource: "eks:ListClusters on resource: arn:aws:eks:…:cluster/*".
		{"eks:ListClusters", "arn:aws:eks:us-west-2:123456789012:cluster/*", "GET", "/clusters", ""},
		{"eks:DescribeCluster", blueARN, "GET", "/clusters/blue", ""},
		{"eks:CreatePodIdentityAssociation", blueARN, "POST", path, body},
		{"iam:PassRole", good, "POST", path, body},
		// Seen with eksctl: https://github.com/aws/karpenter-provider-aws/pull/5544
		{"eks:TagResource", "arn:aws:eks:us-west-2:123456789012:podidentityassociation/blue/*", "POST", path, body},
		{"iam:PassRole", good, "POST", path + "/a-00000000000000000", `{"roleArn":"` + good + `"}`},
		{"eks:ListPodIdentityAssociations", blueARN, "GET", path, ""},
		{"eks:DescribePodIdentityAssociation", association, "GET", path + "/a-00000000000000000", ""},
		{"eks:UpdatePodIdentityAssociation", association, "POST", path + "/a-00000000000000000", `{"disableSessionTags":true}`},
		{"eks:ListTagsForResource", blueARN, "GET", "/tags/" + url.PathEscape(blueARN), ""},
		{"eks:TagResource", blueARN, "POST", "/tags/" + url.PathEscape(blueARN), `{"tags":{}}`},
		{"eks:UntagResource", blueARN, "DELETE", "/tags/" + url.PathEscape(blueARN) + "?tagKeys=a", ""},
		{"eks:DeletePodIdentityAssociation", association, "DELETE", path + "/a-00000000000000000", ""},
	}
	for _, test := range tests {
		t.Run(test.action, func(t *testing.T) {
			f := newFixture(t)
			f.rights.denied = map[string]bool{test.action: true}
			status, code, text := f.send(t, test.method, test.path, test.body)
			if status != 403 || code != codeAccessDenied || !strings.Contains(text, "not authorized to perform: "+test.action) {
				t.Errorf("got %d %s %s", status, code, text)
			}
			last := f.rights.asked[len(f.rights.asked)-1]
			if matched, err := stdpath.Match(test.action+" "+test.resource, last); err != nil || !matched {
				t.Errorf("asked %q, %v", last, err)
			}
		})
	}
}
