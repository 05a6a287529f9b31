package iam_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
	"github.com/podidentity/epi/clusters/emulator/store"
)

const (
	memberID  = "210987654321"
	anyObject = "arn:aws:s3:::b/k"
	allowAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

// clientOf serves IAM over accounts of the given options.
func clientOf(t *testing.T, options iam.Options) (*sdk.Client, *iamtest.Server) {
	t.Helper()
	server := iamtest.NewWith(t, options, func(accounts *iam.Accounts) map[string]iamtest.Service {
		return map[string]iamtest.Service{"iam": {Handler: accounts.Handler(), Refuse: iam.WriteSignatureError}}
	})
	return sdk.NewFromConfig(server.Admin()), server
}

func TestAccountsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open := func() (*store.Store, store.Table) {
		kept, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		table, err := kept.Table("iam")
		if err != nil {
			t.Fatal(err)
		}
		return kept, table
	}
	kept, table := open()
	c, server := clientOf(t, iam.Options{Table: table})
	arn := roleWith(t, c, "reader", abac, types.Tag{Key: aws.String("team"), Value: aws.String("blue")})
	managed, err := c.CreatePolicy(t.Context(), &sdk.CreatePolicyInput{PolicyName: aws.String("managed"), PolicyDocument: aws.String(allowAll)})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"attach": func() error {
			_, err := c.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: aws.String("reader"), PolicyArn: managed.Policy.Arn})
			return err
		},
		"user": func() error {
			_, err := c.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: aws.String("bob")})
			return err
		},
		"profile": func() error {
			_, err := c.CreateInstanceProfile(t.Context(), &sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("nodes")})
			return err
		},
		"provider": func() error {
			_, err := c.CreateOpenIDConnectProvider(t.Context(), &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://oidc.example/id"), ClientIDList: []string{"sts.amazonaws.com"}})
			return err
		},
		"deleted role": func() error {
			roleWith(t, c, "gone", abac)
			_, err := c.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: aws.String("gone"), PolicyName: aws.String("inline")})
			if err == nil {
				_, err = c.DeleteRole(t.Context(), &sdk.DeleteRoleInput{RoleName: aws.String("gone")})
			}
			return err
		},
	} {
		if err := call(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	key, err := c.CreateAccessKey(t.Context(), &sdk.CreateAccessKeyInput{UserName: aws.String("bob")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := server.Accounts.IssueSession(t.Context(), iam.SessionInput{RoleARN: arn, SessionName: "one", Duration: time.Hour, Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}

	kept, table = open()
	defer func() { _ = kept.Close() }()
	c, server = clientOf(t, iam.Options{Table: table})
	role, err := c.GetRole(t.Context(), &sdk.GetRoleInput{RoleName: aws.String("reader")})
	if err != nil || len(role.Role.Tags) != 1 {
		t.Fatalf("role after the restart: %+v, %v", role, err)
	}
	principal, ok := server.Accounts.Principal(t.Context(), session.AccessKeyID, session.SessionToken)
	if !ok || principal.ARN != session.ARN || principal.Tags["a"] != "b" || principal.Tags["team"] != "blue" {
		t.Errorf("session after the restart: %+v, %v", principal, ok)
	}
	if decision := server.Accounts.Authorize(t.Context(), &iam.Caller{Principal: principal}, iam.Access{Action: "s3:PutObject", Resource: anyObject}); !decision.Allowed {
		t.Errorf("the attached policy does not count: %s", decision.Explain())
	}
	if _, err := server.Accounts.Credentials(t.Context(), *key.AccessKey.AccessKeyId, ""); err != nil {
		t.Errorf("access key after the restart: %v", err)
	}
	if profiles, err := c.ListInstanceProfiles(t.Context(), &sdk.ListInstanceProfilesInput{}); err != nil || len(profiles.InstanceProfiles) != 1 {
		t.Errorf("instance profiles: %+v, %v", profiles, err)
	}
	if provider, ok := server.Accounts.Provider(arn, "https://oidc.example/id"); !ok || provider.ClientIDs[0] != "sts.amazonaws.com" {
		t.Errorf("provider: %+v, %v", provider, ok)
	}
	var gone *types.NoSuchEntityException
	if _, err := c.GetRole(t.Context(), &sdk.GetRoleInput{RoleName: aws.String("gone")}); !errors.As(err, &gone) {
		t.Errorf("a deleted role is back: %v", err)
	}
}

// A role that was deleted and created again is not the one that a trust policy names, also after a restart
// (reference_policies_elements_principal, "IAM role principals").
func TestTrustStaysBoundAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	kept, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	table, err := kept.Table("iam")
	if err != nil {
		t.Fatal(err)
	}
	c, _ := clientOf(t, iam.Options{Table: table})
	first := roleWith(t, c, "first", allowAll)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + first + `"},"Action":"sts:AssumeRole"}}`
	second, err := c.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: aws.String("second"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, server *iamtest.Server, want bool) {
		t.Helper()
		_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: first, SessionName: "one"})
		decision := server.Accounts.EvaluateTrust(t.Context(), iam.Trust{RoleARN: *second.Role.Arn, Caller: caller, Actions: []string{"sts:AssumeRole"}})
		if decision.Allowed != want {
			t.Errorf("%s: %s", when, decision.Explain())
		}
	}
	c, server := clientOf(t, iam.Options{Table: table})
	check("after a restart", server, true)
	if _, err := c.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: aws.String("first"), PolicyName: aws.String("inline")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteRole(t.Context(), &sdk.DeleteRoleInput{RoleName: aws.String("first")}); err != nil {
		t.Fatal(err)
	}
	roleWith(t, c, "first", allowAll)
	check("made again", server, false)
	_, server = clientOf(t, iam.Options{Table: table})
	check("made again, after a restart", server, false)
}

func TestMemberAccounts(t *testing.T) {
	_, server := clientOf(t, iam.Options{Members: []string{memberID}})
	admin := "arn:aws:iam::" + memberID + ":role/" + iam.MemberAccessRole
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: admin, SessionName: "one"})
	if caller.Principal.AccountID != memberID || caller.Principal.ARN != "arn:aws:sts::"+memberID+":assumed-role/"+iam.MemberAccessRole+"/one" {
		t.Fatalf("principal: %+v", caller.Principal)
	}
	// The member's users and roles are its own.
	session, _ := issue(t, server.Accounts, iam.SessionInput{RoleARN: admin, SessionName: "two"})
	there := sdk.NewFromConfig(server.Config(session.AccessKeyID, session.SecretAccessKey, session.SessionToken))
	target := roleWith(t, there, "target", allowAll)
	if !strings.HasPrefix(target, "arn:aws:iam::"+memberID+":role/") {
		t.Errorf("role of the member: %s", target)
	}
	here := sdk.NewFromConfig(server.Admin())
	var gone *types.NoSuchEntityException
	if _, err := here.GetRole(t.Context(), &sdk.GetRoleInput{RoleName: aws.String("target")}); !errors.As(err, &gone) {
		t.Errorf("the member's role in the first account: %v", err)
	}
	// Across accounts both sides must allow (reference_policies_evaluation-logic-cross-account).
	ours := roleWith(t, here, "ours", allowAll)
	_, caller = issue(t, server.Accounts, iam.SessionInput{RoleARN: ours, SessionName: "one"})
	trust := func(document string) policy.Decision {
		if _, err := there.UpdateAssumeRolePolicy(t.Context(), &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("target"), PolicyDocument: &document}); err != nil {
			t.Fatal(err)
		}
		return server.Accounts.EvaluateTrust(t.Context(), iam.Trust{RoleARN: target, Caller: caller, Actions: []string{"sts:AssumeRole"}})
	}
	allowed := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + ours + `"},"Action":"sts:AssumeRole"}}`
	if decision := trust(allowed); !decision.Allowed {
		t.Errorf("both allow: %s", decision.Explain())
	}
	if decision := trust(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`); decision.Allowed {
		t.Errorf("the target does not trust: %s", decision.Explain())
	}
	if _, err := here.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: aws.String("ours"), PolicyName: aws.String("inline")}); err != nil {
		t.Fatal(err)
	}
	if decision := trust(allowed); decision.Allowed {
		t.Errorf("the caller's own account does not allow: %s", decision.Explain())
	}
}

func TestPropagationDelay(t *testing.T) {
	now := time.Now()
	c, server := clientOf(t, iam.Options{PropagationDelay: 10 * time.Second, Now: func() time.Time { return now }})
	arn := roleWith(t, c, "reader", allowAll)
	service := iam.Trust{RoleARN: arn, Service: "pods.eks.amazonaws.com", Actions: []string{"sts:AssumeRole"}}
	if _, found := server.Accounts.Role(arn); found || server.Accounts.EvaluateTrust(t.Context(), service).Allowed {
		t.Error("a new role counts at once")
	}
	now = now.Add(10 * time.Second)
	if _, found := server.Accounts.Role(arn); !found {
		t.Error("the role is not found after the delay")
	}
	_, caller := issue(t, server.Accounts, iam.SessionInput{RoleARN: arn, SessionName: "one"})
	may := func() bool {
		return server.Accounts.Authorize(t.Context(), caller, iam.Access{Action: "s3:GetObject", Resource: anyObject}).Allowed
	}
	if !may() {
		t.Error("the policy does not count after the delay")
	}
	if _, err := c.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: aws.String("reader"), PolicyName: aws.String("inline")}); err != nil {
		t.Fatal(err)
	}
	if !may() {
		t.Error("the old policy stopped to count at once")
	}
	now = now.Add(10 * time.Second)
	if may() {
		t.Error("the old policy still counts")
	}
}

func TestWithoutDelayChangesCountAtOnce(t *testing.T) {
	now := time.Now()
	c, server := clientOf(t, iam.Options{Now: func() time.Time { return now }})
	arn := roleWith(t, c, "reader", allowAll)
	now = now.Add(-10 * time.Minute)
	if _, found := server.Accounts.Role(arn); !found {
		t.Error("a role is not found when the clock was set back")
	}
}

func TestForeignTokensAreInvalid(t *testing.T) {
	c, server := client(t)
	arn := roleWith(t, c, "reader", allowAll)
	first, _ := issue(t, server.Accounts, iam.SessionInput{RoleARN: arn, SessionName: "one"})
	second, _ := issue(t, server.Accounts, iam.SessionInput{RoleARN: arn, SessionName: "two"})
	_, other := client(t)
	altered := []byte(first.SessionToken)
	altered[40] ^= 1
	tests := []struct {
		name       string
		accounts   *iam.Accounts
		key, token string
		want       error
	}{
		{"its own", server.Accounts, first.AccessKeyID, first.SessionToken, nil},
		{"another session's", server.Accounts, first.AccessKeyID, second.SessionToken, sigv4.ErrInvalidToken},
		{"altered", server.Accounts, first.AccessKeyID, string(altered), sigv4.ErrInvalidToken},
		{"cut short", server.Accounts, first.AccessKeyID, first.SessionToken[:60], sigv4.ErrInvalidToken},
		{"no base64", server.Accounts, first.AccessKeyID, "token", sigv4.ErrInvalidToken},
		{"too long", server.Accounts, first.AccessKeyID, strings.Repeat("A", 100<<10), sigv4.ErrInvalidToken},
		{"none", server.Accounts, first.AccessKeyID, "", sigv4.ErrUnknownAccessKey},
		{"of other accounts", other.Accounts, first.AccessKeyID, first.SessionToken, sigv4.ErrInvalidToken},
		{"with a user's key", server.Accounts, iamtest.AccessKeyID, first.SessionToken, sigv4.ErrInvalidToken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.accounts.Credentials(t.Context(), test.key, test.token); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if _, ok := test.accounts.Principal(t.Context(), test.key, test.token); ok != (test.want == nil) {
				t.Errorf("principal found: %v", ok)
			}
		})
	}
	for _, secret := range []string{first.SecretAccessKey, "reader", "one"} {
		if strings.Contains(first.SessionToken, secret) {
			t.Errorf("the token shows %q", secret)
		}
	}
}

func FuzzSessionToken(f *testing.F) {
	accounts, err := iam.NewAccounts(iam.Options{AccountID: iamtest.AccountID})
	if err != nil {
		f.Fatal(err)
	}
	role, err := accounts.CreateServiceRole("r", "ec2.amazonaws.com")
	if err != nil {
		f.Fatal(err)
	}
	session, err := accounts.IssueSession(f.Context(), iam.SessionInput{RoleARN: role.ARN, SessionName: "one", Duration: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(session.AccessKeyID, session.SessionToken+"=")
	f.Add("ASIAAAAAAAAAAAAAAAAA", "AAAA")
	f.Add(iamtest.AccessKeyID, "")
	f.Fuzz(func(t *testing.T, key, token string) {
		if key == session.AccessKeyID && token == session.SessionToken {
			t.Skip("the one that is right")
		}
		if _, err := accounts.Credentials(t.Context(), key, token); err == nil {
			t.Errorf("credentials of %q with %q", key, token)
		}
	})
}
