package iam

import (
	"context"
	"fmt"
	"maps"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// Access is one thing that a caller wants to do.
type Access struct {
	// Action such as "eks:CreatePodIdentityAssociation".
	Action string
	// Resource ARN, or "*".
	Resource string
	// Context has the keys of this request, besides the global ones that Authorize adds (globalKeys, aws:PrincipalTag/*).
	// It may be nil.
	Context policy.Context
	// ResourcePolicy is the resource's policy, if it has one.
	ResourcePolicy *policy.Named
	// ResourceAccount owns the resource; empty means the caller's account.
	ResourceAccount string
}

// Authorize decides whether caller may do something, by the caller's current policies. It notes the decision in the
// journal's call of ctx. A nil caller is anonymous: for it the resource's policy alone decides.
func (a *Accounts) Authorize(ctx context.Context, caller *Caller, access Access) policy.Decision {
	decision := policy.Decision{Action: access.Action, Resource: access.Resource}
	switch {
	case caller != nil:
		decision = a.decide(caller, access, false)
	case access.ResourcePolicy != nil:
		o := &origin{
			requester: byAnonymous, Environment: EnvironmentFrom(ctx), now: a.now().UTC(), principal: &Principal{},
			resourceAccount: access.ResourceAccount, organized: a.organized,
		}
		policies := &policy.Policies{Resource: access.ResourcePolicy}
		decision = policy.Evaluate(&policy.Request{
			Action: access.Action, Resource: access.Resource, ResourceAccount: access.ResourceAccount, Context: o.context(access.Context, policies),
		}, policies)
	}
	journal.FromContext(ctx).Decision = decision.Explain()
	return decision
}

func (a *Accounts) decide(caller *Caller, access Access, trust bool) policy.Decision {
	who := &caller.Principal
	id := who.UserID
	if who.Type == AssumedRolePrincipal {
		id = who.RoleID
	}
	owner := a.entity(who.AccountID, id)
	if owner == nil {
		// The caller was deleted after its identity was determined, so nothing can allow the request any more.
		return policy.Decision{Kind: policy.IdentityPolicy, Action: access.Action, Resource: access.Resource}
	}
	policies := policy.Policies{}
	if seen := owner.seen(a.now()); seen != nil {
		policies = seen.policies
	}
	policies.Session, policies.Resource = who.Session, access.ResourcePolicy
	resourceAccount := access.ResourceAccount
	if resourceAccount == "" {
		resourceAccount = who.AccountID
	}
	o, s := a.signedOrigin(caller, resourceAccount), a.scratches.Get().(*scratch)
	o.values = s.values
	o.fill(s.keys, access.Context, &policies)
	decision := policy.Evaluate(&policy.Request{
		Principal: policy.Principal{AccountID: who.AccountID, ARN: who.ARN, RoleARN: who.RoleARN, ID: id},
		Action:    access.Action, Resource: access.Resource, ResourceAccount: resourceAccount, ResourceMustAllow: trust,
		Context: s.keys,
	}, &policies)
	s.values = o.values
	s.clean()
	a.scratches.Put(s)
	if a.options.Decided != nil {
		a.options.Decided(who.ARN, decision)
	}
	return decision
}

// DeniedMessage is AWS's wording of a refusal (troubleshoot_access-denied): "User: ARN is not
// authorized to perform: ACTION on resource: ARN because …".
func DeniedMessage(caller *Caller, access Access, decision policy.Decision) string {
	who := "anonymous"
	if caller != nil {
		who = caller.Principal.ARN
	}
	message := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", who, access.Action, access.Resource)
	switch {
	case decision.Kind == "":
		return message
	case decision.Explicit:
		return fmt.Sprintf("%s with an explicit deny in %s %s", message, article(decision.Kind), decision.Kind)
	}
	return fmt.Sprintf("%s because no %s allows the %s action", message, decision.Kind, access.Action)
}

func article(kind policy.Kind) string {
	if kind == policy.IdentityPolicy {
		return "an"
	}
	return "a"
}

// Trust is the question whether a role may be assumed.
type Trust struct {
	// RoleARN is the ARN of that role.
	RoleARN string
	// One of these three wants to assume it: a service principal such as "pods.eks.amazonaws.com", the ARN of an OIDC
	// provider, or the Caller.
	Service, Provider string
	Caller            *Caller
	// SourceARN and SourceAccount are those of the resource that Service acts for; "" for none.
	SourceARN, SourceAccount string
	// Environment has the properties of Service's or Provider's request. A Caller has its own.
	Environment Environment
	// Actions must all be allowed: "sts:AssumeRole", and "sts:TagSession" when there are tags.
	Actions []string
	// Context has aws:RequestTag/*, aws:TagKeys, sts:ExternalId, …
	Context policy.Context
}

// EvaluateTrust decides by the role's trust policy. The caller's own policies decide too if the trust policy names only the
// caller's account, or if the caller is of another account. The decision is that of the first action that is refused, or of
// the last action. A missing role is an implicit denial. The decision is noted in the journal's call of ctx.
func (a *Accounts) EvaluateTrust(ctx context.Context, trust Trust) policy.Decision {
	decision := policy.Decision{Kind: policy.ResourcePolicy, Action: "sts:AssumeRole", Resource: trust.RoleARN}
	if len(trust.Actions) > 0 {
		decision.Action = trust.Actions[0]
	}
	if owner := a.accountOf(trust.RoleARN); owner != nil {
		owner.mu.RLock()
		role := owner.roleByARN(trust.RoleARN)
		owner.mu.RUnlock()
		if role != nil {
			if seen := role.seen(a.now()); seen != nil {
				decision = a.decideActions(owner.id, trust, seen)
			}
		}
	}
	journal.FromContext(ctx).Decision = decision.Explain()
	return decision
}

func (a *Accounts) decideActions(accountID string, trust Trust, role *view) (decision policy.Decision) {
	keys, policies := trust.Context, &policy.Policies{Resource: &role.trust}
	if len(role.tags) > 0 {
		keys = make(policy.Context, len(trust.Context)+2*len(role.tags))
		maps.Copy(keys, trust.Context)
		setTags(keys, "aws:ResourceTag/", role.tags)
		setTags(keys, "iam:ResourceTag/", role.tags)
	}
	if trust.Caller == nil {
		o := &origin{
			requester: byWebIdentity, Environment: &trust.Environment, now: a.now().UTC(), principal: &Principal{}, provider: trust.Provider,
			service: trust.Service, sourceARN: trust.SourceARN, sourceAccount: trust.SourceAccount,
			resourceAccount: accountID, organized: a.organized,
		}
		if trust.Service != "" {
			o.requester = byService
		}
		keys = o.context(keys, policies)
	}
	for _, action := range trust.Actions {
		if trust.Caller != nil {
			decision = a.decide(trust.Caller, Access{
				Action: action, Resource: trust.RoleARN, Context: keys, ResourcePolicy: &role.trust, ResourceAccount: accountID,
			}, true)
		} else {
			decision = policy.Evaluate(&policy.Request{
				Principal: policy.Principal{Service: trust.Service, Federated: trust.Provider},
				Action:    action, Resource: trust.RoleARN, ResourceMustAllow: true, Context: keys,
			}, policies)
		}
		if !decision.Allowed {
			break
		}
	}
	return decision
}

func setTags(keys policy.Context, prefix string, tags map[string]string) {
	for key, value := range tags {
		keys.Set(prefix+key, value)
	}
}
