package iam

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/query"
)

// Quotas of OIDC providers (reference_iam-quotas).
const (
	providersPerAccount   = 100
	clientIDsPerProvider  = 100
	thumbprintsOfProvider = 5
)

var (
	providerURL = query.Rule{Min: 1, Max: 255}
	providerARN = query.Rule{Min: 20, Max: 2048, Pattern: arnPattern}
	clientID    = query.Rule{Min: 1, Max: 255}
	thumbprint  = query.Rule{Min: 40, Max: 40, Pattern: regexp.MustCompile(`^[0-9A-Fa-f]{40}$`)}
)

// oidcProvider is an OpenID Connect provider that roles can trust. It is replaced and never changed. It is its own record.
type oidcProvider struct {
	ARN string `json:"arn"`
	// URL is the issuer without its scheme, as IAM returns it.
	URL         string            `json:"url"`
	ClientIDs   []string          `json:"clientIDs"`
	Thumbprints []string          `json:"thumbprints,omitempty"`
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// Provider is an OpenID Connect provider of an account.
type Provider struct {
	ARN string
	// URL is the issuer without "https://": the prefix of its condition keys.
	URL string
	// ClientIDs are the accepted audiences.
	ClientIDs []string
}

// Provider finds the provider that the account of a role has for an issuer, a URL with its scheme.
func (a *Accounts) Provider(roleARN, issuer string) (Provider, bool) {
	owner := a.accountOf(roleARN)
	host, https := strings.CutPrefix(issuer, "https://")
	if owner == nil || !https {
		return Provider{}, false
	}
	owner.mu.RLock()
	defer owner.mu.RUnlock()
	known := owner.providers[owner.providerARN(host)]
	if known == nil {
		return Provider{}, false
	}
	return Provider{ARN: known.ARN, URL: known.URL, ClientIDs: known.ClientIDs}, true
}

func (a *account) providerARN(host string) string { return a.arn("oidc-provider", "/", host) }

func (s api) createProvider(ctx context.Context, p query.Parameters) (any, error) {
	text, err := p.Check("Url", providerURL)
	if err != nil {
		return nil, err
	}
	issuer, err := url.Parse(text)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.User != nil || issuer.RawQuery != "" || issuer.Fragment != "" {
		return nil, query.Errorf("ValidationError", 400, "Invalid Open ID Connect Provider URL")
	}
	provider := &oidcProvider{URL: strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/")}
	if provider.ClientIDs, err = members(p, "ClientIDList", clientIDsPerProvider, clientID); err != nil {
		return nil, err
	}
	if provider.Thumbprints, err = members(p, "ThumbprintList", thumbprintsOfProvider, thumbprint); err != nil {
		return nil, err
	}
	var keys policy.Context
	if provider.Tags, keys, err = tags(p); err != nil {
		return nil, err
	}
	provider.ARN = s.providerARN(provider.URL)
	if err := s.authorizeCreation(ctx, "OpenIDConnectProvider", provider.ARN, keys, provider.Tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.providers[provider.ARN] != nil {
		return nil, conflict("Provider with url %s already exists.", text)
	}
	if len(s.providers) >= providersPerAccount {
		return nil, limitExceeded("Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", providersPerAccount)
	}
	provider.Created = s.timestamp()
	if err := s.saveProvider(provider); err != nil {
		return nil, err
	}
	return struct {
		ARN  string   `xml:"OpenIDConnectProviderArn"`
		Tags []xmlTag `xml:"Tags>member"`
	}{provider.ARN, xmlTags(provider.Tags)}, nil
}

// members reads a list of strings, each of which must satisfy a rule.
func members(p query.Parameters, list string, limit int, rule query.Rule) ([]string, error) {
	found := p.Strings(list, limit)
	if len(found) > limit {
		return nil, limitExceeded("Cannot exceed quota for %s: %d", list, limit)
	}
	for _, member := range found {
		if err := rule.Check(list, member); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s api) saveProvider(p *oidcProvider) error {
	if err := s.put(providerRecords, p.ARN, p); err != nil {
		return err
	}
	s.providers[p.ARN] = p
	return nil
}

// onProvider authorises an operation on an OIDC provider and runs do under the lock.
func (s api) onProvider(ctx context.Context, p query.Parameters, action string, keys policy.Context, do func(*oidcProvider) error) error {
	arn, err := p.Check("OpenIDConnectProviderArn", providerARN)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = policy.Context{}
	}
	s.mu.RLock()
	if known := s.providers[arn]; known != nil {
		setTags(keys, "aws:ResourceTag/", known.Tags)
	}
	s.mu.RUnlock()
	if err := s.authorize(ctx, action, arn, keys); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.providers[arn]
	if known == nil {
		return notFound("OpenIDConnect Provider not found for arn %s", arn)
	}
	return do(known)
}

// changeProvider saves the result of write on a provider.
func (s api) changeProvider(ctx context.Context, p query.Parameters, action string, keys policy.Context, write func(*oidcProvider) error) error {
	return s.onProvider(ctx, p, action, keys, func(known *oidcProvider) error {
		changed := *known
		if err := write(&changed); err != nil {
			return err
		}
		return s.saveProvider(&changed)
	})
}

func (s api) getProvider(ctx context.Context, p query.Parameters) (any, error) {
	var out struct {
		URL         string   `xml:"Url"`
		ClientIDs   []string `xml:"ClientIDList>member"`
		Thumbprints []string `xml:"ThumbprintList>member"`
		CreateDate  string
		Tags        []xmlTag `xml:"Tags>member"`
	}
	err := s.onProvider(ctx, p, "GetOpenIDConnectProvider", nil, func(known *oidcProvider) error {
		out.URL, out.ClientIDs, out.Thumbprints = known.URL, known.ClientIDs, known.Thumbprints
		out.CreateDate, out.Tags = format(known.Created), xmlTags(known.Tags)
		return nil
	})
	return out, err
}

func (s api) deleteProvider(ctx context.Context, p query.Parameters) (any, error) {
	return nil, s.onProvider(ctx, p, "DeleteOpenIDConnectProvider", nil, func(known *oidcProvider) error {
		if err := s.table.Delete(s.key(providerRecords, known.ARN)); err != nil {
			return err
		}
		delete(s.providers, known.ARN)
		return nil
	})
}

// listProviders is not paginated (ListOpenIDConnectProviders).
func (s api) listProviders(ctx context.Context, _ query.Parameters) (any, error) {
	if err := s.authorize(ctx, "ListOpenIDConnectProviders", "*", nil); err != nil {
		return nil, err
	}
	type entry struct {
		ARN string `xml:"Arn"`
	}
	var out struct {
		List []entry `xml:"OpenIDConnectProviderList>member"`
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for arn := range s.providers {
		out.List = append(out.List, entry{arn})
	}
	slices.SortFunc(out.List, func(x, y entry) int { return strings.Compare(x.ARN, y.ARN) })
	return out, nil
}

func (s api) addClientID(ctx context.Context, p query.Parameters) (any, error) {
	id, err := p.Check("ClientID", clientID)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, p, "AddClientIDToOpenIDConnectProvider", nil, func(provider *oidcProvider) error {
		switch {
		case slices.Contains(provider.ClientIDs, id):
			return nil
		case len(provider.ClientIDs) >= clientIDsPerProvider:
			return limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", clientIDsPerProvider)
		}
		provider.ClientIDs = append(slices.Clone(provider.ClientIDs), id)
		return nil
	})
}

// removeClientID accepts an ID that the provider does not have (RemoveClientIDFromOpenIDConnectProvider).
func (s api) removeClientID(ctx context.Context, p query.Parameters) (any, error) {
	id, err := p.Check("ClientID", clientID)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, p, "RemoveClientIDFromOpenIDConnectProvider", nil, func(provider *oidcProvider) error {
		provider.ClientIDs = slices.DeleteFunc(slices.Clone(provider.ClientIDs), func(other string) bool { return other == id })
		return nil
	})
}

func (s api) updateThumbprint(ctx context.Context, p query.Parameters) (any, error) {
	prints, err := members(p, "ThumbprintList", thumbprintsOfProvider, thumbprint)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, p, "UpdateOpenIDConnectProviderThumbprint", nil, func(provider *oidcProvider) error {
		provider.Thumbprints = prints
		return nil
	})
}

func (s api) tagProvider(ctx context.Context, p query.Parameters) (any, error) {
	added, keys, err := neededTags(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, p, "TagOpenIDConnectProvider", keys, func(provider *oidcProvider) (err error) {
		provider.Tags, err = tagged(provider.Tags, added)
		return err
	})
}

func (s api) untagProvider(ctx context.Context, p query.Parameters) (any, error) {
	names, keys, err := tagKeys(p)
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(ctx, p, "UntagOpenIDConnectProvider", keys, func(provider *oidcProvider) error {
		provider.Tags = untagged(provider.Tags, names)
		return nil
	})
}

func (s api) listProviderTags(ctx context.Context, p query.Parameters) (any, error) {
	var found map[string]string
	err := s.onProvider(ctx, p, "ListOpenIDConnectProviderTags", nil, func(known *oidcProvider) error {
		found = known.Tags
		return nil
	})
	if err != nil {
		return nil, err
	}
	return listTags(p, found)
}
