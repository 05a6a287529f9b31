package iam_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
)

// userWith creates a user with one inline policy and returns the user's client.
func userWith(t *testing.T, c *sdk.Client, server *iamtest.Server, name, document string) *sdk.Client {
	t.Helper()
	_, err := c.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: &name})
	wantError(t, err, "", 0)
	if document != "" {
		_, err = c.PutUserPolicy(t.Context(), &sdk.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: &document})
		wantError(t, err, "", 0)
	}
	key, secret := newKey(t, server, name)
	return sdk.NewFromConfig(server.Config(key, secret, ""))
}

// UpdateAccessKey: "When a key is inactive, you can no longer use it". It can be made active again.
func TestAccessKeyStates(t *testing.T) {
	c, server := client(t)
	ctx := t.Context()
	_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ann")})
	wantError(t, err, "", 0)
	first, firstSecret := newKey(t, server, "ann")
	second, secondSecret := newKey(t, server, "ann")
	_, err = c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("own"), PolicyDocument: aws.String(allowAll)})
	wantError(t, err, "", 0)
	use := func(key, secret, code string, status int) {
		t.Helper()
		out, err := sdk.NewFromConfig(server.Config(key, secret, "")).GetUser(ctx, &sdk.GetUserInput{})
		wantError(t, err, code, status)
		if code == "" && *out.User.UserName != "ann" {
			t.Errorf("the key is %s's", *out.User.UserName)
		}
	}
	set := func(key string, status types.StatusType) {
		t.Helper()
		_, err := c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &key, Status: status})
		wantError(t, err, "", 0)
	}
	use(first, firstSecret, "", 0)
	set(first, types.StatusTypeInactive)
	use(first, firstSecret, "InvalidClientTokenId", 403)
	use(second, secondSecret, "", 0)
	keys, err := c.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: aws.String("ann")})
	wantError(t, err, "", 0)
	states := map[string]types.StatusType{}
	for _, key := range keys.AccessKeyMetadata {
		states[*key.AccessKeyId] = key.Status
	}
	if len(states) != 2 || states[first] != types.StatusTypeInactive || states[second] != types.StatusTypeActive {
		t.Errorf("states = %v", states)
	}
	// An inactive key still counts against the quota.
	_, err = c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("ann")})
	wantError(t, err, "LimitExceeded", 409)
	set(first, types.StatusTypeActive)
	use(first, firstSecret, "", 0)
	_, err = c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &first})
	wantError(t, err, "", 0)
	use(first, firstSecret, "InvalidClientTokenId", 403)
	use(second, secondSecret, "", 0)
	_, err = c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: &first, Status: types.StatusTypeActive})
	wantError(t, err, "NoSuchEntity", 404)
	use(first, firstSecret, "InvalidClientTokenId", 403)
	// A key belongs to one user.
	userWith(t, c, server, "ben", "")
	_, err = c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: aws.String("ben"), AccessKeyId: &second})
	wantError(t, err, "NoSuchEntity", 404)
	use(second, secondSecret, "", 0)
}

func TestProviderClientIDs(t *testing.T) {
	c, server := client(t)
	ctx := t.Context()
	const issuer = "https://id.example.com/path"
	made, err := c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"one"}})
	wantError(t, err, "", 0)
	arn := made.OpenIDConnectProviderArn
	role := "arn:aws:iam::" + iamtest.AccountID + ":role/any"
	want := func(ids string) {
		t.Helper()
		out, err := c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
		wantError(t, err, "", 0)
		if got := strings.Join(out.ClientIDList, " "); got != ids || *out.Url != "id.example.com/path" {
			t.Errorf("client IDs of %s: %q, want %q", *out.Url, got, ids)
		}
		known, ok := server.Accounts.Provider(role, issuer)
		if !ok || strings.Join(known.ClientIDs, " ") != ids || known.ARN != *arn {
			t.Errorf("STS sees %+v, %t", known, ok)
		}
	}
	want("one")
	for range 2 { // AddClientIDToOpenIDConnectProvider is idempotent
		_, err = c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("two")})
		wantError(t, err, "", 0)
		want("one two")
	}
	for range 2 { // RemoveClientIDFromOpenIDConnectProvider is idempotent too
		_, err = c.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("one")})
		wantError(t, err, "", 0)
		want("two")
	}
	for _, other := range []string{"https://id.example.com", "http://id.example.com/path", "https://id.example.com/path/more", "id.example.com/path"} {
		if _, ok := server.Accounts.Provider(role, other); ok {
			t.Errorf("%s is a provider", other)
		}
	}
	if _, ok := server.Accounts.Provider(strings.Replace(role, iamtest.AccountID, "999999999999", 1), issuer); ok {
		t.Error("a role of another account has the provider")
	}
	_, err = c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	wantError(t, err, "", 0)
	if _, ok := server.Accounts.Provider(role, issuer); ok {
		t.Error("a deleted provider is found")
	}
}

func TestProfileAndRole(t *testing.T) {
	c, _ := client(t)
	ctx := t.Context()
	role := createRole(t, c, "worker")
	for _, name := range []string{"one", "two"} {
		_, err := c.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: &name, Path: aws.String("/nodes/")})
		wantError(t, err, "", 0)
		_, err = c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: aws.String("WORKER")})
		wantError(t, err, "", 0)
	}
	profile, err := c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: aws.String("ONE")})
	wantError(t, err, "", 0)
	got := profile.InstanceProfile
	if len(got.Roles) != 1 || *got.Roles[0].Arn != *role.Arn || *got.Arn != "arn:aws:iam::123456789012:instance-profile/nodes/one" || !strings.HasPrefix(*got.InstanceProfileId, "AIPA") || len(*got.InstanceProfileId) != 21 {
		t.Errorf("profile = %+v", got)
	}
	holders := func(want int) {
		t.Helper()
		out, err := c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("worker")})
		wantError(t, err, "", 0)
		if len(out.InstanceProfiles) != want {
			t.Errorf("%d profiles hold the role, want %d", len(out.InstanceProfiles), want)
		}
	}
	holders(2)
	for _, name := range []string{"one", "two"} {
		_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("worker")})
		wantError(t, err, "DeleteConflict", 409)
		_, err = c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: &name})
		wantError(t, err, "DeleteConflict", 409)
		_, err = c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &name, RoleName: aws.String("worker")})
		wantError(t, err, "", 0)
		_, err = c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: &name})
		wantError(t, err, "", 0)
	}
	holders(0)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("worker")})
	wantError(t, err, "", 0)
}

// TestTagsDecide: the tags of a resource are condition keys of operations on it, for each kind that has tags. The tags of a
// request are condition keys of the request (reference_policies_actions-resources-contextkeys of IAM).
func TestTagsDecide(t *testing.T) {
	c, server := client(t)
	const policyOf = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}},
		{"Effect":"Deny","Action":"iam:Tag*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}},
		{"Effect":"Deny","Action":"iam:Tag*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/size":"huge"}}},
		{"Effect":"Deny","Action":"iam:Untag*","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}}}]}`
	_, err := c.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: aws.String("ann")})
	wantError(t, err, "", 0)
	_, err = c.PutUserPolicy(t.Context(), &sdk.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("own"), PolicyDocument: aws.String(policyOf)})
	wantError(t, err, "", 0)
	key, secret := newKey(t, server, "ann")
	ann := server.Config(key, secret, "")
	tag := func(key, value string) string { return "&Tags.member.1.Key=" + key + "&Tags.member.1.Value=" + value }
	for _, kind := range []struct{ word, create, get, ask string }{
		{"Role", "CreateRole&AssumeRolePolicyDocument=" + trustPods, "GetRole", "RoleName="},
		{"User", "CreateUser", "GetUser", "UserName="},
		{"Policy", "CreatePolicy&PolicyDocument=" + readObjects, "GetPolicy", "PolicyArn="},
		{"InstanceProfile", "CreateInstanceProfile", "GetInstanceProfile", "InstanceProfileName="},
		{"OpenIDConnectProvider", "CreateOpenIDConnectProvider", "GetOpenIDConnectProvider", "OpenIDConnectProviderArn="},
	} {
		t.Run(kind.word, func(t *testing.T) {
			want := func(config aws.Config, operation, parameters, code string) {
				t.Helper()
				status, body := post(t, config, operation, parameters)
				if got := between(body, "Code"); got != code || (status == http.StatusOK) != (code == "") {
					t.Errorf("%s %s: %d %s, want %q", operation, parameters, status, body, code)
				}
			}
			ids := map[string]string{}
			for _, name := range []string{"blue", "red"} {
				operation, rest, _ := strings.Cut(kind.create, "&")
				parameters := rest + "&" + kind.ask + name + tag("team", name)
				switch kind.word {
				case "Policy":
					parameters = rest + "&PolicyName=" + name + tag("team", name)
				case "OpenIDConnectProvider":
					parameters = "Url=https://" + name + ".example.com" + tag("team", name)
				}
				want(server.Admin(), operation, parameters, "")
				ids[name] = kind.ask + name
				switch kind.word {
				case "Policy":
					ids[name] = kind.ask + "arn:aws:iam::123456789012:policy/" + name
				case "OpenIDConnectProvider":
					ids[name] = kind.ask + "arn:aws:iam::123456789012:oidc-provider/" + name + ".example.com"
				}
			}
			want(ann, kind.get, ids["blue"], "")
			want(ann, kind.get, ids["red"], "AccessDenied")
			want(ann, "Tag"+kind.word, ids["blue"]+tag("size", "small"), "")
			want(ann, "Tag"+kind.word, ids["red"]+tag("size", "small"), "AccessDenied")
			want(ann, "Tag"+kind.word, ids["blue"]+tag("size", "huge"), "AccessDenied")
			want(ann, "Tag"+kind.word, ids["blue"]+tag("team", "blue"), "AccessDenied")
			want(ann, "Untag"+kind.word, ids["blue"]+"&TagKeys.member.1=team", "AccessDenied")
			want(ann, "Untag"+kind.word, ids["blue"]+"&TagKeys.member.1=size", "")
			// The permission ends when the tag is removed.
			want(server.Admin(), "Untag"+kind.word, ids["blue"]+"&TagKeys.member.1=team", "")
			want(ann, kind.get, ids["blue"], "AccessDenied")
		})
	}
}

// SetDefaultPolicyVersion: "The default version is the operative version". It counts at once for every user and role that
// the policy is attached to or that it bounds.
func TestDefaultVersionCountsForAll(t *testing.T) {
	c, server := client(t)
	ctx := t.Context()
	const deny = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	made, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("shared"), PolicyDocument: aws.String(allowAll)})
	wantError(t, err, "", 0)
	arn := made.Policy.Arn
	attached := userWith(t, c, server, "attached", "")
	_, err = c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("attached"), PolicyArn: arn})
	wantError(t, err, "", 0)
	bounded := userWith(t, c, server, "bounded", allowAll)
	_, err = c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("bounded"), PermissionsBoundary: arn})
	wantError(t, err, "", 0)
	role := createRole(t, c, "role")
	_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("role"), PolicyArn: arn})
	wantError(t, err, "", 0)
	session, _ := issue(t, server.Accounts, iam.SessionInput{RoleARN: *role.Arn, SessionName: "session", Duration: time.Hour})
	users := map[string]*sdk.Client{
		"attached": attached, "bounded": bounded,
		"session": sdk.NewFromConfig(server.Config(session.AccessKeyID, session.SecretAccessKey, session.SessionToken)),
	}
	want := func(code string, status int) {
		t.Helper()
		for name, user := range users {
			t.Log(name)
			_, err := user.ListRoles(ctx, &sdk.ListRolesInput{})
			wantError(t, err, code, status)
		}
	}
	want("", 0)
	_, err = c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(deny)})
	wantError(t, err, "", 0)
	want("", 0) // a version that is not the default does not count
	_, err = c.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")})
	wantError(t, err, "", 0)
	want("AccessDenied", 403)
	_, err = c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allowAll), SetAsDefault: true})
	wantError(t, err, "", 0)
	want("", 0)
	out, err := c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn})
	wantError(t, err, "", 0)
	if len(out.PolicyRoles) != 1 || len(out.PolicyUsers) != 1 || *out.PolicyRoles[0].RoleId != *role.RoleId || *out.PolicyUsers[0].UserName != "attached" {
		t.Errorf("entities = %+v", out)
	}
}
