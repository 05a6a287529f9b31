package eks

import (
	"encoding/json"
	"maps"
	"testing"
)

// TestMembersOfErrors: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html#API_CreatePodIdentityAssociation_Errors
func TestMembersOfErrors(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	blue := map[string]string{"clusterName": "blue"}
	tests := []struct {
		name, method, path, body, code string
		denied                         string
		want                           map[string]string
	}{
		{"wrong parameter", "POST", path, `{}`, codeInvalidParameter, "", blue},
		{"wrong request", "POST", path, `{`, codeInvalidRequest, "", blue},
		{"no such association", "GET", path + "/a-00000000000000000", "", codeNotFound, "", blue},
		{"no such cluster", "GET", "/clusters/green", "", codeNotFound, "", map[string]string{"clusterName": "green"}},
		{"in use", "POST", path, `{"namespace":"default","serviceAccount":"app","roleArn":"` + good + `"}`, codeInUse, "", blue},
		{"not about a cluster", "GET", "/clusters?maxResults=0", "", codeInvalidParameter, "", nil},
		{"access denied has none", "GET", path, "", codeAccessDenied, "eks:ListPodIdentityAssociations", nil},
	}
	f := newFixture(t)
	f.create(t, "default", "app")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.rights.denied = map[string]bool{test.denied: true}
			_, code, text := f.send(t, test.method, test.path, test.body)
			var members map[string]string
			if err := json.Unmarshal([]byte(text), &members); err != nil {
				t.Fatal(err)
			}
			message := members["message"]
			delete(members, "message")
			if code != test.code || message == "" || !maps.Equal(members, test.want) {
				t.Errorf("got %s %s", code, text)
			}
		})
	}
}
