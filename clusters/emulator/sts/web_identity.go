package sts

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/query"
)

// leeway is how long after its expiry a token of an OIDC provider is accepted
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html).
const leeway = 5 * time.Minute

// Claims that ask for session tags and a source identity
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp).
type sessionClaims struct {
	Tags struct {
		Principal  map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
	SourceIdentity string `json:"https://aws.amazon.com/source_identity"`
}

// identityClaims are further claims that become condition keys.
type identityClaims struct {
	// Methods are the methods of the user's authentication: the claim amr, one text or a list.
	Methods any `json:"amr"`
	Email   any `json:"email"`
}

var (
	webToken   = query.Rule{Min: 4, Max: oidc.MaxToken}
	providerID = query.Rule{Min: 4, Max: 2048, Pattern: regexp.MustCompile(`^[!-~]+$`)}
)

type webIdentityResult struct {
	Subject  string `xml:"SubjectFromWebIdentityToken" json:"SubjectFromWebIdentityToken"`
	Audience string
	assumeRoleResult
	Provider string
}

func invalidToken(format string, args ...any) error {
	return query.Errorf("InvalidIdentityToken", http.StatusBadRequest, format, args...)
}

// assumeRoleWithWebIdentity is not signed: the token names the caller
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html). The token is verified before
// the role is looked at.
func (s api) assumeRoleWithWebIdentity(ctx context.Context, p query.Parameters) (any, error) {
	input, err := readSession(p)
	if err != nil {
		return nil, err
	}
	token, err := p.Check("WebIdentityToken", webToken)
	if err != nil {
		return nil, err
	}
	if p.Has("ProviderId") {
		// For OAuth 2.0 access tokens of two companies, "Do not specify this value for OpenID Connect ID tokens".
		if _, err := p.Check("ProviderId", providerID); err != nil {
			return nil, err
		}
		return nil, invalidToken("The emulator knows OpenID Connect tokens only: leave ProviderId out")
	}
	provider, claims, err := s.verify(token, input.RoleARN)
	if err != nil {
		return nil, err
	}
	input.Provider = provider.ARN
	trust, err := webTrust(provider, claims, *iam.EnvironmentFrom(ctx), &input)
	if err != nil {
		return nil, err
	}
	if decision := s.accounts.EvaluateTrust(ctx, trust); !decision.Allowed {
		return nil, query.Errorf("AccessDenied", http.StatusForbidden, "Not authorized to perform %s", decision.Action)
	}
	result, err := s.issue(ctx, input)
	if err != nil {
		return nil, err
	}
	return webIdentityResult{claims.Subject, audience(claims)[0], result, claims.Issuer}, nil
}

// verify finds the provider that the role's account has for the token's issuer, and verifies the token with its keys.
func (s api) verify(token, role string) (iam.Provider, oidc.Claims, error) {
	issuer, err := oidc.UnverifiedIssuer(token)
	if err != nil {
		return iam.Provider{}, oidc.Claims{}, invalidToken("The web identity token could not be validated: %v", err)
	}
	provider, ok := s.accounts.Provider(role, issuer)
	if !ok {
		return iam.Provider{}, oidc.Claims{}, invalidToken("No OpenIDConnect provider found in your account for %s", issuer)
	}
	keys, ok := s.issuers.Keys(issuer)
	if !ok {
		return iam.Provider{}, oidc.Claims{}, invalidToken("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	claims, err := keys.Open(token)
	if err == nil {
		err = claims.CheckTime(s.now(), leeway)
	}
	if expired, ok := errors.AsType[*oidc.ExpiredError](err); ok {
		return iam.Provider{}, oidc.Claims{}, query.Errorf("ExpiredTokenException", http.StatusBadRequest, "Token expired: %v", expired)
	}
	if err != nil {
		return iam.Provider{}, oidc.Claims{}, invalidToken("The web identity token could not be validated: %v", err)
	}
	if claims.Subject == "" || !slices.ContainsFunc(audience(claims), func(a string) bool { return slices.Contains(provider.ClientIDs, a) }) {
		return iam.Provider{}, oidc.Claims{}, invalidToken("Incorrect token audience")
	}
	return provider, claims, nil
}

// audience is the value that is compared with a provider's client IDs and the condition key aud. It is azp if the token has
// that (reference_policies_iam-condition-keys, "Available keys for AWS OIDC federation").
func audience(claims oidc.Claims) []string {
	if claims.AuthorizedParty != "" {
		return []string{claims.AuthorizedParty}
	}
	if len(claims.Audience) == 0 {
		return []string{""}
	}
	return claims.Audience
}

// setClaims sets the condition keys of a token's claims. The session keeps sub, aud and amr. email, and oaud, which is the
// claim aud, are for the trust policy alone
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif,
// "Available in session").
func setClaims(provider string, claims oidc.Claims, session, trust policy.Context) error {
	var more identityClaims
	if err := claims.Decode(&more); err != nil {
		return invalidToken("The claims of the token are malformed")
	}
	session.Set(provider+":sub", claims.Subject)
	session.Set(provider+":aud", audience(claims)...)
	if methods := texts(more.Methods); len(methods) > 0 {
		session.Set(provider+":amr", methods...)
	}
	maps.Copy(trust, session)
	if len(claims.Audience) > 0 {
		trust.Set(provider+":oaud", claims.Audience...)
	}
	if email, ok := more.Email.(string); ok && email != "" {
		trust.Set(provider+":email", email)
	}
	return nil
}

// texts returns the values of a claim that is one text or a list of them; nil for any other claim.
func texts(claim any) []string {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		var list []string
		for _, one := range claim {
			text, ok := one.(string)
			if !ok {
				return nil
			}
			list = append(list, text)
		}
		return list
	}
	return nil
}

// webTrust asks the trust policy of the role, with the keys that the token sets.
func webTrust(provider iam.Provider, claims oidc.Claims, environment iam.Environment, input *iam.SessionInput) (iam.Trust, error) {
	input.Keys = policy.Context{}
	trust := iam.Trust{
		RoleARN: input.RoleARN, Provider: provider.ARN, Environment: environment,
		Actions: []string{"sts:AssumeRoleWithWebIdentity"}, Context: policy.Context{},
	}
	if err := setClaims(provider.URL, claims, input.Keys, trust.Context); err != nil {
		return iam.Trust{}, err
	}
	trust.Context.Set("sts:RoleSessionName", input.SessionName)
	var own sessionClaims
	if err := claims.Decode(&own); err != nil {
		return iam.Trust{}, invalidToken("The claims of session tags are malformed")
	}
	if len(own.Tags.Principal) > 0 {
		input.Tags, input.TransitiveTags = make(map[string]string, len(own.Tags.Principal)), own.Tags.Transitive
		for key, values := range own.Tags.Principal {
			if len(values) != 1 {
				return iam.Trust{}, invalidToken("A session tag needs one value")
			}
			input.Tags[key] = values[0]
			trust.Context.Set("aws:RequestTag/"+key, values[0])
		}
		trust.Context.Set("aws:TagKeys", slices.Sorted(maps.Keys(input.Tags))...)
		if len(input.TransitiveTags) > 0 {
			trust.Context.Set("sts:TransitiveTagKeys", input.TransitiveTags...)
		}
		trust.Actions = append(trust.Actions, "sts:TagSession")
	}
	if own.SourceIdentity != "" {
		input.SourceIdentity = own.SourceIdentity
		trust.Context.Set("sts:SourceIdentity", own.SourceIdentity)
		trust.Actions = append(trust.Actions, "sts:SetSourceIdentity")
	}
	return trust, nil
}
