package sts_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/sts"
)

func serve(t *testing.T) *iamtest.Server {
	return iamtest.New(t, nil, func(account *iam.Accounts) map[string]iamtest.Service {
		service := iamtest.Service{Handler: sts.NewHandler(sts.Options{Accounts: account, Issuers: issuers}), Refuse: iam.WriteSignatureError}
		return map[string]iamtest.Service{"sts": service, "": service, "iam": {Handler: account.Handler(), Refuse: iam.WriteSignatureError}}
	})
}

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

func createRole(t *testing.T, server *iamtest.Server, name, trust, policy string) string {
	t.Helper()
	c := iamsdk.NewFromConfig(server.Admin())
	out, err := c.CreateRole(t.Context(), &iamsdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(7200)})
	if err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		if _, err := c.PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	return *out.Role.Arn
}

func TestGetCallerIdentity(t *testing.T) {
	server := serve(t)
	out, err := sdk.NewFromConfig(server.Admin()).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	wantError(t, err, "", 0)
	if *out.Account != iamtest.AccountID || *out.Arn != "arn:aws:iam::123456789012:user/epi-admin" || !strings.HasPrefix(*out.UserId, "AIDA") {
		t.Errorf("out = %+v", out)
	}
	// "No permissions are required", and a denial changes nothing.
	arn := createRole(t, server, "r", `{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	session, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: arn, SessionName: "pod", Duration: time.Hour})
	wantError(t, err, "", 0)
	c := sdk.NewFromConfig(server.Config(session.AccessKeyID, session.SecretAccessKey, session.SessionToken))
	out, err = c.GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	wantError(t, err, "", 0)
	if *out.Arn != session.ARN || *out.UserId != session.ID {
		t.Errorf("out = %+v, want %s %s", out, session.ARN, session.ID)
	}
	_, err = sdk.NewFromConfig(server.Config(session.AccessKeyID, session.SecretAccessKey, "")).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	wantError(t, err, "InvalidClientTokenId", 403)
	// A presigned GET, as clients of EKS authenticate with.
	signed, err := sdk.NewPresignClient(c).PresignGetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	wantError(t, err, "", 0)
	response, err := http.Get(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || !strings.Contains(string(body), "<Arn>"+session.ARN+"</Arn>") {
		t.Errorf("presigned: %d %s", response.StatusCode, body)
	}
}

func TestUnsigned(t *testing.T) {
	server := serve(t)
	for action, want := range map[string]string{
		"GetCallerIdentity": "MissingAuthenticationToken",
		"AssumeRole":        "MissingAuthenticationToken",
		// The token is the identity here; without parameters it is not even looked at.
		"AssumeRoleWithWebIdentity": "ValidationError",
		"GetAccessKeyInfo":          "MissingAuthenticationToken",
		"GetFederationToken":        "InvalidAction",
	} {
		response, err := http.PostForm(server.URL, url.Values{"Action": {action}, "Version": {"2011-06-15"}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.Contains(string(body), "<Code>"+want+"</Code>") || response.StatusCode/100 != 4 {
			t.Errorf("%s: %d %s", action, response.StatusCode, body)
		}
		_ = response.Body.Close() // read to its end
	}
}

const trustAccount = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":["sts:AssumeRole","sts:TagSession"]}}`

func TestAssumeRole(t *testing.T) {
	server := serve(t)
	ctx := t.Context()
	admin := sdk.NewFromConfig(server.Admin())
	first := createRole(t, server, "first", trustAccount, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"*"}}`)
	second := createRole(t, server, "second", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/first"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"shared/id"}}}}`, "")
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

	out, err := admin.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &first, RoleSessionName: aws.String("one"), DurationSeconds: aws.Int32(7200), Tags: []types.Tag{tag("team", "blue"), tag("size", "xl")}, TransitiveTagKeys: []string{"team"}})
	wantError(t, err, "", 0)
	if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/first/one" || !strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":one") {
		t.Errorf("user = %+v", out.AssumedRoleUser)
	}
	if left := time.Until(*out.Credentials.Expiration); left < 118*time.Minute || left > 2*time.Hour {
		t.Errorf("expires in %s", left)
	}
	chained := sdk.NewFromConfig(server.Config(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	hop := func(change func(*sdk.AssumeRoleInput)) (*sdk.AssumeRoleOutput, error) {
		in := &sdk.AssumeRoleInput{RoleArn: &second, RoleSessionName: aws.String("two"), ExternalId: aws.String("shared/id")}
		change(in)
		return chained.AssumeRole(ctx, in)
	}
	out, err = hop(func(in *sdk.AssumeRoleInput) { in.Tags = []types.Tag{tag("own", "1")} })
	wantError(t, err, "", 0)
	// id_session-tags, "Chaining roles": transitive tags stay, the others do not.
	principal, ok := server.Accounts.Principal(ctx, *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if !ok || len(principal.Tags) != 2 || principal.Tags["team"] != "blue" || principal.Tags["own"] != "1" || len(principal.TransitiveTags) != 1 {
		t.Errorf("principal = %+v", principal)
	}
	tests := []struct {
		name   string
		change func(*sdk.AssumeRoleInput)
		code   string
		status int
	}{
		{"AssumeRole: without the external ID", func(in *sdk.AssumeRoleInput) { in.ExternalId = nil }, "AccessDenied", 403},
		{"AssumeRole: another external ID", func(in *sdk.AssumeRoleInput) { in.ExternalId = aws.String("other") }, "AccessDenied", 403},
		{"a role that does not exist is not told apart", func(in *sdk.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::123456789012:role/gone") }, "AccessDenied", 403},
		{"id_session-tags: a transitive tag cannot be overridden", func(in *sdk.AssumeRoleInput) { in.Tags = []types.Tag{tag("Team", "red")} }, "InvalidParameterValue", 400},
		{"id_session-tags: reserved prefix", func(in *sdk.AssumeRoleInput) { in.Tags = []types.Tag{tag("aws:x", "red")} }, "InvalidParameterValue", 400},
		{"id_roles_terms-and-concepts: an hour for a chain", func(in *sdk.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError", 400},
		{"AssumeRole: duration", func(in *sdk.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, "ValidationError", 400},
		{"AssumeRole: session name", func(in *sdk.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, "ValidationError", 400},
		{"AssumeRole: role ARN", func(in *sdk.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::123456789012:user/x") }, "ValidationError", 400},
		{"AssumeRole: malformed policy", func(in *sdk.AssumeRoleInput) { in.Policy = aws.String("{") }, "MalformedPolicyDocument", 400},
		{"AssumeRole: policy with a principal", func(in *sdk.AssumeRoleInput) { in.Policy = aws.String(trustAccount) }, "MalformedPolicyDocument", 400},
		{"transitive tag that is none", func(in *sdk.AssumeRoleInput) { in.TransitiveTagKeys = []string{"x"} }, "InvalidParameterValue", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := hop(test.change)
			wantError(t, err, test.code, test.status)
		})
	}
	_, err = admin.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &first, RoleSessionName: aws.String("one"), DurationSeconds: aws.Int32(7201)})
	wantError(t, err, "ValidationError", 400)
	// A trust policy without sts:TagSession admits no tags, the inherited ones neither.
	plain := createRole(t, server, "plain", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`, "")
	_, err = admin.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &plain, RoleSessionName: aws.String("one")})
	wantError(t, err, "", 0)
	_, err = chained.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &plain, RoleSessionName: aws.String("one")})
	wantError(t, err, "AccessDenied", 403)
	if !strings.Contains(err.Error(), "is not authorized to perform: sts:TagSession on resource: "+plain) {
		t.Errorf("message = %v", err)
	}
}
