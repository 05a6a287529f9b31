package sts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/go-jose/go-jose/v4"

	"github.com/podidentity/epi/clusters/emulator/iam/iamtest"
	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

const (
	issuerURL   = "https://oidc.example/id/EXAMPLE"
	unknownKeys = "https://keys-unknown.example"
	providerARN = "arn:aws:iam::" + iamtest.AccountID + ":oidc-provider/oidc.example/id/EXAMPLE"
)

// issuer signs tokens. The handler of all tests has its keys.
type issuer struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

type knownIssuers map[string]*oidc.Keys

func (k knownIssuers) Keys(issuer string) (*oidc.Keys, bool) {
	keys, ok := k[issuer]
	return keys, ok
}

var testIssuer, issuers = newIssuer()

func newIssuer() (issuer, knownIssuers) {
	first, second := oidctest.RSA(), oidctest.EC(elliptic.P256())
	set := oidctest.KeySet(
		jose.JSONWebKey{Key: first.Public(), KeyID: "rsa", Algorithm: "RS256", Use: "sig"},
		jose.JSONWebKey{Key: second.Public(), KeyID: "ec", Algorithm: "ES256", Use: "sig"},
	)
	keys, err := oidc.ParseKeys(set)
	if err != nil {
		panic(err)
	}
	return issuer{first, second}, knownIssuers{issuerURL: keys}
}

// claims returns the claims of a service account token for IRSA, with changes; nil removes a claim.
func claims(changes map[string]any) map[string]any {
	return oidctest.Pod{Issuer: issuerURL, Audience: "sts.amazonaws.com", Namespace: "default", ServiceAccount: "app", Name: "web-0"}.Claims(time.Now(), changes)
}

const irsaTrust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"` + providerARN + `"},
	"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"],"Condition":{"StringEquals":{
	"oidc.example/id/EXAMPLE:sub":"system:serviceaccount:default:app","oidc.example/id/EXAMPLE:aud":"sts.amazonaws.com"}}}}`

// irsa creates a provider and a role that trusts it. It returns an anonymous caller and the role.
func irsa(t *testing.T) (server *iamtest.Server, anonymous *sdk.Client, role string) {
	t.Helper()
	server = serve(t)
	admin := awsiam.NewFromConfig(server.Admin())
	for _, url := range []string{issuerURL, unknownKeys} {
		if _, err := admin.CreateOpenIDConnectProvider(t.Context(), &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String(url), ClientIDList: []string{"sts.amazonaws.com"}}); err != nil {
			t.Fatal(err)
		}
	}
	created, err := admin.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("irsa"), AssumeRolePolicyDocument: aws.String(irsaTrust)})
	if err != nil {
		t.Fatal(err)
	}
	config := server.Admin()
	config.Credentials = aws.AnonymousCredentials{}
	return server, sdk.NewFromConfig(config), *created.Role.Arn
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	server, anonymous, role := irsa(t)
	token := oidctest.Sign(jose.ES256, testIssuer.ec, "ec", claims(map[string]any{
		"https://aws.amazon.com/tags":            map[string]any{"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}},
		"https://aws.amazon.com/source_identity": "alice",
	}))
	out, err := anonymous.AssumeRoleWithWebIdentity(t.Context(), &sdk.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("one"), WebIdentityToken: &token})
	if err != nil {
		t.Fatal(err)
	}
	if *out.SubjectFromWebIdentityToken != "system:serviceaccount:default:app" || *out.Audience != "sts.amazonaws.com" || *out.Provider != issuerURL || *out.SourceIdentity != "alice" {
		t.Errorf("answer %q %q %q %q", *out.SubjectFromWebIdentityToken, *out.Audience, *out.Provider, *out.SourceIdentity)
	}
	session := sdk.NewFromConfig(server.Config(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	who, err := session.GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::"+iamtest.AccountID+":assumed-role/irsa/one" {
		t.Errorf("caller %+v, %v", who, err)
	}
	principal, _ := server.Accounts.Principal(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if principal.Tags["team"] != "blue" || len(principal.TransitiveTags) != 1 || principal.SourceIdentity != "alice" || principal.Provider != providerARN {
		t.Errorf("principal %+v", principal)
	}
}

func TestWebIdentityRefusals(t *testing.T) {
	_, anonymous, role := irsa(t)
	good := func(changes map[string]any) string {
		return oidctest.Sign(jose.RS256, testIssuer.rsa, "rsa", claims(changes))
	}
	now := time.Now()
	public, err := json.Marshal(jose.JSONWebKey{Key: testIssuer.rsa.Public()})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good(nil), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "."
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	// AssumeRoleWithWebIdentity, "Errors".
	tests := []struct {
		name, token string
		change      func(*sdk.AssumeRoleWithWebIdentityInput)
		code        string
		status      int
	}{
		{name: "in order", token: good(nil)},
		{name: "within the leeway", token: good(map[string]any{"exp": now.Add(-time.Minute).Unix()})},
		{name: "expired", token: good(map[string]any{"exp": now.Add(-10 * time.Minute).Unix()}), code: "ExpiredTokenException", status: 400},
		{name: "from the future", token: good(map[string]any{"nbf": now.Add(time.Hour).Unix()}), code: "InvalidIdentityToken", status: 400},
		{name: "another audience", token: good(map[string]any{"aud": "pods.eks.amazonaws.com"}), code: "InvalidIdentityToken", status: 400},
		{name: "another authorized party", token: good(map[string]any{"azp": "someone"}), code: "InvalidIdentityToken", status: 400},
		{name: "no subject", token: good(map[string]any{"sub": nil}), code: "InvalidIdentityToken", status: 400},
		{name: "no provider for the issuer", token: good(map[string]any{"iss": "https://elsewhere.example"}), code: "InvalidIdentityToken", status: 400},
		{name: "a provider without keys: none are fetched", token: good(map[string]any{"iss": unknownKeys}), code: "InvalidIdentityToken", status: 400},
		{name: "an issuer that is no https URL", token: good(map[string]any{"iss": "http://169.254.169.254/latest"}), code: "InvalidIdentityToken", status: 400},
		{name: "another subject", token: good(map[string]any{"sub": "system:serviceaccount:default:other"}), code: "AccessDenied", status: 403},
		{name: "signed by another key", token: oidctest.Sign(jose.RS256, other, "rsa", claims(nil)), code: "InvalidIdentityToken", status: 400},
		{name: "alg none", token: none, code: "InvalidIdentityToken", status: 400},
		{name: "the public key as secret", token: oidctest.Sign(jose.HS256, public, "rsa", claims(nil)), code: "InvalidIdentityToken", status: 400},
		{name: "no token", token: "four", code: "InvalidIdentityToken", status: 400},
		{name: "a tag with two values", token: good(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}}}), code: "InvalidIdentityToken", status: 400},
		{name: "a role that does not exist", token: good(nil), change: func(in *sdk.AssumeRoleWithWebIdentityInput) { in.RoleArn = aws.String(role + "2") }, code: "AccessDenied", status: 403},
		{name: "a role of an account without the provider", token: good(nil), change: func(in *sdk.AssumeRoleWithWebIdentityInput) {
			in.RoleArn = aws.String("arn:aws:iam::210987654321:role/irsa")
		}, code: "InvalidIdentityToken", status: 400},
		{name: "too long a session", token: good(nil), change: func(in *sdk.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = aws.Int32(7200) }, code: "ValidationError", status: 400},
		{name: "a session policy that is none", token: good(nil), change: func(in *sdk.AssumeRoleWithWebIdentityInput) { in.Policy = aws.String("{}") }, code: "MalformedPolicyDocument", status: 400},
		{name: "an OAuth provider", token: good(nil), change: func(in *sdk.AssumeRoleWithWebIdentityInput) { in.ProviderId = aws.String("www.amazon.com") }, code: "InvalidIdentityToken", status: 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := &sdk.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("one"), WebIdentityToken: &test.token}
			if test.change != nil {
				test.change(in)
			}
			_, err := anonymous.AssumeRoleWithWebIdentity(t.Context(), in)
			wantError(t, err, test.code, test.status)
			if err != nil && strings.Contains(err.Error(), test.token) && len(test.token) > 10 {
				t.Error("the error shows the token")
			}
		})
	}
}

func TestAssumeRoleInDepth(t *testing.T) {
	server := serve(t)
	admin := awsiam.NewFromConfig(server.Admin())
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + iamtest.AccountID + `"},"Action":["sts:AssumeRole","sts:TagSession"]},
		{"Effect":"Allow","Principal":{"AWS":"` + iamtest.AccountID + `"},"Action":"sts:SetSourceIdentity","Condition":{"StringLike":{"sts:SourceIdentity":"a*"}}}]}`
	created, err := admin.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	full := make([]types.Tag, 0, 20)
	for i := range 20 {
		full = append(full, types.Tag{Key: aws.String("tag" + string(rune('a'+i))), Value: aws.String(strings.Repeat("v", 256))})
	}
	policyARNs := func(arns ...string) (list []types.PolicyDescriptorType) {
		for _, arn := range arns {
			list = append(list, types.PolicyDescriptorType{Arn: aws.String(arn)})
		}
		return list
	}
	readOnly := "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	// STS AssumeRole, "Request Parameters" and "Errors".
	tests := []struct {
		name   string
		change func(*sdk.AssumeRoleInput)
		code   string
		status int
	}{
		{"a source identity that is allowed", func(in *sdk.AssumeRoleInput) { in.SourceIdentity = aws.String("alice") }, "", 0},
		{"a source identity that is not", func(in *sdk.AssumeRoleInput) { in.SourceIdentity = aws.String("bob") }, "AccessDenied", 403},
		{"managed session policies", func(in *sdk.AssumeRoleInput) { in.PolicyArns = policyARNs(readOnly) }, "", 0},
		{"a managed policy that does not exist", func(in *sdk.AssumeRoleInput) { in.PolicyArns = policyARNs(readOnly + "2") }, "ValidationError", 400},
		{"eleven managed policies", func(in *sdk.AssumeRoleInput) {
			in.PolicyArns = policyARNs(strings.Fields(strings.Repeat(readOnly+" ", 11))...)
		}, "ValidationError", 400},
		{"tags that do not fit", func(in *sdk.AssumeRoleInput) { in.Tags = full }, "PackedPolicyTooLarge", 400},
		{"MFA", func(in *sdk.AssumeRoleInput) {
			in.SerialNumber, in.TokenCode = aws.String("arn:aws:iam::1:mfa/x"), aws.String("123456")
		}, "AccessDenied", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := &sdk.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("one")}
			test.change(in)
			out, err := sdk.NewFromConfig(server.Admin()).AssumeRole(t.Context(), in)
			wantError(t, err, test.code, test.status)
			if err == nil && int(*out.SessionTokenSize) != len(*out.Credentials.SessionToken) {
				t.Errorf("token size %d of %d", *out.SessionTokenSize, len(*out.Credentials.SessionToken))
			}
		})
	}
	t.Run("a source identity stays with the chain", func(t *testing.T) {
		first, err := sdk.NewFromConfig(server.Admin()).AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("one"), SourceIdentity: aws.String("alice")})
		wantError(t, err, "", 0)
		if _, err := admin.PutRolePolicy(t.Context(), &awsiam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}`)}); err != nil {
			t.Fatal(err)
		}
		chained := sdk.NewFromConfig(server.Config(*first.Credentials.AccessKeyId, *first.Credentials.SecretAccessKey, *first.Credentials.SessionToken))
		second, err := chained.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("two")})
		wantError(t, err, "", 0)
		if *second.SourceIdentity != "alice" {
			t.Errorf("source identity %q", *second.SourceIdentity)
		}
		_, err = chained.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("two"), SourceIdentity: aws.String("anna")})
		wantError(t, err, "AccessDenied", 403)
	})
	t.Run("whose access key", func(t *testing.T) {
		out, err := sdk.NewFromConfig(server.Admin()).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: aws.String(iamtest.AccessKeyID)})
		wantError(t, err, "", 0)
		if *out.Account != iamtest.AccountID {
			t.Errorf("account %s", *out.Account)
		}
		_, err = sdk.NewFromConfig(server.Admin()).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIANOBODYNOBODYNOBO")})
		wantError(t, err, "ValidationError", 400)
	})
}
