package eks

import (
	"strings"
	"testing"
	"time"
)

// TestCreateToken: the reference says only that the token "ensures the idempotency of the request"
// (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html); the rest follows
// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html.
func TestCreateToken(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	body := func(token, serviceAccount, role, tags string) string {
		return `{"namespace":"default","serviceAccount":"` + serviceAccount + `","roleArn":"` + role + `","clientRequestToken":"` + token + `","tags":{` + tags + `}}`
	}
	const tags = `"a":"1","b":"2"`
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"equal request", body("t1", "app", good, tags), 200, ""},
		{"equal request, tags in another order", body("t1", "app", good, `"b":"2","a":"1"`), 200, ""},
		{"another role", body("t1", "app", good+"-2", tags), 400, codeInvalidRequest},
		{"other tags", body("t1", "app", good, `"a":"1"`), 400, codeInvalidRequest},
		{"another service account", body("t1", "other", good, tags), 400, codeInvalidRequest},
		{"another token", body("t2", "app", good, tags), 409, codeInUse},
		{"token in other case", body("T1", "app", good, tags), 409, codeInUse},
		{"no token", body("", "app", good, tags), 409, codeInUse},
	}
	f := newFixture(t)
	status, _, first := f.send(t, "POST", path, body("t1", "app", good, tags))
	if status != 200 {
		t.Fatal(first)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.now = f.now.Add(time.Second)
			status, code, text := f.send(t, "POST", path, test.body)
			if status != test.status || code != test.code || status == 200 && text != first {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
	// The token refers to the association.
	a, _ := f.service.Association("blue", "default", "app")
	if status, _, text := f.send(t, "DELETE", path+"/"+a.ID, ""); status != 200 {
		t.Fatal(text)
	}
	if status, _, text := f.send(t, "POST", path, body("t1", "app", good, tags)); status != 200 || strings.Contains(text, a.ID) {
		t.Errorf("after delete: %d %s", status, text)
	}
}

func TestUpdateToken(t *testing.T) {
	f := newFixture(t)
	path := "/clusters/blue/pod-identity-associations/" + *f.create(t, "default", "app").AssociationId
	tests := []struct {
		name, body string
		status     int
		modified   bool
	}{
		{"first", `{"clientRequestToken":"t1","disableSessionTags":true}`, 200, true},
		{"equal request", `{"clientRequestToken":"t1","disableSessionTags":true}`, 200, false},
		{"same token, other parameters", `{"clientRequestToken":"t1","disableSessionTags":false}`, 400, false},
		{"another token", `{"clientRequestToken":"t2","disableSessionTags":true}`, 200, true},
		{"no token", `{"disableSessionTags":true}`, 200, true},
		{"no token again", `{"disableSessionTags":true}`, 200, true},
		{"nothing but a token", `{"clientRequestToken":"t3"}`, 400, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, _ := f.service.Association("blue", "default", "app")
			f.now = f.now.Add(time.Second)
			status, code, text := f.send(t, "POST", path, test.body)
			after, _ := f.service.Association("blue", "default", "app")
			if status != test.status || after.Modified.Equal(before.Modified) == test.modified {
				t.Errorf("got %d %s %s, modified %v", status, code, text, after.Modified)
			}
		})
	}
}
