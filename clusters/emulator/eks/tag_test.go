package eks

import (
	"fmt"
	"testing"
)

// TestConditionKeys: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
// and, for iam:PassedToService, https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html.
func TestConditionKeys(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	f := newFixture(t)
	f.service.state.clusters["blue"].tags = map[string]string{"env": "test"}
	body := `{"namespace":"default","serviceAccount":"app","roleArn":"` + good + `","tags":{"team":"a","cost":"b"}}`
	if status, _, text := f.send(t, "POST", path, body); status != 200 {
		t.Fatal(text)
	}
	a, _ := f.service.Association("blue", "default", "app")
	const cluster, own = "aws:ResourceTag/env:[test]", "aws:ResourceTag/cost:[b] aws:ResourceTag/team:[a]"
	const requested = "aws:RequestTag/cost:[b] aws:RequestTag/team:[a]"
	tests := []struct{ action, method, path, body, want string }{
		{"eks:CreatePodIdentityAssociation", "", "", "", requested + " " + cluster + " aws:TagKeys:[cost team]"},
		{"eks:TagResource", "", "", "", requested + " aws:TagKeys:[cost team]"},
		{"iam:PassRole", "", "", "", "iam:PassedToService:[pods.eks.amazonaws.com]"},
		{"eks:ListPodIdentityAssociations", "GET", path, "", cluster},
		{"eks:DescribeCluster", "GET", "/clusters/blue", "", cluster},
		{"eks:DescribePodIdentityAssociation", "GET", path + "/" + a.ID, "", own},
		{"eks:UpdatePodIdentityAssociation", "POST", path + "/" + a.ID, `{"disableSessionTags":true}`, own},
		{"eks:DeletePodIdentityAssociation", "DELETE", path + "/" + a.ID, "", own},
	}
	for _, test := range tests {
		t.Run(test.action, func(t *testing.T) {
			if test.method != "" {
				if status, _, text := f.send(t, test.method, test.path, test.body); status != 200 {
					t.Fatal(text)
				}
			}
			if got := fmt.Sprint(f.rights.keys[test.action]); got != "map["+test.want+"]" {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
