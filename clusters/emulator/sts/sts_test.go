package sts_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
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
		service := iamtest.Service{Handler: sts.NewHandler(sts.Options{Accounts: account, Issuers: issuers}), Refuse: sts.WriteSignatureError}
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
	// A presigned GET, with which clients of EKS authenticate.
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
		// The token is the identity, and without parameters it is not read.
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
		_ = response.Body.Close() // the body has been read to its end
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
	// id_session-tags, "Chaining roles": transitive tags stay, and the others do not.
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
		{"a role that does not exist is not distinguished", func(in *sdk.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::123456789012:role/gone") }, "AccessDenied", 403},
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
	// A trust policy without sts:TagSession allows no tags, not even inherited ones.
	plain := createRole(t, server, "plain", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`, "")
	_, err = admin.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &plain, RoleSessionName: aws.String("one")})
	wantError(t, err, "", 0)
	_, err = chained.AssumeRole(ctx, &sdk.AssumeRoleInput{RoleArn: &plain, RoleSessionName: aws.String("one")})
	wantError(t, err, "AccessDenied", 403)
	if !strings.Contains(err.Error(), "is not authorized to perform: sts:TagSession on resource: "+plain) {
		t.Errorf("message = %v", err)
	}
}

// send sends a request and returns the answer. It signs as the administrator, unless sign is false.
func send(t *testing.T, server *iamtest.Server, form, accept string, sign bool) (status int, contentType, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	if sign {
		credentials := aws.Credentials{AccessKeyID: iamtest.AccessKeyID, SecretAccessKey: iamtest.SecretAccessKey}
		hash := sha256.Sum256([]byte(form))
		if err := v4.NewSigner().SignHTTP(t.Context(), credentials, request, hex.EncodeToString(hash[:]), "sts", iamtest.Region, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(text)
}

// TestJSON: STS answers in JSON if the request asks for it
// (https://github.com/gravitational/teleport/blob/master/lib/join/iamjoin/join_iam.go).
func TestJSON(t *testing.T) {
	server := serve(t)
	const identity = "Action=GetCallerIdentity&Version=2011-06-15"
	for _, accept := range []string{"application/json", "text/html, application/json;q=0.9", "APPLICATION/JSON"} {
		status, contentType, body := send(t, server, identity, accept, true)
		var answer struct {
			GetCallerIdentityResponse struct {
				GetCallerIdentityResult struct{ Account, Arn, UserId string }
				ResponseMetadata        struct{ RequestId string }
			}
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || contentType != "application/json" {
			t.Fatalf("%s: %d %s %s: %v", accept, status, contentType, body, err)
		}
		who := answer.GetCallerIdentityResponse.GetCallerIdentityResult
		if who.Account != iamtest.AccountID || who.Arn != "arn:aws:iam::123456789012:user/epi-admin" || !strings.HasPrefix(who.UserId, "AIDA") || answer.GetCallerIdentityResponse.ResponseMetadata.RequestId == "" {
			t.Errorf("%s: %s", accept, body)
		}
	}
	for _, accept := range []string{"", "*/*", "text/xml", "application/jsonish"} {
		if _, contentType, body := send(t, server, identity, accept, true); contentType != "text/xml" || !strings.Contains(body, `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`) {
			t.Errorf("%q: %s %s", accept, contentType, body)
		}
	}

	role := createRole(t, server, "json", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`, "")
	_, _, body := send(t, server, "Action=AssumeRole&Version=2011-06-15&RoleSessionName=session&RoleArn="+url.QueryEscape(role), "application/json", true)
	var assumed struct {
		AssumeRoleResponse struct {
			AssumeRoleResult struct {
				Credentials struct {
					AccessKeyId, SessionToken string
					Expiration                int64
				}
				AssumedRoleUser struct{ Arn, AssumedRoleId string }
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &assumed); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if got := assumed.AssumeRoleResponse.AssumeRoleResult; !strings.HasPrefix(got.Credentials.AccessKeyId, "ASIA") || got.Credentials.Expiration < time.Now().Unix() || !strings.HasSuffix(got.AssumedRoleUser.Arn, "/json/session") {
		t.Errorf("AssumeRole: %s", body)
	}

	for _, test := range []struct {
		form string
		sign bool
		code string
	}{{"Action=GetCallerIdentity&Version=2011-06-15", false, "MissingAuthenticationToken"}, {"Action=Nothing&Version=2011-06-15", true, "InvalidAction"}} {
		status, _, body := send(t, server, test.form, "application/json", test.sign)
		var refused struct {
			Error struct{ Type, Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &refused); err != nil || status < 400 || refused.Error.Code != test.code || refused.Error.Type != "Sender" || refused.Error.Message == "" {
			t.Errorf("%s: %d %s: %v", test.form, status, body, err)
		}
	}
}

// TestNamespaceOfErrors: STS's refusals have STS's namespace, also that of a wrong signature.
func TestNamespaceOfErrors(t *testing.T) {
	server := serve(t)
	client := sdk.NewFromConfig(server.Config(iamtest.AccessKeyID, "another-secret", ""))
	var body string
	_, err := client.GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}, func(o *sdk.Options) {
		o.HTTPClient = readingClient{&body}
	})
	wantError(t, err, "SignatureDoesNotMatch", 403)
	if !strings.Contains(body, `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`) {
		t.Errorf("%s", body)
	}
}

// readingClient keeps the body of the last answer.
type readingClient struct{ body *string }

func (c readingClient) Do(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(response.Body)
	*c.body = string(text)
	response.Body = io.NopCloser(strings.NewReader(*c.body))
	return response, err
}

// TestOperationsOfAWS: an operation that AWS has and the emulator lacks is refused as such. The list is the SDK's.
func TestOperationsOfAWS(t *testing.T) {
	server := serve(t)
	kind := reflect.TypeFor[*sdk.Client]()
	for i := range kind.NumMethod() {
		name := kind.Method(i).Name
		if name == "Options" || slices.Contains(sts.Operations(), name) {
			continue
		}
		if _, _, body := send(t, server, "Action="+name+"&Version=2011-06-15", "", true); !strings.Contains(body, "<Code>InvalidAction</Code>") || !strings.Contains(body, "AWS has it, the emulator does not") {
			t.Errorf("%s: %s", name, body)
		}
	}
	if _, _, body := send(t, server, "Action=AssumeRoles&Version=2011-06-15", "", true); !strings.Contains(body, "InvalidAction") || strings.Contains(body, "AWS has it") {
		t.Errorf("an operation that nobody has: %s", body)
	}
}
