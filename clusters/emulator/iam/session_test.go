package iam_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

const abac = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"}]}`

func parse(t testing.TB, text string) *policy.Document {
	t.Helper()
	document, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// roleWith creates a role with an inline policy and returns its ARN.
func roleWith(t *testing.T, c *sdk.Client, name, document string, tags ...types.Tag) string {
	t.Helper()
	out, err := c.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustPods), Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("inline"), PolicyDocument: &document}); err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

func issue(t *testing.T, account *iam.Accounts, input iam.SessionInput) (iam.Session, *iam.Caller) {
	t.Helper()
	if input.SessionName == "" {
		input.SessionName = "one"
	}
	if input.Duration == 0 {
		input.Duration = time.Hour
	}
	session, err := account.IssueSession(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	principal, ok := account.Principal(t.Context(), session.AccessKeyID, session.SessionToken)
	if !ok {
		t.Fatal("no principal")
	}
	return session, &iam.Caller{Principal: principal, AccessKeyID: session.AccessKeyID, Environment: iam.Environment{SourceIP: netip.MustParseAddr("10.0.0.7"), Region: iamtest.Region}}
}

func TestSession(t *testing.T) {
	c, server := client(t)
	arn := roleWith(t, c, "reader", abac, types.Tag{Key: aws.String("Kubernetes-Namespace"), Value: aws.String("from-role")}, types.Tag{Key: aws.String("team"), Value: aws.String("blue")})
	session, caller := issue(t, server.Accounts, iam.SessionInput{
		RoleARN: arn, SessionName: "eks-epi-pod-1", Tags: map[string]string{"eks-cluster-name": "epi", "kubernetes-namespace": "default"}, TransitiveTags: []string{"eks-cluster-name"},
	})
	if !strings.HasPrefix(session.AccessKeyID, "ASIA") || len(session.AccessKeyID) != 20 || len(session.SecretAccessKey) != 40 || len(session.SessionToken) < 700 {
		t.Errorf("lengths: %d %d %d", len(session.AccessKeyID), len(session.SecretAccessKey), len(session.SessionToken))
	}
	who := caller.Principal
	if session.ARN != "arn:aws:sts::123456789012:assumed-role/reader/eks-epi-pod-1" || who.ARN != session.ARN || who.UserID != session.ID || !strings.HasPrefix(session.ID, "AROA") || !strings.HasSuffix(session.ID, ":eks-epi-pod-1") || who.RoleARN != arn {
		t.Errorf("session %s %s, principal %+v", session.ARN, session.ID, who)
	}
	// id_session-tags: the session's tag overrides the role's in any case of letters. The role's other tags stay.
	if who.Tags["kubernetes-namespace"] != "default" || who.Tags["team"] != "blue" || len(who.Tags) != 3 || len(who.SessionTags) != 2 {
		t.Errorf("tags = %v", who.Tags)
	}
	for resource, want := range map[string]bool{"arn:aws:s3:::b/epi/default/x": true, "arn:aws:s3:::b/epi/hoge/x": false} {
		call := &journal.Call{}
		ctx := journal.NewContext(t.Context(), call)
		if decision := server.Accounts.Authorize(ctx, caller, iam.Access{Action: "s3:GetObject", Resource: resource}); decision.Allowed != want {
			t.Errorf("%s: %s", resource, decision.Explain())
		}
		if !strings.Contains(call.Decision, "s3:GetObject on "+resource) {
			t.Errorf("journal has %q", call.Decision)
		}
	}
	// A change of a policy counts for existing sessions.
	if _, err := c.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: aws.String("reader"), PolicyName: aws.String("inline")}); err != nil {
		t.Fatal(err)
	}
	access := iam.Access{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/epi/default/x"}
	if decision := server.Accounts.Authorize(t.Context(), caller, access); decision.Allowed {
		t.Error("allowed after the policy was deleted")
	}
	// A role that is deleted and created again is another role. The old session stays invalid.
	if _, err := c.DeleteRole(t.Context(), &sdk.DeleteRoleInput{RoleName: aws.String("reader")}); err != nil {
		t.Fatal(err)
	}
	roleWith(t, c, "reader", abac)
	if _, ok := server.Accounts.Principal(t.Context(), session.AccessKeyID, session.SessionToken); ok {
		t.Error("the session survived its role")
	}
	if _, err := server.Accounts.Credentials(t.Context(), session.AccessKeyID, session.SessionToken); err == nil {
		t.Error("the session's credentials survived its role")
	}
	if decision := server.Accounts.Authorize(t.Context(), caller, access); decision.Allowed {
		t.Error("a caller of the old role is allowed")
	}
}

func TestSessionPolicies(t *testing.T) {
	c, server := client(t)
	arn := roleWith(t, c, "reader", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: arn, Policies: []policy.Named{{Name: "narrow", Document: parse(t, readObjects)}}})
	for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false} {
		if decision := server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: action, Resource: "arn:aws:s3:::b/x"}); decision.Allowed != want {
			t.Errorf("%s: %s", action, decision.Explain())
		}
	}
	if _, err := c.PutRolePermissionsBoundary(t.Context(), &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("reader"), PermissionsBoundary: aws.String(iam.WorkerNodePolicyARN)}); err != nil {
		t.Fatal(err)
	}
	if decision := server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/x"}); decision.Allowed || decision.Kind != policy.BoundaryPolicy {
		t.Errorf("with a boundary: %s", decision.Explain())
	}
}

func TestSessionInput(t *testing.T) {
	c, server := client(t)
	arn := *createRole(t, c, "r").Arn
	tags := map[string]string{}
	for n := range 51 {
		tags[strings.Repeat("k", n+1)] = ""
	}
	tests := []struct {
		name   string
		change func(*iam.SessionInput)
		want   string
	}{
		{"as it should be", func(*iam.SessionInput) {}, ""},
		{"AssumeRole: session name", func(in *iam.SessionInput) { in.SessionName = "a" }, "session name"},
		{"AssumeRole: session name", func(in *iam.SessionInput) { in.SessionName = strings.Repeat("a", 65) }, "session name"},
		{"AssumeRole: session name", func(in *iam.SessionInput) { in.SessionName = "a/b" }, "session name"},
		{"reference_iam-quotas: duration", func(in *iam.SessionInput) { in.Duration = time.Minute }, "duration"},
		{"reference_iam-quotas: duration", func(in *iam.SessionInput) { in.Duration = 13 * time.Hour }, "duration"},
		{"id_session-tags: 50 tags", func(in *iam.SessionInput) { in.Tags = tags }, "51 tags"},
		{"id_session-tags: key length", func(in *iam.SessionInput) { in.Tags = map[string]string{strings.Repeat("k", 129): ""} }, "tag key"},
		{"id_session-tags: value length", func(in *iam.SessionInput) { in.Tags = map[string]string{"k": strings.Repeat("v", 257)} }, "value of tag"},
		{"id_session-tags: value characters", func(in *iam.SessionInput) { in.Tags = map[string]string{"k": "*"} }, "value of tag"},
		{"id_session-tags: keys differ by more than case", func(in *iam.SessionInput) { in.Tags = map[string]string{"k": "", "K": ""} }, "given twice"},
		{"transitive tag that is none", func(in *iam.SessionInput) { in.TransitiveTags = []string{"x"} }, "transitive tag"},
		{"AssumeRole: policy length", func(in *iam.SessionInput) {
			in.Policies = []policy.Named{{Name: "p", Document: parse(t, readObjects+strings.Repeat(" ", 2048))}}
		}, "session policies"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := iam.SessionInput{RoleARN: arn, SessionName: "one", Duration: time.Hour}
			test.change(&in)
			_, err := server.Accounts.IssueSession(t.Context(), in)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if _, ok := errors.AsType[*iam.InputError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, gone := range []string{"arn:aws:iam::123456789012:role/gone", "arn:aws:iam::123456789012:role/path/r", "arn:aws:iam::123456789012:role/R", "r", ""} {
		if _, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: gone, SessionName: "one", Duration: time.Hour}); !errors.Is(err, iam.ErrNoSuchRole) {
			t.Errorf("%s: got %v", gone, err)
		}
	}
}

func TestEvaluateTrust(t *testing.T) {
	c, server := client(t)
	ctx := t.Context()
	ann, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	caller := &iam.Caller{Principal: iam.Principal{Type: iam.UserPrincipal, AccountID: iamtest.AccountID, ARN: *ann.User.Arn, UserID: *ann.User.UserId, UserName: "ann"}}
	tagged := policy.Context{}
	tagged.Set("aws:RequestTag/kubernetes-namespace", "default")
	tagged.Set("aws:SourceArn", "arn:aws:eks:us-west-2:123456789012:cluster/epi")
	tagged.Set("aws:SourceAccount", iamtest.AccountID)
	both := []string{"sts:AssumeRole", "sts:TagSession"}
	trust := func(actions, principal, condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions + `,"Condition":` + condition + `}}`
	}
	const pods, assumeAndTag = `{"Service":"pods.eks.amazonaws.com"}`, `["sts:AssumeRole","sts:TagSession"]`
	tests := []struct {
		name, trust, service string
		caller               *iam.Caller
		actions              []string
		want                 bool
		refused              string
	}{
		{"pod-id-role: the documented policy", trustPods, "pods.eks.amazonaws.com", nil, both, true, ""},
		{"pod-id-role: without sts:TagSession", trust(`"sts:AssumeRole"`, pods, `{}`), "pods.eks.amazonaws.com", nil, both, false, "sts:TagSession"},
		{"pod-id-role: no tags, no sts:TagSession", trust(`"sts:AssumeRole"`, pods, `{}`), "pods.eks.amazonaws.com", nil, both[:1], true, ""},
		{"another service", trust(assumeAndTag, `{"Service":"ec2.amazonaws.com"}`, `{}`), "pods.eks.amazonaws.com", nil, both, false, "sts:AssumeRole"},
		{"pod-id-abac: condition on a request tag", trust(assumeAndTag, pods, `{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"default"}}`), "pods.eks.amazonaws.com", nil, both, true, ""},
		{"pod-id-abac: condition on a request tag", trust(assumeAndTag, pods, `{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"other"}}`), "pods.eks.amazonaws.com", nil, both, false, "sts:AssumeRole"},
		{"confused deputy: source", trust(assumeAndTag, pods, `{"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnEquals":{"aws:SourceArn":"arn:aws:eks:us-west-2:123456789012:cluster/epi"}}`), "pods.eks.amazonaws.com", nil, both, true, ""},
		{"confused deputy: another cluster", trust(assumeAndTag, pods, `{"ArnEquals":{"aws:SourceArn":"arn:aws:eks:us-west-2:123456789012:cluster/blue"}}`), "pods.eks.amazonaws.com", nil, both, false, "sts:AssumeRole"},
		{"a user by name", trust(`"sts:AssumeRole"`, `{"AWS":"arn:aws:iam::123456789012:user/ann"}`, `{}`), "", caller, both[:1], true, ""},
		{"a user by account, without a policy of its own", trust(`"sts:AssumeRole"`, `{"AWS":"123456789012"}`, `{}`), "", caller, both[:1], false, "sts:AssumeRole"},
		{"nobody of that kind", trustPods, "", caller, both[:1], false, "sts:AssumeRole"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &test.trust}); err != nil {
				t.Fatal(err)
			}
			decision := server.Accounts.EvaluateTrust(ctx, iam.Trust{RoleARN: "arn:aws:iam::123456789012:role/r", Service: test.service, Caller: test.caller, Actions: test.actions, Context: tagged})
			if decision.Allowed != test.want || !test.want && decision.Action != test.refused {
				t.Errorf("%s", decision.Explain())
			}
			if _, err := c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("r")}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if decision := server.Accounts.EvaluateTrust(ctx, iam.Trust{RoleARN: "arn:aws:iam::123456789012:role/gone", Service: "pods.eks.amazonaws.com", Actions: both}); decision.Allowed {
		t.Error("a missing role is trusted")
	}
}

func TestNodeRole(t *testing.T) {
	server := serve(t)
	role, err := server.Accounts.CreateServiceRole("epi-node", "ec2.amazonaws.com", iam.WorkerNodePolicyARN)
	if err != nil {
		t.Fatal(err)
	}
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: role.ARN, SessionName: "i-0123456789abcdef0", Duration: 6 * time.Hour})
	// CATALOGUE AUT-10: the worker node policy allows it, and allows nothing on S3.
	for action, want := range map[string]bool{"eks-auth:AssumeRoleForPodIdentity": true, "s3:GetObject": false} {
		if decision := server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: action, Resource: "arn:aws:eks:us-west-2:123456789012:cluster/epi"}); decision.Allowed != want {
			t.Errorf("%s: %s", action, decision.Explain())
		}
	}
	if _, err := server.Accounts.CreateServiceRole("other", "ec2.amazonaws.com", "arn:aws:iam::aws:policy/Nothing"); err == nil {
		t.Error("a role with a policy that does not exist")
	}
	if decision := server.Accounts.Authorize(t.Context(), nil, iam.Access{Action: "s3:GetObject", Resource: "*"}); decision.Allowed {
		t.Error("nobody is allowed")
	}
}

func TestGlobalKeys(t *testing.T) {
	// reference_policies_condition-keys: each key with the value that an allowing condition needs.
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	server := iamtest.New(t, func() time.Time { return now }, func(account *iam.Accounts) map[string]iamtest.Service {
		return map[string]iamtest.Service{"iam": {Handler: account.Handler(), Refuse: iam.WriteSignatureError}}
	})
	role, err := server.Accounts.CreateServiceRole("r", "ec2.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: role.ARN})
	caller.UserAgent = "agent/1"
	tests := map[string]string{
		"the role and not the session":    `"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/r"}`,
		"account":                         `"StringEquals":{"aws:PrincipalAccount":"123456789012"}`,
		"type":                            `"StringEquals":{"aws:PrincipalType":"AssumedRole"}`,
		"user ID":                         `"StringLike":{"aws:userid":"AROA*:one"}`,
		"no user name":                    `"Null":{"aws:username":"true"}`,
		"source address":                  `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`,
		"transport":                       `"Bool":{"aws:SecureTransport":"false"}`,
		"time":                            `"DateEquals":{"aws:CurrentTime":"2026-03-04T05:06:07Z"}`,
		"epoch":                           `"DateGreaterThan":{"aws:EpochTime":"2026-03-04T05:06:06Z"}`,
		"issue time of temporary keys":    `"DateEquals":{"aws:TokenIssueTime":"2026-03-04T05:06:07Z"}`,
		"region":                          `"StringEquals":{"aws:RequestedRegion":"us-west-2"}`,
		"resource account":                `"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}"}`,
		"user agent":                      `"StringEquals":{"aws:UserAgent":"agent/1"}`,
		"a request cannot claim a tag":    `"Null":{"aws:PrincipalTag/x":"true"}`,
		"nor another principal":           `"StringNotEquals":{"aws:PrincipalAccount":"999999999999"}`,
		"and it is not called by AWS":     `"Bool":{"aws:PrincipalIsAWSService":"false"}`,
		"temporary keys come without MFA": `"Bool":{"aws:MultiFactorAuthPresent":"false"}`,
	}
	for name, condition := range tests {
		t.Run(name, func(t *testing.T) {
			resource := &policy.Named{Name: "bucket policy", Document: parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":{`+condition+`}}}`)}
			claims := policy.Context{}
			claims.Set("aws:PrincipalAccount", "999999999999")
			if decision := server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourcePolicy: resource, Context: claims}); !decision.Allowed {
				t.Errorf("%s", decision.Explain())
			}
		})
	}
}

func BenchmarkAuthorize(b *testing.B) {
	account, err := iam.NewAccounts(iam.Options{AccountID: iamtest.AccountID})
	if err != nil {
		b.Fatal(err)
	}
	role, err := account.CreateServiceRole("r", "ec2.amazonaws.com", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	if err != nil {
		b.Fatal(err)
	}
	session, err := account.IssueSession(b.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "one", Duration: time.Hour, Tags: map[string]string{"kubernetes-namespace": "default", "eks-cluster-name": "epi"}})
	if err != nil {
		b.Fatal(err)
	}
	principal, _ := account.Principal(b.Context(), session.AccessKeyID, session.SessionToken)
	caller := &iam.Caller{Principal: principal}
	b.ReportAllocs()
	for b.Loop() {
		if decision := account.Authorize(b.Context(), caller, iam.Access{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}); !decision.Allowed {
			b.Fatal(decision.Explain())
		}
	}
}

// TestForwardAccessSession: requests that a service makes with a caller's credentials have keys that say so
// (reference_policies_condition-keys, aws:ViaAWSService, aws:CalledVia…; access_forward_access_sessions).
func TestForwardAccessSession(t *testing.T) {
	c, server := client(t)
	arn := roleWith(t, c, "r", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: arn})
	twice := caller.Through("cloudformation.amazonaws.com").Through("dynamodb.amazonaws.com")
	for _, test := range []struct {
		condition     string
		direct, twice bool
	}{
		{`"Bool":{"aws:ViaAWSService":"true"}`, false, true},
		{`"Bool":{"aws:ViaAWSService":"false"}`, true, false},
		{`"Bool":{"aws:PrincipalIsAWSService":"false"}`, true, true},
		{`"ForAnyValue:StringEquals":{"aws:CalledVia":"cloudformation.amazonaws.com"}`, false, true},
		{`"ForAnyValue:StringEquals":{"aws:CalledVia":"dynamodb.amazonaws.com"}`, false, true},
		{`"StringEquals":{"aws:CalledVia":"dynamodb.amazonaws.com"}`, false, false},
		{`"StringEquals":{"aws:CalledViaFirst":"cloudformation.amazonaws.com","aws:CalledViaLast":"dynamodb.amazonaws.com"}`, false, true},
		{`"Null":{"aws:CalledVia":"true","aws:CalledViaFirst":"true","aws:CalledViaLast":"true"}`, true, false},
		{`"IpAddress":{"aws:SourceIp":"10.0.0.7"}`, true, true},
		{`"Bool":{"aws:SecureTransport":"true"}`, false, true},
	} {
		resource := &policy.Named{Name: "deny", Document: parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{`+test.condition+`}}}`)}
		access := iam.Access{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourcePolicy: resource}
		for name, who := range map[string]struct {
			*iam.Caller
			want bool
		}{"direct": {caller, test.direct}, "through two services": {twice, test.twice}} {
			if decision := server.Accounts.Authorize(t.Context(), who.Caller, access); decision.Explicit != who.want {
				t.Errorf("%s: denied by %s %v, want %v", name, test.condition, decision.Explicit, who.want)
			}
		}
	}
}
