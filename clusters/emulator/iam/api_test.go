package iam_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

const (
	trustPods   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	readObjects = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
)

func serve(t testing.TB) *iamtest.Server {
	return iamtest.New(t, nil, func(account *iam.Accounts) map[string]iamtest.Service {
		service := iamtest.Service{Handler: account.Handler(), Refuse: iam.WriteSignatureError}
		return map[string]iamtest.Service{"iam": service, "": service}
	})
}

// wantError checks code and HTTP status. An empty code expects success.
func wantError(t *testing.T, err error, code string, status int) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Fatalf("got %v", err)
		}
		return
	}
	api, ok := errors.AsType[smithy.APIError](err)
	response, _ := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || api.ErrorCode() != code || response.HTTPStatusCode() != status {
		t.Fatalf("got %v, want %s with %d", err, code, status)
	}
}

// client is a client of the administrator.
func client(t testing.TB) (*sdk.Client, *iamtest.Server) {
	server := serve(t)
	return sdk.NewFromConfig(server.Admin()), server
}

func createRole(t *testing.T, c *sdk.Client, name string) *types.Role {
	t.Helper()
	out, err := c.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustPods)})
	if err != nil {
		t.Fatal(err)
	}
	return out.Role
}

// The calls of the seed: create-policy, create-role, attach-role-policy, and the reverse.
func TestRoleWithPolicy(t *testing.T) {
	c, _ := client(t)
	ctx := t.Context()
	created, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("epi-policy"), PolicyDocument: aws.String(readObjects), Path: aws.String("/team/")})
	wantError(t, err, "", 0)
	arn := created.Policy.Arn
	if *arn != "arn:aws:iam::123456789012:policy/team/epi-policy" || !strings.HasPrefix(*created.Policy.PolicyId, "ANPA") || len(*created.Policy.PolicyId) != 21 || *created.Policy.DefaultVersionId != "v1" {
		t.Errorf("policy = %+v", created.Policy)
	}
	role, err := c.CreateRole(ctx, &sdk.CreateRoleInput{
		RoleName: aws.String("epi-role"), AssumeRolePolicyDocument: aws.String(trustPods), Description: aws.String("of the seed"),
		MaxSessionDuration: aws.Int32(7200), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}},
		PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
	})
	wantError(t, err, "", 0)
	if *role.Role.Arn != "arn:aws:iam::123456789012:role/epi-role" || !strings.HasPrefix(*role.Role.RoleId, "AROA") || len(*role.Role.RoleId) != 21 || role.Role.CreateDate == nil {
		t.Errorf("role = %+v", role.Role)
	}
	_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("epi-role"), PolicyArn: arn})
	wantError(t, err, "", 0)
	_, err = c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("epi-role"), PolicyName: aws.String("inline"), PolicyDocument: aws.String(readObjects)})
	wantError(t, err, "", 0)

	got, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "", 0)
	trust, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument)
	if err != nil || trust != trustPods || *got.Role.MaxSessionDuration != 7200 || *got.Role.Tags[0].Value != "blue" || *got.Role.PermissionsBoundary.PermissionsBoundaryArn != "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess" {
		t.Errorf("role = %+v, trust %s, %v", got.Role, trust, err)
	}
	attached, err := c.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "", 0)
	if len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyArn != *arn || *attached.AttachedPolicies[0].PolicyName != "epi-policy" {
		t.Errorf("attached = %+v", attached.AttachedPolicies)
	}
	inline, err := c.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: aws.String("epi-role"), PolicyName: aws.String("inline")})
	wantError(t, err, "", 0)
	if text, err := url.PathUnescape(*inline.PolicyDocument); err != nil || text != readObjects || *inline.RoleName != "epi-role" {
		t.Errorf("inline = %s, %v", text, err)
	}
	names, err := c.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "", 0)
	if len(names.PolicyNames) != 1 || names.PolicyNames[0] != "inline" {
		t.Errorf("names = %v", names.PolicyNames)
	}
	policy, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})
	wantError(t, err, "", 0)
	if *policy.Policy.AttachmentCount != 1 {
		t.Errorf("attachments = %d", *policy.Policy.AttachmentCount)
	}

	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	wantError(t, err, "DeleteConflict", 409)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "DeleteConflict", 409)
	_, err = c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("epi-role"), PolicyArn: arn})
	wantError(t, err, "", 0)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "DeleteConflict", 409)
	_, err = c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: aws.String("epi-role"), PolicyName: aws.String("inline")})
	wantError(t, err, "", 0)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "", 0)
	_, err = c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("epi-role")})
	wantError(t, err, "NoSuchEntity", 404)
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	wantError(t, err, "", 0)
	_, err = c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})
	wantError(t, err, "NoSuchEntity", 404)
}

func TestRefusals(t *testing.T) {
	c, server := client(t)
	createRole(t, c, "taken")
	if _, err := c.CreatePolicy(t.Context(), &sdk.CreatePolicyInput{PolicyName: aws.String("taken"), PolicyDocument: aws.String(readObjects)}); err != nil {
		t.Fatal(err)
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	role := func(name, trust string, change ...func(*sdk.CreateRoleInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
			for _, change := range change {
				change(in)
			}
			_, err := c.CreateRole(ctx, in)
			return err
		}
	}
	policy := func(name, document string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
			return err
		}
	}
	tests := []struct {
		name   string
		do     func(context.Context) error
		code   string
		status int
	}{
		{"CreateRole: name in use", role("taken", trustPods), "EntityAlreadyExists", 409},
		{"reference_iam-quotas: names do not differ by case", role("TAKEN", trustPods), "EntityAlreadyExists", 409},
		{"CreateRole: characters of a name", role("a b", trustPods), "ValidationError", 400},
		{"CreateRole: length of a name", role(long(65), trustPods), "ValidationError", 400},
		{"CreateRole: path", role("a", trustPods, func(in *sdk.CreateRoleInput) { in.Path = aws.String("team") }), "ValidationError", 400},
		{"CreateRole: session duration", role("a", trustPods, func(in *sdk.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(60) }), "ValidationError", 400},
		{"CreateRole: description", role("a", trustPods, func(in *sdk.CreateRoleInput) { in.Description = aws.String(long(1001)) }), "ValidationError", 400},
		{"CreateRole: boundary that is not there", role("a", trustPods, func(in *sdk.CreateRoleInput) { in.PermissionsBoundary = aws.String("arn:aws:iam::aws:policy/Nothing") }), "NoSuchEntity", 404},
		{"CreateRole: tag twice", role("a", trustPods, func(in *sdk.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("A"), Value: aws.String("2")}}
		}), "InvalidInput", 400},
		{"CreateRole: reserved tag", role("a", trustPods, func(in *sdk.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("1")}}
		}), "InvalidInput", 400},
		{"CreateRole: trust policy is no JSON", role("a", "{"), "MalformedPolicyDocument", 400},
		{"CreateRole: trust policy without principal", role("a", readObjects), "MalformedPolicyDocument", 400},
		{"CreateRole: trust policy names a role that is not there", role("a", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::123456789012:role/gone"}}}`), "MalformedPolicyDocument", 400},
		{"reference_iam-quotas: trust policy length", role("a", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Condition":{"StringEquals":{"aws:userid":"`+long(2048)+`"}}}}`), "LimitExceeded", 409},
		{"CreatePolicy: name in use", policy("taken", readObjects), "EntityAlreadyExists", 409},
		{"CreatePolicy: with a principal", policy("a", trustPods), "MalformedPolicyDocument", 400},
		{"CreatePolicy: bad resource", policy("a", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"b"}}`), "MalformedPolicyDocument", 400},
		{"reference_iam-quotas: characters of a document", policy("a", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::☃"}}`), "ValidationError", 400},
		{"reference_iam-quotas: policy size", policy("a", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::`+long(6144)+`"}}`), "LimitExceeded", 409},
		{"AttachRolePolicy: no such role", func(ctx context.Context) error {
			_, err := c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("gone"), PolicyArn: aws.String(iam.WorkerNodePolicyARN)})
			return err
		}, "NoSuchEntity", 404},
		{"AttachRolePolicy: no such policy", func(ctx context.Context) error {
			_, err := c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("taken"), PolicyArn: aws.String("arn:aws:iam::123456789012:policy/gone")})
			return err
		}, "NoSuchEntity", 404},
		{"DetachRolePolicy: not attached", func(ctx context.Context) error {
			_, err := c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("taken"), PolicyArn: aws.String(iam.WorkerNodePolicyARN)})
			return err
		}, "NoSuchEntity", 404},
		{"DeletePolicy: AWS's own", func(ctx context.Context) error {
			_, err := c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: aws.String(iam.WorkerNodePolicyARN)})
			return err
		}, "AccessDenied", 403},
		{"GetPolicyVersion: no such version", func(ctx context.Context) error {
			_, err := c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: aws.String(iam.WorkerNodePolicyARN), VersionId: aws.String("v2")})
			return err
		}, "NoSuchEntity", 404},
		{"an operation that is not served", func(ctx context.Context) error {
			_, err := c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})
			return err
		}, "InvalidAction", 400},
		{"CommonErrors: unknown access key", func(ctx context.Context) error {
			_, err := sdk.NewFromConfig(server.Config("AKIANOBODY", "x", "")).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("taken")})
			return err
		}, "InvalidClientTokenId", 403},
		{"CommonErrors: wrong secret", func(ctx context.Context) error {
			_, err := sdk.NewFromConfig(server.Config(iamtest.AccessKeyID, "x", "")).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("taken")})
			return err
		}, "SignatureDoesNotMatch", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, test.do(t.Context()), test.code, test.status)
			if call := server.LastCall(t); call.ErrorCode != test.code {
				t.Errorf("journal has %q", call.ErrorCode)
			}
		})
	}
	// None of the refused calls made anything.
	roles, err := c.ListRoles(t.Context(), &sdk.ListRolesInput{})
	if err != nil || len(roles.Roles) != 1 {
		t.Errorf("roles = %+v, %v", roles, err)
	}
}

func TestLimits(t *testing.T) {
	// reference_iam-quotas.
	c, _ := client(t)
	ctx := t.Context()
	createRole(t, c, "r")
	for n := range 11 {
		out, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String(fmt.Sprintf("p%d", n)), PolicyDocument: aws.String(readObjects)})
		wantError(t, err, "", 0)
		_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: out.Policy.Arn})
		if n < 10 {
			wantError(t, err, "", 0)
		} else {
			wantError(t, err, "LimitExceeded", 409)
		}
	}
	arn := aws.String("arn:aws:iam::123456789012:policy/p10")
	for n := range 5 {
		out, err := c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(readObjects), SetAsDefault: true})
		if n == 4 {
			wantError(t, err, "LimitExceeded", 409)
			continue
		}
		wantError(t, err, "", 0)
		if want := fmt.Sprintf("v%d", n+2); *out.PolicyVersion.VersionId != want || !out.PolicyVersion.IsDefaultVersion {
			t.Errorf("version = %+v, want %s", out.PolicyVersion, want)
		}
	}
	_, err := c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})
	wantError(t, err, "DeleteConflict", 409)
	_, err = c.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
	wantError(t, err, "", 0)
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	wantError(t, err, "DeleteConflict", 409)
	for _, version := range []string{"v2", "v3", "v4", "v5"} {
		_, err = c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: &version})
		wantError(t, err, "", 0)
	}
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	wantError(t, err, "", 0)
}

func TestPages(t *testing.T) {
	c, _ := client(t)
	var want, got []string
	for n := range 7 {
		name := fmt.Sprintf("role-%d", n)
		createRole(t, c, name)
		want = append(want, name)
	}
	pages := sdk.NewListRolesPaginator(c, &sdk.ListRolesInput{MaxItems: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range page.Roles {
			got = append(got, *role.RoleName)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err := c.ListRoles(t.Context(), &sdk.ListRolesInput{Marker: aws.String("?")})
	wantError(t, err, "ValidationError", 400)
	policies, err := c.ListPolicies(t.Context(), &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeAws})
	if err != nil || len(policies.Policies) < 5 {
		t.Errorf("AWS's policies = %+v, %v", policies, err)
	}
}

func TestTags(t *testing.T) {
	c, _ := client(t)
	ctx := t.Context()
	createRole(t, c, "r")
	_, err := c.TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("r"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}, {Key: aws.String("size"), Value: aws.String("")}}})
	wantError(t, err, "", 0)
	_, err = c.TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("r"), Tags: []types.Tag{{Key: aws.String("TEAM"), Value: aws.String("red")}}})
	wantError(t, err, "", 0)
	_, err = c.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: aws.String("r"), TagKeys: []string{"size"}})
	wantError(t, err, "", 0)
	out, err := c.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: aws.String("r")})
	if err != nil || len(out.Tags) != 1 || *out.Tags[0].Key != "TEAM" || *out.Tags[0].Value != "red" {
		t.Errorf("tags = %+v, %v", out, err)
	}
}

// The caller's own policies decide every call.
func TestAuthorization(t *testing.T) {
	c, server := client(t)
	ctx := t.Context()
	if _, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	key, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	ann := sdk.NewFromConfig(server.Config(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, ""))
	create := func(name string) error {
		_, err := ann.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustPods)})
		return err
	}
	wantError(t, create("team-a"), "AccessDenied", 403)
	if message := create("team-a").Error(); !strings.Contains(message, "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/team-a because no identity-based policy allows the iam:CreateRole action") {
		t.Errorf("message = %s", message)
	}
	_, err = c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("team"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:CreateRole","iam:GetRole"],"Resource":"arn:aws:iam::*:role/team-*"},
		{"Effect":"Allow","Action":"iam:AttachRolePolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}}}]}`)})
	wantError(t, err, "", 0)
	wantError(t, create("team-a"), "", 0)
	if call := server.LastCall(t); call.Operation != "CreateRole" || !strings.Contains(call.Decision, "allowed by statement 1 of the identity-based policy inline policy team") {
		t.Errorf("call = %+v", call)
	}
	wantError(t, create("other"), "AccessDenied", 403)
	attach := func(arn string) error {
		_, err := ann.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("team-a"), PolicyArn: &arn})
		return err
	}
	wantError(t, attach("arn:aws:iam::aws:policy/AdministratorAccess"), "AccessDenied", 403)
	wantError(t, attach("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"), "", 0)
	// A caller without permission does not learn what exists.
	_, err = ann.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("other")})
	wantError(t, err, "AccessDenied", 403)
	_, err = ann.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("team-gone")})
	wantError(t, err, "NoSuchEntity", 404)
	// A deleted key is unknown at once.
	_, err = c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: key.AccessKey.AccessKeyId})
	wantError(t, err, "", 0)
	wantError(t, create("team-b"), "InvalidClientTokenId", 403)
}

func TestWire(t *testing.T) {
	server := serve(t)
	tests := []struct {
		name, method, contentType, body string
		status                          int
		code                            string
	}{
		{"unsigned", "POST", "application/x-www-form-urlencoded", "Action=GetRole&Version=2010-05-08&RoleName=r", 403, "AccessDenied"},
		{"no action", "POST", "application/x-www-form-urlencoded", "Version=2010-05-08", 400, "MissingAction"},
		{"another version", "POST", "application/x-www-form-urlencoded", "Action=GetRole&Version=2011-06-15", 400, "InvalidAction"},
		{"an action that is no name", "POST", "application/x-www-form-urlencoded", "Action=%3Cscript%3E&Version=2010-05-08", 400, "InvalidAction"},
		{"a parameter twice", "POST", "application/x-www-form-urlencoded", "Action=GetRole&Version=2010-05-08&RoleName=a&RoleName=b", 400, "MalformedInput"},
		{"not a form", "POST", "application/json", "{}", 415, "MalformedInput"},
		{"another method", "DELETE", "", "", 405, "InvalidAction"},
		{"too long", "POST", "application/x-www-form-urlencoded", "Action=GetRole&RoleName=" + strings.Repeat("a", 1<<20), 400, "MalformedInput"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+"/", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", test.contentType)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != test.status || response.Header.Get("Content-Type") != "text/xml" {
				t.Errorf("status %d, type %s", response.StatusCode, response.Header.Get("Content-Type"))
			}
			if code := server.LastCall(t).ErrorCode; code != test.code {
				t.Errorf("code = %q", code)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	c, server := client(t)
	createRole(t, c, "r")
	done := make(chan error)
	for n := range 4 {
		go func() {
			name := fmt.Sprintf("p%d", n)
			for range 10 {
				_, err := c.PutRolePolicy(context.Background(), &sdk.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: &name, PolicyDocument: aws.String(readObjects)})
				if err == nil {
					_, err = server.Accounts.IssueSession(context.Background(), iam.SessionInput{RoleARN: "arn:aws:iam::123456789012:role/r", SessionName: name, Duration: time.Hour})
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
