package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// authorizer asks the accounts about the caller of a request. It is eks.Authorizer and eksauth.Authorizer. All resources
// belong to account. Callers of other accounts are refused, because none of the resources has a resource policy.
type authorizer struct {
	accounts *iam.Accounts
	account  string
}

func (a authorizer) Authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	access := iam.Access{Action: action, Resource: resource, ResourceAccount: a.account, Context: policy.Context{}}
	for key, values := range keys {
		access.Context.Set(key, values...)
	}
	caller := iam.CallerFrom(ctx)
	if decision := a.accounts.Authorize(ctx, caller, access); !decision.Allowed {
		return errors.New(iam.DeniedMessage(caller, access, decision))
	}
	return nil
}

// accountEKS has the EKS of each account by its ID. A caller reaches the EKS of its own account.
type accountEKS map[string]*eks.Service

// newEKS makes the EKS of each account. Clusters are registered with options.Account only.
func newEKS(options Options, accounts *iam.Accounts, networks accountEC2, tables map[string]store.Table) (accountEKS, error) {
	all := accountEKS{}
	for _, account := range append([]string{options.Account}, options.Members...) {
		table := tables["eks"]
		if account != options.Account {
			table = tables[memberTable("eks", account)]
		}
		var err error
		all[account], err = eks.New(eks.Options{
			Region: options.Region, Account: account, Authorizer: authorizer{accounts, account}, Roles: roles{accounts},
			Networks: network{networks[account]}, Caller: principalARN, Internal: byService,
			// No program creates the clusters of other accounts.
			Backed: options.ClustersBacked && account == options.Account, Unbacked: options.Unbacked,
			Now: options.Now, AssociationLimit: options.AssociationLimit, Table: table,
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ServeHTTP serves a request. Its caller, which is of one of the accounts, is in the context.
func (a accountEKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a[iam.CallerFrom(r.Context()).Principal.AccountID].ServeHTTP(w, r)
}

// roles is eks.Roles.
type roles struct{ accounts *iam.Accounts }

func (r roles) CheckTrust(_ context.Context, roleARN string) error {
	role, ok := r.accounts.Role(roleARN)
	if !ok {
		return eks.ErrNoRole
	}
	trust, err := policy.Parse([]byte(role.TrustPolicy))
	if err != nil {
		return fmt.Errorf("read trust policy of %s: %w", roleARN, err)
	}
	if !trust.MayAllow(policy.Principal{Service: eks.Principal}, "sts:AssumeRole") {
		return eks.ErrTrust
	}
	return nil
}

func (r roles) CheckRole(_ context.Context, roleARN, service string) error {
	role, ok := r.accounts.Role(roleARN)
	if !ok {
		return eks.ErrNoRole
	}
	trust, err := policy.Parse([]byte(role.TrustPolicy))
	if err != nil {
		return fmt.Errorf("read trust policy of %s: %w", roleARN, err)
	}
	if !trust.MayAllow(policy.Principal{Service: service}, "sts:AssumeRole") {
		return fmt.Errorf("role does not trust %s", service)
	}
	return nil
}

func (r roles) CheckSessionPolicy(document string) error {
	parsed, err := policy.Parse([]byte(document))
	if err != nil {
		return err
	}
	return parsed.CheckIdentity()
}

// issuers is sts.Issuers.
type issuers struct {
	given map[string]*oidc.Keys
	eks   *eks.Service
}

func (i issuers) Keys(issuer string) (*oidc.Keys, bool) {
	if keys, ok := i.given[issuer]; ok {
		return keys, true
	}
	return i.eks.IssuerKeys(issuer)
}

// sessions is eksauth.Sessions.
type sessions struct {
	accounts *iam.Accounts
	region   string
}

// chainHop is the lifetime of the first session of a chain. Only the second AssumeRole uses it.
const chainHop = 15 * time.Minute

func (s sessions) AssumeRole(ctx context.Context, in eksauth.AssumeRoleInput) (eksauth.Session, error) {
	first := iam.Trust{
		RoleARN: in.RoleARN, Service: eks.Principal, SourceARN: in.SourceARN, SourceAccount: in.SourceAccount,
		Environment: iam.ServiceEnvironment(eks.Principal, s.region), Actions: actions(in), Context: trustContext(in),
	}
	if in.TargetRoleARN == "" {
		session, err := s.assume(ctx, first, in, in.Duration, in.Life, in.Policy)
		return eksSession(session), err
	}
	// The session policy limits the target role only.
	hop, err := s.assume(ctx, first, in, chainHop, 0, "")
	if err != nil {
		return eksauth.Session{}, err
	}
	principal, ok := s.accounts.Principal(ctx, hop.AccessKeyID, hop.SessionToken)
	if !ok {
		return eksauth.Session{}, fmt.Errorf("assume target role %s: the session of %s is gone", in.TargetRoleARN, in.RoleARN)
	}
	// EKS itself uses the first role's credentials, from an address of its own.
	caller := &iam.Caller{Principal: principal, AccessKeyID: hop.AccessKeyID, Environment: iam.ServiceEnvironment(eks.Principal, s.region)}
	caller.SourceIP = localAddress(ctx)
	second := iam.Trust{RoleARN: in.TargetRoleARN, Caller: caller, Actions: actions(in), Context: trustContext(in)}
	second.Context.Set("sts:ExternalId", in.ExternalID)
	session, err := s.assume(ctx, second, in, in.Duration, in.Life, in.Policy)
	return eksSession(session), err
}

// localAddress is the emulator's own address on the connection of a request; the zero Addr if it is not known.
func localAddress(ctx context.Context) netip.Addr {
	local, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	address, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap().WithZone("")
}

func eksSession(s iam.Session) eksauth.Session {
	return eksauth.Session{
		AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, SessionToken: s.SessionToken,
		Expiration: s.Expiration, ARN: s.ARN, ID: s.ID,
	}
}

// assume decides by the trust policy and issues the session.
func (s sessions) assume(ctx context.Context, trust iam.Trust, in eksauth.AssumeRoleInput, duration, life time.Duration, document string) (iam.Session, error) {
	if decision := s.accounts.EvaluateTrust(ctx, trust); !decision.Allowed {
		return iam.Session{}, eksauth.ErrNotTrusted
	}
	input := iam.SessionInput{
		RoleARN: trust.RoleARN, SessionName: in.SessionName, Duration: duration, Life: life,
		Tags: in.Tags, TransitiveTags: slices.Sorted(maps.Keys(in.Tags)),
	}
	if document != "" {
		parsed, err := policy.Parse([]byte(document))
		if err != nil {
			return iam.Session{}, fmt.Errorf("read session policy: %w", err)
		}
		input.Policies = []policy.Named{{Name: "session policy of the association", Document: parsed}}
	}
	session, err := s.accounts.IssueSession(ctx, input)
	return session, sessionError(err)
}

// sessionError returns err as an error of eksauth.Sessions.
func sessionError(err error) error {
	if errors.Is(err, iam.ErrNoSuchRole) {
		return eksauth.ErrNotTrusted
	}
	if packed, ok := errors.AsType[*iam.PackedError](err); ok {
		return &eksauth.SessionError{Problem: packed.Error(), Packed: true}
	}
	if input, ok := errors.AsType[*iam.InputError](err); ok {
		return &eksauth.SessionError{Problem: input.Error()}
	}
	return err
}

// actions: session tags need their own permission.
func actions(in eksauth.AssumeRoleInput) []string {
	if len(in.Tags) == 0 {
		return []string{"sts:AssumeRole"}
	}
	return []string{"sts:AssumeRole", "sts:TagSession"}
}

func trustContext(in eksauth.AssumeRoleInput) policy.Context {
	keys := make(policy.Context, len(in.Tags)+6)
	keys.Set("sts:RoleSessionName", in.SessionName)
	if len(in.Tags) > 0 {
		names := slices.Sorted(maps.Keys(in.Tags))
		keys.Set("aws:TagKeys", names...)
		keys.Set("sts:TransitiveTagKeys", names...)
		values := make([]string, 0, len(names))
		for n, name := range names {
			values = append(values, in.Tags[name])
			keys["aws:requesttag/"+strings.ToLower(name)] = values[n : n+1 : n+1]
		}
	}
	return keys
}

// instances is imds.Role: the nodes' role.
type instances struct{ emulator *Emulator }

func (i instances) InstanceCredentials(ctx context.Context, to imds.Delivery) (imds.Credentials, error) {
	accounts, options := i.emulator.cloud.Load().accounts, &i.emulator.options
	roleARN := cmp.Or(to.RoleARN, "arn:aws:iam::"+options.Account+":role/"+options.NodeRole)
	trust := iam.Trust{
		RoleARN: roleARN, Service: ec2Principal, Environment: iam.ServiceEnvironment(ec2Principal, options.Region), Actions: []string{"sts:AssumeRole"},
	}
	if decision := accounts.EvaluateTrust(ctx, trust); !decision.Allowed {
		return imds.Credentials{}, fmt.Errorf("assume %s for instance %s: %w", roleARN, to.InstanceID, imds.ErrNotTrusted)
	}
	session, err := accounts.IssueSession(ctx, iam.SessionInput{
		RoleARN: roleARN, SessionName: to.InstanceID, Duration: 6 * time.Hour, Keys: deliveryKeys(to, options.Region, options.Account),
	})
	if errors.Is(err, iam.ErrNoSuchRole) {
		return imds.Credentials{}, fmt.Errorf("assume %s for instance %s: %w", roleARN, to.InstanceID, imds.ErrNotTrusted)
	}
	if err != nil {
		return imds.Credentials{}, err
	}
	return imds.Credentials{
		AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey,
		SessionToken: session.SessionToken, Expiration: session.Expiration,
	}, nil
}

// deliveryKeys are the condition keys of all requests with an instance's credentials
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, "Properties of a role
// session").
func deliveryKeys(to imds.Delivery, region, account string) policy.Context {
	keys := policy.Context{}
	keys.Set("ec2:SourceInstanceArn", "arn:aws:ec2:"+region+":"+account+":instance/"+to.InstanceID)
	keys.Set("ec2:RoleDelivery", "2.0")
	if to.V1 {
		keys.Set("ec2:RoleDelivery", "1.0")
	}
	keys.Set("aws:Ec2InstanceSourceVpc", to.VPC)
	if to.PrivateIP != "" {
		keys.Set("aws:Ec2InstanceSourcePrivateIPv4", to.PrivateIP)
	}
	return keys
}

// clusters is control.Clusters.
type clusters struct{ emulator *Emulator }

// kubernetesVersion returns "1.36" for "v1.36.3", which is EKS's form.
var kubernetesVersion = regexp.MustCompile(`^v?(\d+\.\d+)(\.|$)`)

func (c clusters) RegisterCluster(name string, cluster control.Cluster) error {
	version := cluster.Version
	if match := kubernetesVersion.FindStringSubmatch(version); match != nil {
		version = match[1]
	}
	return c.emulator.cloud.Load().eks.RegisterCluster(eks.Cluster{
		Name: name, Issuer: cluster.Issuer, JWKS: cluster.JWKS,
		Created: cluster.CreatedAt, Endpoint: cluster.Endpoint, Version: version,
		CertificateAuthority: cluster.CertificateAuthority, ServiceCIDR: cluster.ServiceCIDR, Addons: cluster.Addons,
	})
}

// quotas is control.Quotas.
type quotas struct{ emulator *Emulator }

func (q quotas) AssociationLimit() int { return q.emulator.cloud.Load().eks.AssociationLimit() }

func (q quotas) SetAssociationLimit(limit int) error {
	return q.emulator.cloud.Load().eks.SetAssociationLimit(limit)
}

func (c clusters) UnregisterCluster(name string) error {
	return c.emulator.cloud.Load().eks.UnregisterCluster(name)
}

func (c clusters) Identities(ctx context.Context, cluster, after string) (control.Identities, error) {
	now := c.emulator.cloud.Load()
	revision, identities, err := now.eks.Identities(ctx, cluster, after)
	if latest := c.emulator.cloud.Load(); latest != now {
		// A reset happened in between.
		revision, identities, err = latest.eks.Identities(ctx, cluster, after)
	}
	if errors.Is(err, eks.ErrNoCluster) {
		return control.Identities{}, fmt.Errorf("cluster %s: %w", cluster, control.ErrNoCluster)
	}
	if err != nil {
		return control.Identities{}, err
	}
	out := control.Identities{Revision: revision, Identities: []control.Identity{}}
	for _, i := range identities {
		out.Identities = append(out.Identities, control.Identity(i))
	}
	return out, nil
}
