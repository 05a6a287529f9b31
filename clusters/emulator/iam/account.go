// Package iam is the AWS account of the emulator: its users, roles, policies, access keys and role
// sessions, the decision whether a caller may do something, and the IAM Query API over it all.
//
// References are to https://docs.aws.amazon.com/IAM/latest/APIReference/ by operation and to pages of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/ by their file name.
package iam

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// Options of an Account.
type Options struct {
	// AccountID has twelve digits.
	AccountID string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of unique IDs, keys and tokens; nil means crypto/rand. Reads are serialised.
	Rand io.Reader
}

// Account is one AWS account. It is safe for concurrent use.
type Account struct {
	id   string
	now  func() time.Time
	rand io.Reader

	mu sync.RWMutex
	// users and roles by name in lower case: names are "not distinguished by case" (reference_iam-quotas).
	users, roles map[string]*entity
	// entities are the users and roles by their unique ID.
	entities map[string]*entity
	// policies are the managed policies by ARN.
	policies map[string]*managedPolicy
	keys     map[string]*accessKey
	// sweepAt is the number of keys at which expired ones are removed next.
	sweepAt int
}

// entity is a user or a role.
type entity struct {
	role                             bool
	name, path, arn, id, description string
	created                          time.Time
	// tags are replaced, never changed: principals share them.
	tags   map[string]string
	inline map[string]document
	// attached are the ARNs of the managed policies.
	attached []string
	// boundary is the ARN of the permissions boundary; empty for none.
	boundary string
	// maxSession and trust are a role's.
	maxSession time.Duration
	trust      document
	// keys are a user's access key IDs, oldest first.
	keys []string
}

// document is a policy's text with what it means.
type document struct {
	text   string
	parsed *policy.Document
}

// managedPolicy is a managed policy with its versions, oldest first.
type managedPolicy struct {
	name, path, arn, id, description string
	created, updated                 time.Time
	versions                         []policyVersion
	// defaultVersion and lastVersion are the numbers in "v1".
	defaultVersion, lastVersion int
	tags                        map[string]string
	// aws says that the policy is AWS's own and cannot be changed.
	aws bool
}

type policyVersion struct {
	number  int
	created time.Time
	document
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

// NewAccount makes an account that holds the AWS managed policies the emulator knows and nothing else.
func NewAccount(options Options) (*Account, error) {
	a := &Account{
		id: options.AccountID, now: options.Now, rand: options.Rand,
		users: map[string]*entity{}, roles: map[string]*entity{}, entities: map[string]*entity{},
		policies: map[string]*managedPolicy{}, keys: map[string]*accessKey{}, sweepAt: minSweep,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.rand == nil {
		a.rand = rand.Reader
	}
	return a, a.addAWSPolicies()
}

// ID returns the account's twelve digits.
func (a *Account) ID() string { return a.id }

func (a *Account) arn(kind, path, name string) string {
	return "arn:aws:iam::" + a.id + ":" + kind + path + name
}

// CreateAdministrator makes a user with an allow-all policy and the given access key: the
// administrator of the account. For use at boot.
func (a *Account) CreateAdministrator(name, accessKeyID, secretAccessKey string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys[accessKeyID] != nil {
		return fmt.Errorf("create administrator %s: access key ID %s exists", name, accessKeyID)
	}
	user, err := a.addEntity(&entity{name: name, path: "/"})
	if err != nil {
		return fmt.Errorf("create administrator %s: %w", name, err)
	}
	user.attached = []string{administratorAccessARN}
	a.addKey(user, accessKeyID, secretAccessKey)
	return nil
}

// CreateServiceRole makes a role that the AWS service trusts with sts:AssumeRole, with the managed
// policies attached. For use at boot: the node role is CreateServiceRole("epi-node",
// "ec2.amazonaws.com", WorkerNodePolicyARN).
func (a *Account) CreateServiceRole(name, service string, policyARNs ...string) (Role, error) {
	text := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":%q},"Action":"sts:AssumeRole"}]}`, service)
	parsed, err := policy.Parse([]byte(text))
	if err != nil {
		return Role{}, fmt.Errorf("create role %s for %s: %w", name, service, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, arn := range policyARNs {
		if a.policies[arn] == nil {
			return Role{}, fmt.Errorf("create role %s: policy %s does not exist", name, arn)
		}
	}
	role, err := a.addEntity(&entity{role: true, name: name, path: "/", maxSession: defaultMaxSession, trust: document{text, parsed}})
	if err != nil {
		return Role{}, fmt.Errorf("create role %s: %w", name, err)
	}
	role.attached = slices.Clone(policyARNs)
	return role.asRole(), nil
}

// addEntity completes a new user or role and adds it, or fails with EntityAlreadyExists.
func (a *Account) addEntity(e *entity) (*entity, error) {
	kind, prefix, named := "user", "AIDA", a.users
	if e.role {
		kind, prefix, named = "role", "AROA", a.roles
	}
	if named[strings.ToLower(e.name)] != nil {
		return nil, conflict("%s with name %s already exists.", title(kind), e.name)
	}
	id, err := a.uniqueID(prefix)
	if err != nil {
		return nil, err
	}
	e.id, e.arn, e.created = id, a.arn(kind, e.path, e.name), a.timestamp()
	e.inline = map[string]document{}
	named[strings.ToLower(e.name)] = e
	a.entities[e.id] = e
	return e, nil
}

// timestamp is the time as IAM keeps it: to the second.
func (a *Account) timestamp() time.Time { return a.now().UTC().Truncate(time.Second) }

// uniqueID makes an ID of 21 characters (reference_identifiers, "Unique identifiers").
func (a *Account) uniqueID(prefix string) (string, error) { return a.randomText(prefix, 17) }

// alphabet of unique IDs and access key IDs: base 32.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (a *Account) randomText(prefix string, length int) (string, error) {
	bytes := make([]byte, length)
	if _, err := io.ReadFull(a.rand, bytes); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	for i := range bytes {
		bytes[i] = alphabet[bytes[i]%byte(len(alphabet))]
	}
	return prefix + string(bytes), nil
}

// Role is a role as others may know it: a copy.
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

// Role finds a role by its ARN or name.
func (a *Account) Role(arnOrName string) (Role, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	role := a.roles[strings.ToLower(arnOrName)]
	if strings.HasPrefix(arnOrName, "arn:") {
		role = a.roleByARN(arnOrName)
	}
	if role == nil {
		return Role{}, false
	}
	return role.asRole(), true
}

// roleByARN finds a role whose ARN is exactly this one: path and case count.
func (a *Account) roleByARN(arn string) *entity {
	return byARN(a.roles, arn)
}

func byARN(named map[string]*entity, arn string) *entity {
	if e := named[strings.ToLower(arn[strings.LastIndexByte(arn, '/')+1:])]; e != nil && e.arn == arn {
		return e
	}
	return nil
}

// policiesOf returns the policies of a user or role by kind, as they are now.
func (a *Account) policiesOf(e *entity) policy.Policies {
	policies := policy.Policies{Identity: make([]policy.Named, 0, len(e.attached)+len(e.inline))}
	for _, arn := range e.attached {
		if managed := a.policies[arn]; managed != nil {
			policies.Identity = append(policies.Identity, policy.Named{Name: arn, Document: managed.current().parsed})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.inline)) {
		policies.Identity = append(policies.Identity, policy.Named{Name: "inline policy " + name, Document: e.inline[name].parsed})
	}
	if managed := a.policies[e.boundary]; managed != nil {
		policies.Boundary = &policy.Named{Name: e.boundary, Document: managed.current().parsed}
	}
	return policies
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
