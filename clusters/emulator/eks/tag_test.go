package eks

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
)

// TestConditionKeys: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
// and, for iam:PassedToService, https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html.
func TestConditionKeys(t *testing.T) {
	const path = "/clusters/blue/pod-identity-associations"
	f := newFixture(t)
	if status, _, text := f.send(t, "POST", "/tags/"+url.PathEscape(blueARN), `{"tags":{"env":"test"}}`); status != 200 {
		t.Fatal(text)
	}
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
		{"iam:PassRole", "", "", "", "iam:AssociatedResourceArn:[" + blueARN + "] iam:PassedToService:[pods.eks.amazonaws.com]"},
		{"iam:PassRole", "POST", path + "/" + a.ID, `{"roleArn":"` + good + `"}`, "iam:AssociatedResourceArn:[" + blueARN + "] iam:PassedToService:[pods.eks.amazonaws.com]"},
		{"iam:PassRole", "POST", "/clusters/blue/addons", `{"addonName":"vpc-cni","serviceAccountRoleArn":"` + good + `"}`, "iam:AssociatedResourceArn:[" + blueARN + "] iam:PassedToService:[eks.amazonaws.com]"},
		{"eks:ListPodIdentityAssociations", "GET", path, "", cluster},
		{"eks:DescribeCluster", "GET", "/clusters/blue", "", cluster},
		{"eks:DescribePodIdentityAssociation", "GET", path + "/" + a.ID, "", own},
		{"eks:UpdatePodIdentityAssociation", "POST", path + "/" + a.ID, `{"disableSessionTags":true}`, own},
		{"eks:ListTagsForResource", "GET", "/tags/" + url.PathEscape(a.ARN), "", own},
		{"eks:UntagResource", "DELETE", "/tags/" + url.PathEscape(a.ARN) + "?tagKeys=x", "", own + " aws:TagKeys:[x]"},
		{"eks:TagResource", "POST", "/tags/" + url.PathEscape(blueARN), `{"tags":{"x":"y"}}`, "aws:RequestTag/x:[y] " + cluster + " aws:TagKeys:[x]"},
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

func TestTagsOfResources(t *testing.T) {
	f := newFixture(t)
	arns := []string{blueARN, *f.create(t, "default", "app").AssociationArn}
	for _, arn := range arns {
		t.Run(arn, func(t *testing.T) {
			ctx := t.Context()
			tags := func(want map[string]string) {
				t.Helper()
				out, err := f.client.ListTagsForResource(ctx, &awseks.ListTagsForResourceInput{ResourceArn: &arn})
				if err != nil || !maps.Equal(out.Tags, want) {
					t.Errorf("got %v, %v; want %v", out, err, want)
				}
			}
			tags(map[string]string{})
			for _, change := range []map[string]string{{"team": "a", "env": "test"}, {"team": "b", "empty": ""}} {
				if _, err := f.client.TagResource(ctx, &awseks.TagResourceInput{ResourceArn: &arn, Tags: change}); err != nil {
					t.Fatal(err)
				}
			}
			tags(map[string]string{"team": "b", "env": "test", "empty": ""})
			if _, err := f.client.UntagResource(ctx, &awseks.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"env", "missing"}}); err != nil {
				t.Fatal(err)
			}
			tags(map[string]string{"team": "b", "empty": ""})
		})
	}
	cluster, err := f.client.DescribeCluster(t.Context(), &awseks.DescribeClusterInput{Name: aws.String("blue")})
	if err != nil || cluster.Cluster.Tags["team"] != "b" {
		t.Errorf("got %v, %v", cluster, err)
	}
	a, _ := f.service.Association("blue", "default", "app")
	if a.Tags["team"] != "b" || !a.Modified.Equal(created) {
		t.Errorf("got %+v", a)
	}
}

// TestTagRefusals: errors of https://docs.aws.amazon.com/eks/latest/APIReference/API_TagResource.html and the pages of the
// other operations.
func TestTagRefusals(t *testing.T) {
	f := newFixture(t)
	full := map[string]string{}
	for n := range 50 {
		full[fmt.Sprint(n)] = "v"
	}
	if _, err := f.client.TagResource(t.Context(), &awseks.TagResourceInput{ResourceArn: aws.String(blueARN), Tags: full}); err != nil {
		t.Fatal(err)
	}
	const other = "arn:aws:eks:us-west-2:123456789012:"
	many := "tagKeys=a" + strings.Repeat("&tagKeys=a", 50)
	tests := []struct {
		name, method, arn, query, body string
		status                         int
		code                           string
	}{
		{"replace one of 50", "POST", blueARN, "", `{"tags":{"0":"w"}}`, 200, ""},
		{"51st tag", "POST", blueARN, "", `{"tags":{"more":"v"}}`, 400, codeBadRequest},
		{"reserved key", "POST", blueARN, "", `{"tags":{"aws:x":"v"}}`, 400, codeBadRequest},
		{"reserved value", "POST", blueARN, "", `{"tags":{"x":"Aws:v"}}`, 400, codeBadRequest},
		{"empty key", "POST", blueARN, "", `{"tags":{"":"v"}}`, 400, codeBadRequest},
		{"no tags", "POST", blueARN, "", `{}`, 400, codeBadRequest},
		{"not JSON", "POST", blueARN, "", `{`, 400, codeBadRequest},
		{"tags of the wrong type", "POST", blueARN, "", `{"tags":{"a":1}}`, 400, codeBadRequest},
		{"not an ARN", "POST", "blue", "", `{"tags":{}}`, 400, codeBadRequest},
		{"another service's ARN", "GET", "arn:aws:s3:::bucket", "", "", 400, codeBadRequest},
		{"no such cluster", "GET", other + "cluster/green", "", "", 404, codeTagNotFound},
		{"no such association", "GET", other + "podidentityassociation/blue/a-00000000000000000", "", "", 404, codeTagNotFound},
		{"association of an unknown cluster", "GET", other + "podidentityassociation/green/a-00000000000000000", "", "", 404, codeTagNotFound},
		{"another account", "GET", "arn:aws:eks:us-west-2:999999999999:cluster/blue", "", "", 404, codeTagNotFound},
		{"another region", "GET", "arn:aws:eks:eu-west-1:123456789012:cluster/blue", "", "", 404, codeTagNotFound},
		{"another kind", "GET", other + "nodegroup/blue/a/b", "", "", 404, codeTagNotFound},
		{"more after the name", "GET", blueARN + "/x", "", "", 404, codeTagNotFound},
		{"untag: no keys", "DELETE", blueARN, "", "", 400, codeBadRequest},
		{"untag: 51 keys", "DELETE", blueARN, many, "", 400, codeBadRequest},
		{"untag: reserved key", "DELETE", blueARN, "tagKeys=aws:x", "", 400, codeBadRequest},
		{"untag: no such cluster", "DELETE", other + "cluster/green", "tagKeys=a", "", 404, codeTagNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, code, text := f.send(t, test.method, "/tags/"+url.PathEscape(test.arn)+"?"+test.query, test.body)
			if status != test.status || code != test.code {
				t.Errorf("got %d %s %s", status, code, text)
			}
		})
	}
}
