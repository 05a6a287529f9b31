package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestKinds: what each kind of policy may not contain (reference_policies_grammar, "Policy grammar notes").
func TestKinds(t *testing.T) {
	tests := []struct {
		source, body              string
		identity, trust, resource string
	}{
		{"an identity-based policy", `"Effect":"Allow","Action":"s3:*","Resource":"*"`,
			"", "Missing required field Principal (statement 1, Principal, line 1, column 37)", "Missing required field Principal (statement 1, Principal, line 1, column 37)"},
		{"no resource", `"Sid":"A","Effect":"Allow","Action":"s3:*"`,
			`Policy statement must contain resources. (statement 1 "A", Resource, line 1, column 37)`, "Missing required field Principal", "Missing required field Principal"},
		{"a trust policy", `"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"`,
			"Policy document should not specify a principal. (statement 1, Principal, line 1, column 81)", "", "Missing required field Resource (statement 1, Resource, line 1, column 37)"},
		{"a trust policy's actions", `"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity","STS:AssumeRoleWithWebIdentity"],"Principal":"*"`, "principal", "", "Resource"},
		{"a resource-based policy", `"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"`,
			"should not specify a principal", "Has prohibited field Resource (statement 1, Resource, line 1, column 97)", ""},
		{"NotResource is one too", `"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","NotResource":"*"`, "principal", "Has prohibited field Resource (statement 1, NotResource", ""},
		{"another service's action", `"Effect":"Allow","Action":["sts:AssumeRole","s3:*"],"Principal":"*"`,
			"should not specify a principal", "AssumeRole policy may only specify STS AssumeRole actions. (statement 1, Action, line 1, column 82)", "Missing required field Resource"},
		{"all actions", `"Effect":"Allow","Action":"*","Principal":"*"`, "principal", "only specify STS AssumeRole actions", "Resource"},
		{"reference_policies_elements_notprincipal: not in a trust policy", `"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"123456789012"}`,
			"principal. (statement 1, NotPrincipal", "AssumeRole policy may not specify NotPrincipal (statement 1, NotPrincipal, line 1, column 80)", "Missing required field Resource"},
		{"reference_policies_elements_notprincipal: with Deny", `"Effect":"Deny","Action":"s3:*","Resource":"*","NotPrincipal":{"AWS":"123456789012"}`, "principal", "NotPrincipal", ""},
		{"reference_policies_elements_notprincipal: not with Allow", `"Effect":"Allow","Action":"s3:*","Resource":"*","NotPrincipal":{"AWS":"123456789012"}`,
			"principal", "NotPrincipal", "Allow with NotPrincipal is not supported (statement 1, NotPrincipal, line 1, column 86)"},
		{"reference_policies_elements_principal: canonical users are S3's", `"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"CanonicalUser":"79a59d"}`,
			"principal", `Invalid principal in policy: "CANONICALUSER":"79a59d" (statement 1, Principal.CanonicalUser, line 1, column 110)`, "Resource"},
		{"reference_policies_grammar, sid_string", `"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"*"`, `Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]* (statement 1 "a b", Sid, line 1, column 44)`, "Principal", "Principal"},
		{"reference_policies_grammar, sid_string", `"Sid":"a b","Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"`, "principal", "Statement IDs (SID) must be alpha-numeric", "Resource"},
		{"reference_policies_grammar, sid_string: other services allow more", `"Sid":"a b","Effect":"Allow","Action":"s3:*","Principal":"*","Resource":"*"`, "principal", "Resource", ""},
		{"reference-arns: IAM has no regions", `"Effect":"Allow","Action":"iam:*","Resource":["*","arn:aws:iam:us-west-2:123456789012:role/x"]`,
			"IAM resource arn:aws:iam:us-west-2:123456789012:role/x cannot contain region information. (statement 1, Resource, line 1, column 88)", "Principal", "Principal"},
		{"reference_identifiers: IAM's resources", `"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::123456789012:reader"`,
			`IAM resource path must either be "*" or start with user/, federated-user/, role/`, "Principal", "Principal"},
		{"reference_identifiers: IAM's resources", `"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::123456789012:*","arn:aws:iam::*:role/*","arn:aws:iam::123456789012:instance-profile/x"]`, "", "Principal", "Principal"},
		{"reference-arns: buckets have no region", `"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:us-west-2::b"`,
			"Resource arn:aws:s3:us-west-2::b can not contain region information. (statement 1, NotResource", "Principal", "Principal"},
		{"reference-arns: access points have one", `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:us-west-2:123456789012:accesspoint/x"`, "", "Principal", "Principal"},
	}
	for _, test := range tests {
		document := mustParse(t, statement(test.body))
		for kind, check := range map[string]struct {
			err  error
			want string
		}{
			"identity": {document.CheckIdentity(), test.identity},
			"trust":    {document.CheckTrust(), test.trust},
			"resource": {document.CheckResource(), test.resource},
		} {
			if check.want == "" {
				if check.err != nil {
					t.Errorf("%s, as %s policy: %v", test.source, kind, check.err)
				}
				continue
			}
			if _, ok := errors.AsType[*ParseError](check.err); !ok || !strings.Contains(check.err.Error(), check.want) {
				t.Errorf("%s, as %s policy:\ngot  %v\nwant %s", test.source, kind, check.err, check.want)
			}
		}
	}
}

// TestID: the grammar's notes say that an identity-based policy must not have an Id, but IAM accepts it.
func TestID(t *testing.T) {
	document := mustParse(t, `{"Version":"2012-10-17","Id":"an id","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	if err := document.CheckIdentity(); err != nil || document.ID != "an id" {
		t.Errorf("Id %q: %v", document.ID, err)
	}
}

// TestWithin: a bucket's policy is about that bucket and its objects
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-bucket-user-policy-specifying-resource-intro.html).
func TestWithin(t *testing.T) {
	ofBucket := func(resource string) bool {
		return resource == "arn:aws:s3:::b" || strings.HasPrefix(resource, "arn:aws:s3:::b/")
	}
	document := mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"},
		{"Effect":"Deny","Principal":"*","Action":["s3:Get*","S3:PutObject"],"NotResource":["arn:aws:s3:::b/open/*","arn:aws:s3:::b/${aws:PrincipalTag/x}/*"]}]}`)
	if err := document.CheckWithin(ofBucket); err != nil {
		t.Error(err)
	}
	if got, want := document.Statements[1].Resources(), []string{"arn:aws:s3:::b/open/*", "arn:aws:s3:::b/${aws:PrincipalTag/x}/*"}; !slices.Equal(got, want) {
		t.Errorf("resources %q, want %q", got, want)
	}
	if got, want := document.Statements[1].Actions(), []string{"s3:get*", "s3:putobject"}; !slices.Equal(got, want) {
		t.Errorf("actions %q, want %q", got, want)
	}
	for _, resource := range []string{"*", "arn:aws:s3:::*", "arn:aws:s3:::b*", "arn:aws:s3:::c/k"} {
		document := mustParse(t, statement(`"Sid":"A","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","`+resource+`"]`))
		err := document.CheckWithin(ofBucket)
		if want := `Policy has invalid resource (statement 1 "A", Resource, line 1, column 126)`; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", resource, err, want)
		}
	}
}

// TestGrammar: what each kind of document accepts and refuses. An empty text means that it is accepted. "-" means that the
// row is not about this kind.
func TestGrammar(t *testing.T) {
	const (
		action     = "reference_policies_elements_action"
		principals = "reference_policies_elements_principal"
		grammar    = "reference_policies_grammar"
		own        = `"Effect":"Allow","Action":"s3:GetObject","Resource":"*"`
		vendor     = "Vendor * is not valid"
	)
	trusting := func(principal string) string {
		return `"Effect":"Allow","Action":"sts:AssumeRole","Principal":` + principal
	}
	bucket := func(principal string) string {
		return `"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/k","Principal":` + principal
	}
	tests := []struct {
		source, body              string
		identity, trust, resource string
	}{
		{grammar, own, "", "-", "-"},
		{action + ": a service or all of them", `"Effect":"Allow","Action":"*","Resource":"*"`, "", "-", "-"},
		{action + ": no wildcard for the service", `"Effect":"Allow","Action":"*:*","Resource":"*"`, vendor, "-", "-"},
		{action + ": no wildcard for the service", `"Effect":"Allow","Action":"*:GetObject","Resource":"*"`, vendor, "-", "-"},
		{action + ": no wildcard for the service", `"Effect":"Allow","NotAction":["s3:*","*:*"],"Resource":"*"`, vendor, "-", "-"},
		{action + ": no wildcard for the service", `"Effect":"Deny","Action":"*:*","Resource":"arn:aws:s3:::b/k","Principal":"*"`, "-", "-", vendor},
		{action + ": no wildcard in the service", `"Effect":"Allow","Action":"s3*:GetObject","Resource":"*"`, "Vendor s3* is not valid", "-", "-"},
		{action + ": no wildcard in the service", `"Effect":"Allow","Action":"ec?:*","Resource":"*"`, "Vendor ec? is not valid", "-", "-"},

		{"list_awssecuritytokenservice: actions on roles", `"Effect":"Allow","Action":"sts:AssumeRole*","Principal":"*"`, "-", "", "-"},
		{"list_awssecuritytokenservice: actions on roles", `"Effect":"Allow","Action":["sts:*","sts:SetContext"],"Principal":"*"`, "-", "", "-"},
		{"list_awssecuritytokenservice: actions on roles", `"Effect":"Allow","Action":"sts:GetCallerIdentity","Principal":"*"`, "-", "may only specify STS AssumeRole actions", "-"},
		{"list_awssecuritytokenservice: actions on roles", `"Effect":"Allow","Action":["sts:AssumeRole","sts:AssumeRoles"],"Principal":"*"`, "-", "may only specify STS AssumeRole actions", "-"},

		{principals + ": EKS Pod Identity", trusting(`{"Service":"pods.eks.amazonaws.com"}`), "-", "", "-"},
		{principals + ": a service that there is not", trusting(`{"Service":"pod.eks.amazonaws.com"}`), "-", `Invalid principal in policy: "SERVICE":"pod.eks.amazonaws.com" (the emulator knows no such service principal; pods.eks.amazonaws.com is one)`, "-"},
		{principals + ": a service that there is not", trusting(`{"Service":["ec2.amazonaws.com","podidentity.eks.amazonaws.com"]}`), "-", `Invalid principal in policy: "SERVICE":"podidentity.eks.amazonaws.com" (the emulator knows no such service principal)`, "-"},
		{principals + ": a service that there is not", trusting(`{"Service":"ec2.amazonaws.co"}`), "-", "Invalid principal in policy", "-"},
		{principals + ": a service that there is not", trusting(`{"Service":"us-west-2.amazonaws.com"}`), "-", "Invalid principal in policy", "-"},
		{principals + ": a service that there is not", bucket(`{"Service":"log.s3.amazonaws.com"}`), "-", "-", "Invalid principal in policy"},
		{principals + ": a service that there is not", strings.Replace(bucket(`{"Service":"pod.eks.amazonaws.com"}`), `"Allow"`, `"Deny"`, 1), "-", "-", "Invalid principal in policy"},
		{principals + ": services", trusting(`{"Service":["eks.amazonaws.com","eks-nodegroup.amazonaws.com","eks-fargate-pods.amazonaws.com","ecs-tasks.amazonaws.com","lambda.amazonaws.com","ec2.amazonaws.com"]}`), "-", "", "-"},
		{principals + ": service principals of a region", trusting(`{"Service":["states.us-west-2.amazonaws.com","logs.eu-central-1.amazonaws.com"]}`), "-", "", "-"},
		{principals + ": service principals of a partition", trusting(`{"Service":"ec2.amazonaws.com.cn"}`), "-", "", "-"},
		{principals + ": services", bucket(`{"Service":["logging.s3.amazonaws.com","cloudtrail.amazonaws.com","delivery.logs.amazonaws.com"]}`), "-", "-", ""},

		{principals + ": OIDC providers", trusting(`{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"}`), "-", "", "-"},
		{principals + ": providers of AWS's own", trusting(`{"Federated":["cognito-identity.amazonaws.com","accounts.google.com","www.amazon.com","graph.facebook.com"]}`), "-", "", "-"},
		{principals + ": no provider", trusting(`{"Federated":"oidc.eks.us-west-2.amazonaws.com/id/ABC"}`), "-", `Invalid principal in policy: "FEDERATED":"oidc.eks`, "-"},
		{principals + ": no provider", trusting(`{"Federated":"arn:aws:iam::123456789012:role/reader"}`), "-", `Invalid principal in policy: "FEDERATED"`, "-"},
	}
	for _, test := range tests {
		document, err := Parse([]byte(statement(test.body)))
		for kind, check := range map[string]struct {
			check func(*Document) error
			want  string
		}{
			"identity": {(*Document).CheckIdentity, test.identity},
			"trust":    {(*Document).CheckTrust, test.trust},
			"resource": {(*Document).CheckResource, test.resource},
		} {
			if check.want == "-" {
				continue
			}
			found := err
			if found == nil {
				found = check.check(document)
			}
			switch {
			case check.want == "" && found != nil:
				t.Errorf("%s, as %s policy: %s: %v", test.source, kind, test.body, found)
			case check.want != "" && (found == nil || !strings.Contains(found.Error(), check.want)):
				t.Errorf("%s, as %s policy: %s:\ngot  %v\nwant %s", test.source, kind, test.body, found, check.want)
			}
		}
	}
}

// TestConditionKeys: what is a condition key in all kinds of document.
func TestConditionKeys(t *testing.T) {
	const tagging = "reference_policies_condition-keys, aws:RequestTag/tag-key; reference_tagging, tag keys"
	for _, test := range []struct {
		source, key string
		taken       bool
	}{
		{"AmazonEBSCSIDriverPolicy", "aws:RequestTag/kubernetes.io/cluster/*", true},
		{"AmazonEBSCSIDriverPolicy", "aws:RequestTag/ebs.csi.aws.com/cluster", true},
		{"AmazonEBSCSIDriverPolicy", "ec2:ResourceTag/kubernetes.io/created-for/pvc/name", true},
		{tagging, "aws:ResourceTag/a:b=c+d@e", true},
		{tagging, "aws:PrincipalTag/Cost Center", true},
		{tagging, "aws:RequestTag/", false},
		{"reference_policies_elements_condition: no wildcards", "aws:Source*", false},
		{"reference_policies_elements_condition: no variables", "${aws:SourceIp}", false},
		{"reference_policies_elements_condition: no variables", "aws:${x}", false},
		{"reference_policies_elements_condition: a vendor", "SourceIp", false},
		{"reference_policies_elements_condition: a vendor", ":SourceIp", false},
		{"reference_policies_iam-condition-keys: OIDC providers", "oidc.eks.us-west-2.amazonaws.com/id/ABC:sub", true},
	} {
		_, err := Parse([]byte(statement(`"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringLike":{"` + test.key + `":"owned"}}`)))
		if (err == nil) != test.taken {
			t.Errorf("%s (%s): %v", test.key, test.source, err)
		}
	}
}
