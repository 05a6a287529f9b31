package eks

import (
	"encoding/json"
	"fmt"
	"net/url"
	stdpath "path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func TestDescribeAddonVersions(t *testing.T) {
	f := newFixture(t)
	names := func(addons []types.AddonInfo) string {
		var out []string
		for _, a := range addons {
			out = append(out, *a.AddonName)
		}
		return strings.Join(out, " ")
	}
	const all = "adot coredns eks-pod-identity-agent kube-proxy metrics-server vpc-cni"
	tests := []struct {
		name string
		in   awseks.DescribeAddonVersionsInput
		want string
	}{
		{"all", awseks.DescribeAddonVersionsInput{}, all},
		{"name", awseks.DescribeAddonVersionsInput{AddonName: aws.String("vpc-cni")}, "vpc-cni"},
		{"another name", awseks.DescribeAddonVersionsInput{AddonName: aws.String("nginx")}, ""},
		{"type", awseks.DescribeAddonVersionsInput{Types: []string{"security"}}, agent},
		{"types", awseks.DescribeAddonVersionsInput{Types: []string{"security", "observability"}}, "adot " + agent + " metrics-server"},
		{"owner", awseks.DescribeAddonVersionsInput{Owners: []string{"aws-marketplace"}}, ""},
		{"publisher", awseks.DescribeAddonVersionsInput{Publishers: []string{"eks", "other"}}, all},
		{"version", awseks.DescribeAddonVersionsInput{KubernetesVersion: aws.String("1.30")}, all},
		{"version of the past", awseks.DescribeAddonVersionsInput{KubernetesVersion: aws.String("1.20")}, ""},
	}
	for _, test := range tests {
		out, err := f.client.DescribeAddonVersions(t.Context(), &test.in)
		if err != nil || names(out.Addons) != test.want {
			t.Errorf("%s: got %v, %v", test.name, out, err)
		}
	}
	out, err := f.client.DescribeAddonVersions(t.Context(), &awseks.DescribeAddonVersionsInput{AddonName: aws.String(agent), KubernetesVersion: aws.String("1.36")})
	if err != nil {
		t.Fatal(err)
	}
	versions := out.Addons[0].AddonVersions
	if len(versions) != len(podIdentityAgentVersions(nil)) || *out.Addons[0].DefaultNamespace != "kube-system" {
		t.Fatalf("got %+v", out.Addons[0])
	}
	for n, v := range versions {
		if c := v.Compatibilities; len(c) != 1 || *c[0].ClusterVersion != "1.36" || c[0].DefaultVersion != (n == 0) || v.RequiresIamPermissions || !slices.Contains(v.Architecture, "arm64") {
			t.Errorf("version %s: %+v", *v.AddonVersion, v)
		}
	}
	var pages int
	for p := awseks.NewDescribeAddonVersionsPaginator(f.client, &awseks.DescribeAddonVersionsInput{MaxResults: aws.Int32(3)}); p.HasMorePages(); pages++ {
		if _, err := p.NextPage(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
}

// TestOffers: each add-on has a schema that is JSON, and one default for each Kubernetes version. The order is the one that
// lists need.
func TestOffers(t *testing.T) {
	last := ""
	for _, o := range offers() {
		if o.name <= last {
			t.Errorf("%s after %s", o.name, last)
		}
		last = o.name
		if !json.Valid([]byte(o.schema)) {
			t.Errorf("schema of %s: %s", o.name, o.schema)
		}
		for _, cluster := range kubernetesVersions() {
			defaults := 0
			for _, v := range o.versions {
				if o.isDefault(v.version, cluster) {
					defaults++
				}
			}
			_, version, err := offered(o.name, "", cluster)
			if defaults != 1 || err != nil || !o.isDefault(version, cluster) {
				t.Errorf("%s on %s: %d defaults, %s, %v", o.name, cluster, defaults, version, err)
			}
		}
	}
}

func TestDescribeAddonConfiguration(t *testing.T) {
	f := newFixture(t)
	out, err := f.client.DescribeAddonConfiguration(t.Context(), &awseks.DescribeAddonConfigurationInput{AddonName: aws.String(agent), AddonVersion: aws.String("v1.3.10-eksbuild.1")})
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(*out.ConfigurationSchema), &schema); err != nil || schema.Properties["tolerations"] == nil || len(out.PodIdentityConfiguration) != 0 {
		t.Errorf("got %+v, %v", out, err)
	}
	out, err = f.client.DescribeAddonConfiguration(t.Context(), &awseks.DescribeAddonConfigurationInput{AddonName: aws.String("vpc-cni"), AddonVersion: aws.String("v1.20.1-eksbuild.1")})
	if err != nil || len(out.PodIdentityConfiguration) != 1 || *out.PodIdentityConfiguration[0].ServiceAccount != "aws-node" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestCheckConfiguration(t *testing.T) {
	o, _ := findOffer(agent)
	for values, want := range map[string]bool{
		"": true, " \n": true, "{}": true, `{"tolerations":[{"operator":"Exists"}]}`: true, "podLabels:\n  a: b\n": true,
		"[]": false, "null": false, "text": false, "1": false, "{": false, "a: b: c": false, "unknown: 1": false, "podLabels: {}\npodLabels: {}": false,
	} {
		if err := o.checkConfiguration(values); (err == nil) != want {
			t.Errorf("%q: %v", values, err)
		}
	}
}

func TestAddonIdempotency(t *testing.T) {
	f := newFixture(t)
	create := func(token, version string) (int, string, string) {
		return f.send(t, "POST", "/clusters/blue/addons", `{"addonName":"`+agent+`","clientRequestToken":"`+token+`","addonVersion":"`+version+`"}`)
	}
	update := func(token, version string) (int, string, string) {
		return f.send(t, "POST", "/clusters/blue/addons/"+agent+"/update", `{"clientRequestToken":"`+token+`","addonVersion":"`+version+`"}`)
	}
	const first, second = "v1.3.8-eksbuild.2", "v1.3.10-eksbuild.1"
	type step struct {
		do             func(token, version string) (int, string, string)
		token, version string
		status         int
		code           string
	}
	bodies := map[string]string{}
	for n, s := range []step{
		{create, "a", first, 200, ""}, {create, "a", first, 200, ""}, {create, "a", second, 400, codeInvalidRequest}, {create, "b", first, 409, codeInUse},
		{create, "", first, 409, codeInUse}, {update, "u", second, 409, codeInUse},
	} {
		status, code, text := s.do(s.token, s.version)
		if status != s.status || code != s.code {
			t.Errorf("step %d: got %d %s %s", n, status, code, text)
		}
		if known, ok := bodies[s.token]; ok && status == 200 && known != text {
			t.Errorf("step %d: got %s after %s", n, text, known)
		}
		if status == 200 {
			bodies[s.token] = text
		}
	}
	f.settle()
	_, _, one := update("u", second)
	if status, _, two := update("u", second); status != 200 || one != two {
		t.Errorf("same update: %s and %s", one, two)
	}
	if status, code, _ := update("u", first); status != 400 || code != codeInvalidRequest {
		t.Errorf("other update: %d %s", status, code)
	}
	if status, code, _ := update("v", first); status != 409 || code != codeInUse {
		t.Errorf("update during an update: %d %s", status, code)
	}
}

// TestAddonRights: actions and their resources of list_amazonelastickubernetesservice.
func TestAddonRights(t *testing.T) {
	f := newFixture(t)
	arn := *f.createAddon(t, func(in *awseks.CreateAddonInput) {
		in.AddonName, in.PodIdentityAssociations = aws.String("vpc-cni"), associations("aws-node", good)
		in.Tags, in.ServiceAccountRoleArn = map[string]string{"team": "a"}, aws.String(otherARN)
	}).AddonArn
	f.settle()
	for _, action := range []string{"eks:CreateAddon", "eks:TagResource"} {
		if got := fmt.Sprint(f.rights.keys[action]); got != "map[aws:RequestTag/team:[a] aws:TagKeys:[team]]" {
			t.Errorf("%s: keys %s", action, got)
		}
	}
	for _, want := range []string{"iam:PassRole " + otherARN, "iam:PassRole " + good} {
		if !slices.Contains(f.rights.asked, want) {
			t.Errorf("not asked: %s", want)
		}
	}
	const one, none = "/clusters/blue/addons/vpc-cni", "/clusters/blue/addons/none"
	missing := "arn:aws:eks:us-west-2:123456789012:addon/blue/none/*"
	tests := []struct{ action, method, path, body, resource string }{
		{"eks:CreateAddon", "POST", "/clusters/blue/addons", `{"addonName":"coredns"}`, blueARN},
		{"eks:TagResource", "POST", "/clusters/blue/addons", `{"addonName":"coredns","tags":{"a":"b"}}`, "arn:aws:eks:us-west-2:123456789012:addon/blue/coredns/*"},
		{"iam:PassRole", "POST", "/clusters/blue/addons", `{"addonName":"coredns","serviceAccountRoleArn":"` + good + `"}`, good},
		{"iam:PassRole", "POST", "/clusters/blue/addons", `{"addonName":"coredns","podIdentityAssociations":[{"serviceAccount":"a","roleArn":"` + good + `"}]}`, good},
		{"iam:PassRole", "POST", one + "/update", `{"podIdentityAssociations":[{"serviceAccount":"a","roleArn":"` + good + `"}]}`, good},
		{"eks:ListAddons", "GET", "/clusters/blue/addons", "", blueARN},
		{"eks:DescribeAddon", "GET", one, "", arn},
		{"eks:DescribeAddon", "GET", none, "", missing},
		{"eks:UpdateAddon", "POST", one + "/update", "{}", arn},
		{"eks:DeleteAddon", "DELETE", one, "", arn},
		{"eks:DescribeAddonVersions", "GET", "/addons/supported-versions", "", "*"},
		{"eks:DescribeAddonConfiguration", "GET", "/addons/configuration-schemas?addonName=x&addonVersion=y", "", "*"},
		{"eks:DescribeUpdate", "GET", "/clusters/blue/updates/u?addonName=vpc-cni", "", arn},
		{"eks:DescribeUpdate", "GET", "/clusters/blue/updates/u", "", blueARN},
		{"eks:ListUpdates", "GET", "/clusters/blue/updates?addonName=vpc-cni", "", arn},
		{"eks:ListTagsForResource", "GET", "/tags/" + url.PathEscape(arn), "", arn},
	}
	for _, test := range tests {
		f.rights.denied, f.rights.asked = map[string]bool{test.action: true}, nil
		status, code, text := f.send(t, test.method, test.path, test.body)
		last := f.rights.asked[len(f.rights.asked)-1]
		matched, err := stdpath.Match(test.action+" "+test.resource, last)
		if status != 403 || code != codeAccessDenied || !matched || err != nil {
			t.Errorf("%s %s: got %d %s %s after %v, %v", test.method, test.path, status, code, text, f.rights.asked, err)
		}
		if test.resource == arn && test.action != "eks:ListTagsForResource" && f.rights.keys[test.action]["aws:ResourceTag/team"] == nil {
			t.Errorf("%s: keys %v", test.action, f.rights.keys[test.action])
		}
	}
	f.rights.denied = nil
	if _, _, text := f.send(t, "GET", "/tags/"+url.PathEscape(arn), ""); text != `{"tags":{"team":"a"}}` {
		t.Errorf("tags %s", text)
	}
	if status, _, text := f.send(t, "POST", "/tags/"+url.PathEscape(arn), `{"tags":{"env":"test"}}`); status != 200 {
		t.Error(text)
	}
	if got := f.describeAddon(t, "vpc-cni"); len(got.Tags) != 2 || got.Tags["env"] != "test" {
		t.Errorf("tags %v", got.Tags)
	}
}
