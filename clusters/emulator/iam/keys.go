package iam

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Environment has the properties of a request that do not depend on its caller.
type Environment struct {
	// SourceIP is the peer's address. It is the zero Addr if the address is not known, and for requests of service
	// principals.
	SourceIP netip.Addr
	// SecureTransport says that the request came over TLS.
	SecureTransport bool
	UserAgent       string
	// Referer is the header's value; "" without one.
	Referer string
	// Region is the region that is called.
	Region string
}

// EnvironmentOf reads the environment of a request to a region.
func EnvironmentOf(r *http.Request, region string) Environment {
	environment := Environment{SecureTransport: r.TLS != nil, UserAgent: r.UserAgent(), Referer: r.Referer(), Region: region}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		if address, err := netip.ParseAddr(host); err == nil {
			environment.SourceIP = address.Unmap().WithZone("")
		}
	}
	return environment
}

// ServiceEnvironment is the environment of a request by an AWS service to another service in a region. It comes over TLS.
// Its user agent is the service principal, as CloudTrail shows it
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
func ServiceEnvironment(service, region string) Environment {
	return Environment{SecureTransport: true, UserAgent: service, Region: region}
}

// The organisation of the accounts, if there are several: its ID, and the path of the accounts. All are in its root
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-view-data-orgs.html).
const (
	OrganizationID   = "o-epiemulator"
	organizationPath = OrganizationID + "/r-root/"
)

// requester is the kind of sender of a request. The global condition keys of a request depend on it.
type requester uint8

const (
	// byUser is a request that is signed with a user's access key, bySession one with the temporary credentials of a role.
	byUser requester = 1 << iota
	bySession
	// byService is a request by a service principal.
	byService
	// byWebIdentity is AssumeRoleWithWebIdentity. It is not signed: its token names the sender.
	byWebIdentity
	// byAnonymous is a request without a signature.
	byAnonymous

	bySigner  = byUser | bySession
	byOutside = bySigner | byWebIdentity | byAnonymous
	byAnyone  = byOutside | byService
)

// origin is the source of the global condition keys of a request.
type origin struct {
	requester
	*Environment
	now time.Time
	// principal signed the request; a zero value if the request is unsigned. via are the services that pass it on.
	principal *Principal
	via       []string
	// service is the service principal's name. sourceARN and sourceAccount are those of the resource that it acts for; ""
	// for none.
	service, sourceARN, sourceAccount string
	// provider is the ARN of the OIDC provider that authenticates a web identity, or that authenticated the session.
	provider        string
	resourceAccount string
	// organized says whether the account is in the organisation.
	organized func(account string) bool

	// values has the values of all keys, in one allocation.
	values []string
}

// one returns the value of a key. The value may be empty.
func (o *origin) one(value string) []string {
	o.values = append(o.values, value)
	n := len(o.values)
	return o.values[n-1 : n : n]
}

// some returns the value of a key that is absent if the value is empty.
func (o *origin) some(value string) []string {
	if value == "" {
		return nil
	}
	return o.one(value)
}

func (o *origin) organization(account string) string {
	if !o.organized(account) {
		return ""
	}
	return OrganizationID
}

func (o *origin) organizationPath(account string) string {
	if !o.organized(account) {
		return ""
	}
	return organizationPath
}

func (o *origin) sourceIP() string {
	if !o.SourceIP.IsValid() {
		return ""
	}
	return o.SourceIP.String()
}

// known returns the signer's value of a property that every request has.
func (o *origin) known(signers string) string {
	switch o.requester {
	case byUser, bySession:
		return signers
	case byService:
		return o.service
	}
	return "anonymous"
}

func (o *origin) principalType() string {
	switch o.requester {
	case byUser, bySession:
		return string(o.principal.Type)
	case byService:
		return "AWSService"
	}
	return "Anonymous"
}

// principalARN is the ARN of the role, not of the session.
func (o *origin) principalARN() string {
	if o.principal.RoleARN != "" {
		return o.principal.RoleARN
	}
	return o.principal.ARN
}

// multiFactor is "" if the key is absent: for access keys, and "for federated identities". A service that passes a user's
// request on has temporary credentials for it.
func (o *origin) multiFactor() string {
	if o.requester == byUser && len(o.via) == 0 || o.provider != "" {
		return ""
	}
	return "false"
}

func (o *origin) firstVia() string {
	if len(o.via) == 0 {
		return ""
	}
	return o.via[0]
}

func (o *origin) lastVia() string {
	if len(o.via) == 0 {
		return ""
	}
	return o.via[len(o.via)-1]
}

// globalKey is a global condition key. It says which kinds of request may have it, and returns its values there; nil if
// this request does not have it.
type globalKey struct {
	name   string
	of     requester
	values func(o *origin) []string
}

// globalKeys are the condition keys that AWS itself adds to requests. They are the same for all decisions about a request:
// by identity policies, boundaries, session policies, resource policies and trust policies. The source of each row is
// "Availability" of the key of that name in
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html.
//
// These keys are not among them: aws:PrincipalTag/*, which come from the tags; the keys that a session keeps about its
// creation (Principal.Keys); aws:RequestTag/*, aws:ResourceTag/* and aws:TagKeys, which depend on the operation; and keys
// that the emulator does not need: VPC endpoints (aws:SourceVpc, aws:SourceVpcArn, aws:SourceVpce, aws:Vpce…,
// aws:VpcSourceIp), MFA (aws:MultiFactorAuthAge), AssumeRoot, sign-in sessions, chat applications and MCP servers.
var globalKeys = lowered([]globalKey{
	{"aws:CurrentTime", byAnyone, func(o *origin) []string { return o.one(o.now.Format(time.RFC3339)) }},
	{"aws:EpochTime", byAnyone, func(o *origin) []string { return o.one(strconv.FormatInt(o.now.Unix(), 10)) }},
	{"aws:RequestedRegion", byAnyone, func(o *origin) []string { return o.some(o.Region) }},
	{"aws:SecureTransport", byAnyone, func(o *origin) []string { return o.one(strconv.FormatBool(o.SecureTransport)) }},
	{"aws:UserAgent", byAnyone, func(o *origin) []string { return o.one(o.UserAgent) }},
	{"aws:Referer", byOutside, func(o *origin) []string { return o.some(o.Referer) }},
	// "Certain network-specific authorization context is redacted" if a service principal calls.
	{"aws:SourceIp", byOutside, func(o *origin) []string { return o.some(o.sourceIP()) }},

	{"aws:ViaAWSService", byAnyone, func(o *origin) []string { return o.one(strconv.FormatBool(len(o.via) > 0)) }},
	{"aws:CalledVia", bySigner, func(o *origin) []string { return o.via }},
	{"aws:CalledViaFirst", bySigner, func(o *origin) []string { return o.some(o.firstVia()) }},
	{"aws:CalledViaLast", bySigner, func(o *origin) []string { return o.some(o.lastVia()) }},

	{"aws:PrincipalIsAWSService", bySigner | byService, func(o *origin) []string { return o.one(strconv.FormatBool(o.requester == byService)) }},
	{"aws:PrincipalServiceName", byService, func(o *origin) []string { return o.one(o.service) }},
	{"aws:PrincipalServiceNamesList", byService, func(o *origin) []string { return o.one(o.service) }},
	{"aws:SourceArn", byService, func(o *origin) []string { return o.some(o.sourceARN) }},
	{"aws:SourceAccount", byService, func(o *origin) []string { return o.some(o.sourceAccount) }},
	{"aws:SourceOrgID", byService, func(o *origin) []string { return o.some(o.organization(o.sourceAccount)) }},
	{"aws:SourceOrgPaths", byService, func(o *origin) []string { return o.some(o.organizationPath(o.sourceAccount)) }},

	// All requests have these three, also anonymous ones. AWS does not document those of a service principal.
	{"aws:PrincipalAccount", byAnyone, func(o *origin) []string { return o.one(o.known(o.principal.AccountID)) }},
	{"aws:PrincipalType", byAnyone, func(o *origin) []string { return o.one(o.principalType()) }},
	{"aws:userid", byAnyone, func(o *origin) []string { return o.one(o.known(o.principal.UserID)) }},
	{"aws:PrincipalArn", bySigner, func(o *origin) []string { return o.one(o.principalARN()) }},
	{"aws:PrincipalOrgID", bySigner, func(o *origin) []string { return o.some(o.organization(o.principal.AccountID)) }},
	{"aws:PrincipalOrgPaths", bySigner, func(o *origin) []string { return o.some(o.organizationPath(o.principal.AccountID)) }},
	{"aws:username", byUser, func(o *origin) []string { return o.one(o.principal.UserName) }},

	{"aws:TokenIssueTime", bySession, func(o *origin) []string { return o.one(o.principal.Issued.UTC().Format(time.RFC3339)) }},
	{"aws:SourceIdentity", bySession, func(o *origin) []string { return o.some(o.principal.SourceIdentity) }},
	{"aws:FederatedProvider", bySession | byWebIdentity, func(o *origin) []string { return o.some(o.provider) }},
	{"aws:MultiFactorAuthPresent", bySigner, func(o *origin) []string { return o.some(o.multiFactor()) }},

	{"aws:ResourceAccount", byAnyone, func(o *origin) []string { return o.some(o.resourceAccount) }},
	{"aws:ResourceOrgID", byAnyone, func(o *origin) []string { return o.some(o.organization(o.resourceAccount)) }},
	{"aws:ResourceOrgPaths", byAnyone, func(o *origin) []string { return o.some(o.organizationPath(o.resourceAccount)) }},
})

func lowered(keys []globalKey) []globalKey {
	for i := range keys {
		keys[i].name = strings.ToLower(keys[i].name)
	}
	return keys
}

var globalKeysByName = func() map[string]*globalKey {
	byName := make(map[string]*globalKey, len(globalKeys))
	for i := range globalKeys {
		byName[globalKeys[i].name] = &globalKeys[i]
	}
	return byName
}()

const principalTag = "aws:principaltag/"

// usualKeys is about the number of condition keys that a request's policies name.
const usualKeys = 8

// context returns the keys of a request that its policies name: the global ones, which nothing can override, and the
// request's own.
func (o *origin) context(own policy.Context, policies *policy.Policies) policy.Context {
	keys := policy.Context{}
	o.fill(keys, own, policies)
	return keys
}

// fill is context for an existing map.
func (o *origin) fill(keys, own policy.Context, policies *policy.Policies) {
	for key := range policies.ContextKeys() {
		if _, ok := keys[key]; ok {
			continue
		}
		if values, ok := o.lookup(key, own); ok {
			keys[key] = values
		}
	}
}

// lookup returns the values of a key in lower case, and whether the request has it.
func (o *origin) lookup(key string, own policy.Context) ([]string, bool) {
	if global := globalKeysByName[key]; global != nil && global.of&o.requester != 0 {
		if values := global.values(o); values != nil {
			return values, true
		}
	}
	if name, ok := strings.CutPrefix(key, principalTag); ok {
		for tag, value := range o.principal.Tags {
			if strings.ToLower(tag) == name {
				return o.one(value), true
			}
		}
	}
	if values, ok := o.principal.Keys[key]; ok {
		return values, true
	}
	values, ok := own[key]
	return values, ok
}

// scratch is the working memory of a decision about a signed request. The decision keeps nothing of it.
type scratch struct {
	keys   policy.Context
	values []string
}

// clean removes the data of the last decision.
func (s *scratch) clean() {
	clear(s.keys)
	clear(s.values)
	s.values = s.values[:0]
}

// organized says whether the account is in the organisation. All accounts are, if there are several.
func (a *Accounts) organized(account string) bool { return len(a.byID) > 1 && a.byID[account] != nil }

// signedOrigin is the origin of a caller's request.
func (a *Accounts) signedOrigin(caller *Caller, resourceAccount string) *origin {
	o := &origin{
		requester: byUser, Environment: &caller.Environment, now: a.now().UTC(), principal: &caller.Principal, via: caller.Via,
		provider: caller.Principal.Provider, resourceAccount: resourceAccount, organized: a.organized,
	}
	if o.principal.Type == AssumedRolePrincipal {
		o.requester = bySession
	}
	return o
}
