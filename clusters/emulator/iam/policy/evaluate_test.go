package policy

import (
	"strings"
	"testing"
)

var (
	user    = Principal{AccountID: "123456789012", ARN: "arn:aws:iam::123456789012:user/ann", ID: "AIDAANN"}
	session = Principal{
		AccountID: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/reader/one",
		RoleARN: "arn:aws:iam::123456789012:role/reader", ID: "AROAREADER",
	}
	podIdentity = Principal{Service: "pods.eks.amazonaws.com"}
)

func mustParse(t testing.TB, text string) *Document {
	t.Helper()
	document, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// statement returns a policy of one statement.
func statement(body string) string {
	return `{"Version":"2012-10-17","Statement":{` + body + `}}`
}

func TestStatements(t *testing.T) {
	seed := statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"`)
	tags := func(pairs ...string) Context {
		c := Context{}
		for i := 0; i < len(pairs); i += 2 {
			c.Set(pairs[i], pairs[i+1])
		}
		return c
	}
	own := tags("aws:PrincipalTag/eks-cluster-name", "epi", "aws:PrincipalTag/kubernetes-namespace", "default")
	tests := []struct {
		source, policy, action, resource string
		context                          Context
		want                             bool
	}{
		{"the seed's policy: own prefix", seed, "s3:GetObject", "arn:aws:s3:::b/epi/default/test.txt", own, true},
		{"the seed's policy: another namespace", seed, "s3:GetObject", "arn:aws:s3:::b/epi/hoge/test.txt", own, false},
		{"the seed's policy: a longer name is not a prefix match", seed, "s3:GetObject", "arn:aws:s3:::b/epi/default2/test.txt", own, false},
		{"the seed's policy: bucket-level action", seed, "s3:ListBucket", "arn:aws:s3:::b", own, false},
		{"reference_policies_variables: an unresolved variable voids the statement", seed, "s3:GetObject", "arn:aws:s3:::b/epi/default/test.txt", tags("aws:PrincipalTag/eks-cluster-name", "epi"), false},
		{"reference_policies_variables: and does not match its own text", seed, "s3:GetObject", "arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/x", Context{}, false},
		{"reference_policies_variables: key names are case-insensitive", seed, "s3:GetObject", "arn:aws:s3:::b/epi/default/x", tags("AWS:principaltag/EKS-cluster-name", "epi", "aws:PrincipalTag/Kubernetes-Namespace", "default"), true},
		{"a value is not a wildcard", seed, "s3:GetObject", "arn:aws:s3:::b/epi/other/x", tags("aws:PrincipalTag/eks-cluster-name", "epi", "aws:PrincipalTag/kubernetes-namespace", "*"), false},
		{"a value is not a wildcard", seed, "s3:GetObject", "arn:aws:s3:::b/epi/*/x", tags("aws:PrincipalTag/eks-cluster-name", "epi", "aws:PrincipalTag/kubernetes-namespace", "*"), true},
		{"a value is not a variable", seed, "s3:GetObject", "arn:aws:s3:::b/epi/epi/x", tags("aws:PrincipalTag/eks-cluster-name", "epi", "aws:PrincipalTag/kubernetes-namespace", "${aws:PrincipalTag/eks-cluster-name}"), false},
		{"reference_policies_variables: version 2008-10-17 has none", strings.Replace(seed, "2012", "2008", 1), "s3:GetObject", "arn:aws:s3:::b/epi/default/test.txt", own, false},
		{"reference_policies_variables: version 2008-10-17 takes them as text", strings.Replace(seed, "2012", "2008", 1), "s3:GetObject", "arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/x", own, true},
		{"reference_policies_variables: version 2008-10-17 has none in conditions", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:userid":"${aws:userid}"}}}}`, "s3:GetObject", "arn:aws:s3:::b/k", tags("aws:userid", "x"), false},
		{"reference_policies_variables: version 2008-10-17 has none in conditions", `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:userid":"${aws:userid}"}}}}`, "s3:GetObject", "arn:aws:s3:::b/k", tags("aws:userid", "${aws:userid}"), true},
		{"reference_policies_variables: default value", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:userid, 'anonymous'}/*"`), "s3:GetObject", "arn:aws:s3:::b/anonymous/x", nil, true},
		{"reference_policies_variables: default value is for an absent key only", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:userid, 'anonymous'}/*"`), "s3:GetObject", "arn:aws:s3:::b/anonymous/x", tags("aws:userid", "AIDA"), false},
		{"reference_policies_variables: special characters", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${*}${?}${$}"`), "s3:GetObject", "arn:aws:s3:::b/*?$", nil, true},
		{"reference_policies_variables: special characters", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${*}"`), "s3:GetObject", "arn:aws:s3:::b/anything", nil, false},
		{"reference_policies_variables: only after the fifth colon", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::${aws:userid}"`), "s3:GetObject", "arn:aws:s3:::x", tags("aws:userid", "x"), true},
		{"reference_policies_variables: only after the fifth colon", statement(`"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:r:${aws:PrincipalAccount}:q"`), "sqs:SendMessage", "arn:aws:sqs:r:1:q", tags("aws:PrincipalAccount", "1"), false},
		{"reference_policies_variables: in a string condition", statement(`"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}`), "s3:ListBucket", "arn:aws:s3:::b", tags("s3:prefix", "home/ann/docs", "aws:username", "ann"), true},
		{"reference_policies_variables: in an ARN condition", statement(`"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:${aws:PrincipalAccount}:cluster/*"}}`), "s3:ListBucket", "arn:aws:s3:::b", tags("aws:SourceArn", "arn:aws:eks:us-west-2:123456789012:cluster/blue", "aws:PrincipalAccount", "123456789012"), true},
		{"a key with several values is no variable", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:TagKeys}"`), "s3:GetObject", "arn:aws:s3:::b/a", Context{"aws:tagkeys": {"a", "b"}}, false},

		{"S3, tagging-and-policies: the tag of a stored object", statement(`"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":"${aws:PrincipalTag/team}"}}`), "s3:GetObject", "arn:aws:s3:::b/k", tags("s3:ExistingObjectTag/team", "red", "aws:PrincipalTag/team", "red"), true},
		{"S3, tagging-and-policies: a new object has none", statement(`"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":"red"}}`), "s3:PutObject", "arn:aws:s3:::b/k", tags("s3:RequestObjectTag/team", "red"), false},
		{"S3, tagging-and-policies: the tag in the request", statement(`"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"red"}}`), "s3:PutObject", "arn:aws:s3:::b/k", tags("s3:RequestObjectTag/Team", "red"), true},
		{"S3, tagging-and-policies: values are case sensitive", statement(`"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/team":"red"}}`), "s3:PutObject", "arn:aws:s3:::b/k", tags("s3:RequestObjectTag/team", "Red"), false},
		{"S3, list-keys-by-prefix: the empty prefix", statement(`"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringEquals":{"s3:prefix":["","home/"],"s3:delimiter":"/"}}`), "s3:ListBucket", "arn:aws:s3:::b", tags("s3:prefix", "", "s3:delimiter", "/"), true},
		{"S3, list-keys-by-prefix: no prefix in the request", statement(`"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringEquals":{"s3:prefix":["","home/"]}}`), "s3:ListBucket", "arn:aws:s3:::b", nil, false},
		{"access_tags: an untagged session under a deny of other tags", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"red"}}}]}`, "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_variables: default value of a bucket's name", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket-${aws:PrincipalTag/team, 'company-wide'}"`), "s3:ListBucket", "arn:aws:s3:::bucket-company-wide", nil, true},
		{"reference_policies_variables: the tag before its default", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bucket-${aws:PrincipalTag/team, 'company-wide'}"`), "s3:ListBucket", "arn:aws:s3:::bucket-yellow", tags("aws:PrincipalTag/team", "yellow"), true},
		{"reference_policies_variables: version 2008-10-17 is also what a policy without a version has", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:userid}"}}`, "s3:ListBucket", "arn:aws:s3:::x", tags("aws:userid", "x"), false},

		{"reference_policies_elements_action: case-insensitive", statement(`"Effect":"Allow","Action":"S3:getobject","Resource":"*"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, true},
		{"reference_policies_elements_action: wildcards", statement(`"Effect":"Allow","Action":["iam:*AccessKey*","s3:G?tObject"],"Resource":"*"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, true},
		{"reference_policies_elements_action: wildcards", statement(`"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"*"`), "iam:CreateUser", "*", nil, false},
		{"reference_policies_elements_notaction", statement(`"Effect":"Allow","NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, true},
		{"reference_policies_elements_notaction", statement(`"Effect":"Allow","NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"`), "s3:DeleteBucket", "arn:aws:s3:::b", nil, false},
		{"reference_policies_elements_resource: a star crosses slashes", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"`), "s3:GetObject", "arn:aws:s3:::b/x/y/z", nil, true},
		{"reference_policies_elements_resource: the bucket is not its objects", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"`), "s3:ListBucket", "arn:aws:s3:::b", nil, false},
		{"reference_policies_elements_resource: ARNs are case-sensitive", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/K"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_resource: a star inside of a segment stays in it", statement(`"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:us-*-1:1:q"`), "sqs:SendMessage", "arn:aws:sqs:us-east:x-1:1:q", nil, false},
		{"reference_policies_elements_resource: a question mark stays in its segment", statement(`"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:r:1?:q"`), "sqs:SendMessage", "arn:aws:sqs:r:1::q", nil, false},
		{"reference_policies_elements_resource: a star inside of a segment stays in it, whatever others do", statement(`"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:us-*-1:*:q"`), "sqs:SendMessage", "arn:aws:sqs:us-east:x-1:1:q", nil, false},
		{"reference_policies_elements_resource: a question mark stays in its segment, whatever others do", statement(`"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:r?:*:q"`), "sqs:SendMessage", "arn:aws:sqs:r::1:q", nil, false},
		{"reference_policies_elements_resource: a star that ends a segment expands beyond its colon", statement(`"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:us-*:1:q"`), "sqs:SendMessage", "arn:aws:sqs:us-east-1:1:1:q", nil, true},
		{"reference_policies_elements_resource: and so an ARN may end early", statement(`"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*"`), "eks:DescribeCluster", "arn:aws:eks:us-west-2:123456789012:cluster/blue", nil, true},
		{"reference_policies_elements_resource: but for its service", statement(`"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_resource: the example's /*/test/*", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*/test/*"`), "s3:GetObject", "arn:aws:s3:::b/1/2/test/3.jpg", nil, true},
		{"reference_policies_elements_resource: the example's /*/test/*", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*/test/*"`), "s3:GetObject", "arn:aws:s3:::b//test/object.jpg", nil, true},
		{"reference_policies_elements_resource: the example's /*/test/*", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*/test/*"`), "s3:GetObject", "arn:aws:s3:::b/test/object.jpg", nil, false},
		{"reference_policies_elements_resource: one character", statement(`"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/k?"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_notresource", statement(`"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::secret/*"`), "s3:GetObject", "arn:aws:s3:::open/k", nil, true},
		{"reference_policies_elements_notresource", statement(`"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::secret/*"`), "s3:GetObject", "arn:aws:s3:::secret/k", nil, false},
		{"reference_policies_elements_action: of any service", statement(`"Effect":"Allow","Action":"*:GetObject","Resource":"*"`), "s3:GetObject", "arn:aws:s3:::b/k", nil, true},
		{"reference_policies_elements_action: of any service", statement(`"Effect":"Allow","Action":"*:GetObject","Resource":"*"`), "s3:PutObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_notaction: the actions of other services too", statement(`"Effect":"Allow","NotAction":"s3:*","Resource":"*"`), "eks:DescribeCluster", "*", nil, true},
		{"reference_policies_elements_notaction with Deny: all but the listed", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":["iam:*","s3:Get*"],"Resource":"*"}]}`, "s3:PutObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_notaction with Deny: all but the listed", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":["iam:*","s3:Get*"],"Resource":"*"}]}`, "s3:GetObject", "arn:aws:s3:::b/k", nil, true},
		{"reference_policies_elements_notresource with Deny: all but the listed", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::own","arn:aws:s3:::own/*"]}]}`, "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
		{"reference_policies_elements_notresource with Deny: all but the listed", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::own","arn:aws:s3:::own/*"]}]}`, "s3:GetObject", "arn:aws:s3:::own/k", nil, true},
		{"reference_policies_evaluation-logic: a deny after the allow", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`, "s3:GetObject", "arn:aws:s3:::b/k", nil, false},
	}
	for _, test := range tests {
		t.Run(test.source+" "+test.action+" "+test.resource, func(t *testing.T) {
			decision := Evaluate(&Request{Principal: session, Action: test.action, Resource: test.resource, Context: test.context},
				&Policies{Identity: []Named{{"p", mustParse(t, test.policy)}}})
			if decision.Allowed != test.want {
				t.Errorf("allowed = %v, want %v (%s)", decision.Allowed, test.want, decision.Explain())
			}
		})
	}
}

// TestDenyAfterAllow: reference_policies_evaluation-logic, an explicit deny wins in any position.
func TestDenyAfterAllow(t *testing.T) {
	const allow, deny = `{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}`, `{"Sid":"No","Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"s3:Get*","Resource":"*"}`
	for _, order := range []string{allow + "," + deny, deny + "," + allow} {
		bucket := Named{"bucket policy", mustParse(t, `{"Version":"2012-10-17","Statement":[`+order+`]}`)}
		decision := Evaluate(&Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, &Policies{Resource: &bucket})
		if !decision.Explicit || decision.Statement.Sid != "No" {
			t.Errorf("%s: %s", order, decision.Explain())
		}
	}
}

func TestDecisions(t *testing.T) {
	const (
		logic    = "reference_policies_evaluation-logic"
		who      = "reference_policies_elements_principal"
		cross    = "reference_policies_evaluation-logic-cross-account"
		allow    = `"Effect":"Allow","Action":"s3:*","Resource":"*"`
		deny     = `"Effect":"Deny","Action":"s3:*","Resource":"*"`
		other    = `"Effect":"Allow","Action":"iam:*","Resource":"*"`
		trustPod = `"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]`
	)
	to := func(principal string) string {
		return `"Effect":"Allow","Principal":` + principal + `,"Action":"s3:*","Resource":"*"`
	}
	tests := []struct {
		source                                string
		principal                             Principal
		identity, boundary, session, resource string
		account                               string
		trust                                 bool
		want                                  bool
		kind                                  Kind
	}{
		{source: logic + ": implicit deny by default", principal: user, kind: IdentityPolicy},
		{source: logic + ": explicit allow", principal: user, identity: allow, want: true, kind: IdentityPolicy},
		{source: logic + ": explicit deny in the identity policy", principal: user, identity: deny, resource: to(`"*"`), kind: IdentityPolicy},
		{source: logic + ": explicit deny in the boundary", principal: user, identity: allow, boundary: deny, resource: to(`"*"`), kind: BoundaryPolicy},
		{source: logic + ": explicit deny in the session policy", principal: session, identity: allow, session: deny, resource: to(`"*"`), kind: SessionPolicy},
		{source: logic + ": explicit deny in the resource policy", principal: user, identity: allow, resource: `"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"`, kind: ResourcePolicy},
		{source: logic + ": boundary is an intersection", principal: user, identity: allow, boundary: other, kind: BoundaryPolicy},
		{source: logic + ": boundary is an intersection", principal: user, identity: allow, boundary: allow, want: true, kind: IdentityPolicy},
		{source: logic + ": boundary grants nothing", principal: user, boundary: allow, kind: IdentityPolicy},
		{source: logic + ": session policy is an intersection", principal: session, identity: allow, session: other, kind: SessionPolicy},
		{source: logic + ": session policy is an intersection", principal: session, identity: allow, session: allow, want: true, kind: IdentityPolicy},
		{source: logic + ": session policy grants nothing", principal: session, session: allow, kind: IdentityPolicy},
		{source: logic + ": identity, boundary and session policy all allow", principal: session, identity: allow, boundary: allow, session: allow, want: true, kind: IdentityPolicy},
		{source: logic + ": the boundary comes before the session policy", principal: session, identity: allow, boundary: other, session: other, kind: BoundaryPolicy},
		{source: logic + ": identity or resource policy, same account", principal: session, identity: allow, resource: to(`{"AWS":"999999999999"}`), want: true, kind: IdentityPolicy},

		{source: logic + ": a user named by ARN is not limited by implicit denies", principal: user, boundary: other, resource: to(`{"AWS":"arn:aws:iam::123456789012:user/ann"}`), want: true, kind: ResourcePolicy},
		{source: logic + ": a role ARN needs no identity policy", principal: session, resource: to(`{"AWS":"arn:aws:iam::123456789012:role/reader"}`), want: true, kind: ResourcePolicy},
		{source: logic + ": a role ARN is limited by the boundary", principal: session, boundary: other, resource: to(`{"AWS":"arn:aws:iam::123456789012:role/reader"}`), kind: BoundaryPolicy},
		{source: logic + ": a role ARN is limited by the session policy", principal: session, session: other, resource: to(`{"AWS":"arn:aws:iam::123456789012:role/reader"}`), kind: SessionPolicy},
		{source: logic + ": a role ARN within boundary and session policy", principal: session, boundary: allow, session: allow, resource: to(`{"AWS":"arn:aws:iam::123456789012:role/reader"}`), want: true, kind: ResourcePolicy},
		{source: logic + ": the session ARN counts where both are named", principal: session, boundary: other, resource: to(`{"AWS":["arn:aws:iam::123456789012:role/reader","arn:aws:sts::123456789012:assumed-role/reader/one"]}`), want: true, kind: ResourcePolicy},
		{source: logic + ": a session ARN is not", principal: session, boundary: other, session: other, resource: to(`{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/one"}`), want: true, kind: ResourcePolicy},
		{source: who + ": another session of the role is not named", principal: session, resource: to(`{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/two"}`), kind: IdentityPolicy},
		{source: who + ": everyone, in the account no other permission is required", principal: session, resource: to(`"*"`), want: true, kind: ResourcePolicy},
		{source: who + ": AWS everyone is the same", principal: session, session: other, resource: to(`{"AWS":"*"}`), want: true, kind: ResourcePolicy},
		{source: who + ": the account delegates to its policies", principal: user, resource: to(`{"AWS":"123456789012"}`), kind: IdentityPolicy},
		{source: who + ": the account delegates to its policies", principal: user, identity: allow, resource: to(`{"AWS":"arn:aws:iam::123456789012:root"}`), want: true, kind: IdentityPolicy},
		{source: who + ": alternatives", principal: user, resource: to(`{"AWS":["999999999999","arn:aws:iam::123456789012:user/ann"]}`), want: true, kind: ResourcePolicy},
		{source: who + ": user names are case sensitive", principal: user, resource: to(`{"AWS":"arn:aws:iam::123456789012:user/Ann"}`), kind: IdentityPolicy},

		{source: cross + ": the resource's side is missing", principal: user, identity: allow, account: "999999999999", kind: ResourcePolicy},
		{source: cross + ": the principal's side is missing", principal: user, resource: to(`{"AWS":"arn:aws:iam::123456789012:user/ann"}`), account: "999999999999", kind: IdentityPolicy},
		{source: cross + ": both", principal: user, identity: allow, resource: to(`{"AWS":"123456789012"}`), account: "999999999999", want: true, kind: IdentityPolicy},
		{source: cross + ": both, limited by the boundary", principal: user, identity: allow, boundary: other, resource: to(`{"AWS":"123456789012"}`), account: "999999999999", kind: BoundaryPolicy},

		{source: cross + ": both, limited by the session policy", principal: session, identity: allow, session: other, resource: to(`{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/one"}`), account: "999999999999", kind: SessionPolicy},
		{source: cross + ": a role ARN needs the role's own policy there", principal: session, resource: to(`{"AWS":"arn:aws:iam::123456789012:role/reader"}`), account: "999999999999", kind: IdentityPolicy},
		{source: cross + ": everyone still needs a policy of its own", principal: session, resource: to(`"*"`), account: "999999999999", kind: IdentityPolicy},
		{source: cross + ": an explicit deny on either side", principal: session, identity: allow, resource: `"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"s3:*","Resource":"*"`, account: "999999999999", kind: ResourcePolicy},
		{source: cross + ": the resource's own account named", principal: session, identity: allow, resource: to(`{"AWS":"arn:aws:iam::123456789012:root"}`), account: "123456789012", want: true, kind: IdentityPolicy},

		{source: who + ": an anonymous caller and everyone", resource: to(`"*"`), account: "999999999999", want: true, kind: ResourcePolicy},
		{source: who + ": an anonymous caller and an account", resource: to(`{"AWS":"123456789012"}`), account: "999999999999", kind: ResourcePolicy},
		{source: who + ": a service and a bucket of some account", principal: podIdentity, resource: to(`{"Service":"pods.eks.amazonaws.com"}`), account: "999999999999", want: true, kind: ResourcePolicy},
		{source: who + ": service principal", principal: podIdentity, resource: trustPod, trust: true, want: true, kind: ResourcePolicy},
		{source: who + ": another service", principal: podIdentity, resource: `"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"`, trust: true, kind: ResourcePolicy},
		{source: logic + ": an explicit deny in a trust policy", principal: podIdentity, resource: `"Effect":"Deny","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"`, trust: true, kind: ResourcePolicy},
		{source: logic + ": a trust policy that names a role is limited by its boundary", principal: session, boundary: other, resource: `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/reader"},"Action":"sts:AssumeRole"`, trust: true, kind: BoundaryPolicy},
		{source: cross + ": a trust policy in another account and nothing here", principal: session, resource: `"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"`, account: "999999999999", trust: true, kind: IdentityPolicy},
		{source: cross + ": a trust policy in another account and permission here", principal: session, identity: `"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"`, resource: `"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"`, account: "999999999999", trust: true, want: true, kind: IdentityPolicy},
		{source: logic + ": a trust policy must allow, whatever the identity's policies say", principal: user, identity: `"Effect":"Allow","Action":"*","Resource":"*"`, resource: trustPod, trust: true, kind: ResourcePolicy},
		{source: logic + ": a trust policy that names the account delegates", principal: user, resource: `"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"`, trust: true, kind: IdentityPolicy},
		{source: logic + ": a trust policy that names the user is enough", principal: user, resource: `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"},"Action":"sts:AssumeRole"`, trust: true, want: true, kind: ResourcePolicy},
	}
	for _, test := range tests {
		t.Run(test.source, func(t *testing.T) {
			request := &Request{Principal: test.principal, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: test.account}
			if test.trust {
				request.Action, request.Resource, request.ResourceMustAllow = "sts:AssumeRole", "arn:aws:iam::123456789012:role/reader", true
			}
			policies := &Policies{}
			if test.identity != "" {
				policies.Identity = []Named{{"identity", mustParse(t, statement(test.identity))}}
			}
			if test.boundary != "" {
				policies.Boundary = &Named{"boundary", mustParse(t, statement(test.boundary))}
			}
			if test.session != "" {
				policies.Session = []Named{{"session", mustParse(t, statement(test.session))}}
			}
			if test.resource != "" {
				policies.Resource = &Named{"resource", mustParse(t, statement(test.resource))}
			}
			decision := Evaluate(request, policies)
			if decision.Allowed != test.want || decision.Kind != test.kind {
				t.Errorf("allowed = %v by %q, want %v by %q (%s)", decision.Allowed, decision.Kind, test.want, test.kind, decision.Explain())
			}
			if decision.Allowed && decision.Statement == nil {
				t.Error("an allowance without its statement")
			}
		})
	}
}
