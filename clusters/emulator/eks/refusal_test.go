package eks

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
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

func TestFaultIsAnsweredBeforeAnythingIsDone(t *testing.T) {
	f := newFixture(t)
	set := faults.New(faults.Options{})
	if _, err := set.Add(faults.Rule{Operation: "CreatePodIdentityAssociation", Error: &faults.Refusal{Code: "ThrottlingException", Status: 429, Message: "Slow down."}}); err != nil {
		t.Fatal(err)
	}
	call := &journal.Call{Service: "eks"}
	r := httptest.NewRequest("POST", "/clusters/blue/pod-identity-associations", strings.NewReader("{"))
	r = r.WithContext(faults.NewContext(journal.NewContext(t.Context(), call), set))
	w := httptest.NewRecorder()
	f.service.ServeHTTP(w, r)
	if w.Code != 429 || w.Header().Get("x-amzn-ErrorType") != "ThrottlingException" || w.Body.String() != `{"message":"Slow down."}` {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if call.ErrorCode != "ThrottlingException" || call.Fault == "" || len(f.rights.asked) > 0 {
		t.Errorf("journal %+v, asked %v", call, f.rights.asked)
	}
}

func TestOperations(t *testing.T) {
	if got := Operations(); !slices.IsSorted(got) || !slices.Contains(got, "CreatePodIdentityAssociation") || len(slices.Compact(got)) != len(new(Service).routes()) {
		t.Errorf("got %v", got)
	}
}
