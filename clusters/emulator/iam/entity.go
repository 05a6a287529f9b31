package iam

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// entity is a user or a role. It is not changed once others can find it. A change saves a clone.
type entity struct {
	role                             bool
	name, path, arn, id, description string
	created                          time.Time
	tags                             map[string]string
	inline                           map[string]document
	// attached are the ARNs of the managed policies.
	attached []string
	// boundary is the ARN of the permissions boundary; empty for none.
	boundary string
	// maxSession and trust are for roles only.
	maxSession time.Duration
	trust      document
	// keys are for users only, oldest first.
	keys []accessKey
	// views are the states that decisions use, oldest first.
	views []view
}

// accessKey is the access key of a user.
type accessKey struct {
	id, secret string
	created    time.Time
	active     bool
	// owner is the unique ID of the user.
	owner string
}

// document is a policy's text with its parsed form.
type document struct {
	text   string
	parsed *policy.Document
	// bound are the unique IDs that the ARNs of a trust policy were tied to.
	bound map[string]string
}

// clone returns a copy to change. What the copy shares with the original must not be changed in place.
func (e *entity) clone() *entity {
	c := *e
	c.tags, c.inline = maps.Clone(e.tags), maps.Clone(e.inline)
	c.attached, c.keys, c.views = slices.Clone(e.attached), slices.Clone(e.keys), slices.Clone(e.views)
	return &c
}

func (e *entity) kind() kind {
	if e.role {
		return role
	}
	return user
}

func (e *entity) keyIDs() []string {
	ids := make([]string, len(e.keys))
	for i := range e.keys {
		ids[i] = e.keys[i].id
	}
	return ids
}

// view is the state of an entity that decisions use from a time on.
type view struct {
	from time.Time
	// policies are those of the entity and of its boundary.
	policies policy.Policies
	tags     map[string]string
	trust    policy.Named
}

// seen returns the view of a time; nil if the entity is not visible yet.
func (e *entity) seen(now time.Time) *view {
	for i := len(e.views) - 1; i >= 0; i-- {
		if !e.views[i].from.After(now) {
			return &e.views[i]
		}
	}
	return nil
}

// refresh adds the view of a changed entity. Others must not be able to find the entity yet.
func (a *account) refresh(e *entity) {
	if a.options.PropagationDelay == 0 {
		// "At once" holds for any clock, also for one that is set back.
		e.views = []view{a.viewOf(e, time.Time{})}
		return
	}
	now := a.now()
	for len(e.views) > 1 && !e.views[1].from.After(now) {
		e.views = e.views[1:]
	}
	e.views = append(slices.Clip(e.views), a.viewOf(e, now.Add(a.options.PropagationDelay)))
}

func (a *account) viewOf(e *entity, from time.Time) view {
	v := view{from: from, tags: e.tags, policies: policy.Policies{Identity: make([]policy.Named, 0, len(e.attached)+len(e.inline))}}
	for _, arn := range e.attached {
		if managed := a.policies[arn]; managed != nil {
			v.policies.Identity = append(v.policies.Identity, policy.Named{Name: arn, Document: managed.current().parsed})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.inline)) {
		v.policies.Identity = append(v.policies.Identity, policy.Named{Name: "inline policy " + name, Document: e.inline[name].parsed})
	}
	if managed := a.policies[e.boundary]; managed != nil {
		v.policies.Boundary = &policy.Named{Name: e.boundary, Document: managed.current().parsed}
	}
	if e.role {
		v.trust = policy.Named{Name: "trust policy of " + e.arn, Document: e.trust.parsed}
	}
	return v
}

// newEntity completes a new user or role, or fails with EntityAlreadyExists. Others cannot find it before it is saved. The
// caller holds mu.
func (a *account) newEntity(e *entity) (*entity, error) {
	k, prefix := e.kind(), "AIDA"
	if e.role {
		prefix = "AROA"
	}
	if a.byName(k)[strings.ToLower(e.name)] != nil {
		return nil, conflict("%s with name %s already exists.", title(k.word), e.name)
	}
	if e.id == "" {
		var err error
		if e.id, err = a.uniqueID(prefix); err != nil {
			return nil, err
		}
	}
	e.arn, e.created = a.arn(k.word, e.path, e.name), a.timestamp()
	if e.inline == nil {
		e.inline = map[string]document{}
	}
	return e, nil
}

// add makes an entity visible to others, in place of the entity that it is a clone of. The caller holds mu.
func (a *account) add(e *entity) {
	a.byName(e.kind())[strings.ToLower(e.name)] = e
	a.entities[e.id] = e
	a.named.Store(e.id, e.arn)
	for i := range e.keys {
		e.keys[i].owner = e.id
		a.keys[e.keys[i].id] = &e.keys[i]
	}
}

func (a *account) byName(k kind) map[string]*entity {
	if k == role {
		return a.roles
	}
	return a.users
}

func (a *account) arn(kind, path, name string) string {
	return "arn:aws:iam::" + a.id + ":" + kind + path + name
}

// roleByARN finds a role with exactly this ARN, with the same path and case.
func (a *account) roleByARN(arn string) *entity {
	return byARN(a.roles, arn)
}

func byARN(named map[string]*entity, arn string) *entity {
	if e := named[strings.ToLower(arn[strings.LastIndexByte(arn, '/')+1:])]; e != nil && e.arn == arn {
		return e
	}
	return nil
}

// Role is a copy of a role for other packages.
type Role struct {
	Name, Path, ARN, ID, Description string
	Created                          time.Time
	MaxSessionDuration               time.Duration
	// TrustPolicy is the text of the trust policy.
	TrustPolicy string
	// Tags must not be changed.
	Tags map[string]string
}

func (e *entity) asRole() Role {
	return Role{
		Name: e.name, Path: e.path, ARN: e.arn, ID: e.id, Description: e.description, Created: e.created,
		MaxSessionDuration: e.maxSession, TrustPolicy: e.trust.text, Tags: e.tags,
	}
}

// managedPolicy is a managed policy with its versions, oldest first.
type managedPolicy struct {
	name, path, arn, id, description string
	created, updated                 time.Time
	versions                         []policyVersion
	// defaultVersion and lastVersion are the numbers in names such as "v1".
	defaultVersion, lastVersion int
	tags                        map[string]string
	// aws says that the policy is AWS's own and is read-only.
	aws bool
}

type policyVersion struct {
	number  int
	created time.Time
	document
}

func (p *managedPolicy) clone() *managedPolicy {
	c := *p
	c.versions, c.tags = slices.Clone(p.versions), maps.Clone(p.tags)
	return &c
}

func (p *managedPolicy) current() *policyVersion { return p.version(p.defaultVersion) }

func (p *managedPolicy) version(number int) *policyVersion {
	for i := range p.versions {
		if p.versions[i].number == number {
			return &p.versions[i]
		}
	}
	return nil
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
