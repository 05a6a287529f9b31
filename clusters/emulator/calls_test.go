package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseksauth "github.com/aws/aws-sdk-go-v2/service/eksauth"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// TestCallsOfAToken: how a spec checks "exactly one call to EKS Auth for this pod's token", from the AWS API to the control
// API's client.
func TestCallsOfAToken(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.associate(t, "app", w.role(t, "app", seedTrust, ""), nil)
	node := w.node(t)
	ask := func(token string) {
		_, _ = node.eksauth.AssumeRoleForPodIdentity(ctx, &awseksauth.AssumeRoleForPodIdentityInput{ClusterName: aws.String(clusterName), Token: &token}) // the call log shows the result
	}
	once, twice, denied := w.token("app", "once", nil), w.token("app", "twice", nil), w.token("nobody", "denied", nil)
	for _, token := range []string{twice, once, denied, twice} {
		ask(token)
	}
	const pod = clusterName + "/default/"
	tests := []struct {
		name, token string
		want        int
		subject     string
		status      int
	}{
		{"asked once", once, 1, pod + "app/once", 200},
		{"asked twice", twice, 2, pod + "app/twice", 200},
		{"refused", denied, 1, pod + "nobody/denied", 404},
		{"not asked", w.token("app", "other", nil), 0, "", 0},
	}
	for _, test := range tests {
		found, err := w.control.CallsWhere(ctx, control.Query{Operation: "AssumeRoleForPodIdentity", Token: control.Fingerprint(test.token)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Calls) != test.want {
			t.Errorf("%s: %d calls, not %d: %+v", test.name, len(found.Calls), test.want, found.Calls)
		}
		for _, call := range found.Calls {
			if call.Service != "eks-auth" || call.Subject != test.subject || call.Status != test.status {
				t.Errorf("%s: %+v", test.name, call)
			}
		}
	}
}
