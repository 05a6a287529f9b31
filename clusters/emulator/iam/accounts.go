// Package iam is the AWS accounts of the emulator: their users, roles, policies, access keys and role
// sessions, the decision whether a caller may do something, and the IAM Query API over it all.
//
// References are to https://docs.aws.amazon.com/IAM/latest/APIReference/ by operation and to pages of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/ by their file name.
package iam

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// Options of Accounts.
type Options struct {
	// AccountID of twelve digits is the account that everything belongs to which is not asked for
	// elsewhere.
	AccountID string
	// Members are further accounts. As in an AWS organisation, each has a role MemberAccessRole
	// that AccountID may assume.
	Members []string
	// PropagationDelay is how long a change to users, roles and policies takes to count: IAM is
	// eventually consistent (troubleshoot, "Changes that I make are not always immediately
	// visible"). What the IAM API itself answers is not delayed, nor is a deletion.
	PropagationDelay time.Duration
	// SessionKey closes session tokens, so that those of earlier accounts stay valid; nil takes the
	// one that the table kept, or makes one.
	SessionKey []byte
	// Table keeps the records; nil keeps all in memory.
	Table store.Table
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of unique IDs, keys and secrets; nil means crypto/rand. Reads are serialised.
	Rand io.Reader
	// Decided is called with each decision and the ARN of its caller; it may be nil.
	Decided func(caller string, decision policy.Decision)
}

// MemberAccessRole is the administrator role of a member account
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html).
const MemberAccessRole = "OrganizationAccountAccessRole"

// sessionCache bounds the sessions whose tokens need not be opened again.
const sessionCache = 8192

// Accounts are AWS accounts, and the sessions of their roles. It is safe for concurrent use.
type Accounts struct {
	options Options
	now     func() time.Time
	table   store.Table
	// byID never changes.
	byID map[string]*account
	// seal closes and opens session tokens; opened has the sessions that were opened last.
	seal   cipher.AEAD
	key    []byte
	opened *lru.Cache[string, *session]

	// named has the ARNs of users and roles by their unique ID. It has no lock of an account, which one that
	// holds another account's lock could not take.
	named sync.Map

	// scratches has a *scratch for each decision that is being made.
	scratches sync.Pool

	randMu sync.Mutex
	rand   io.Reader
}

// account is one AWS account.
type account struct {
	*Accounts
	id string

	mu sync.RWMutex
	// users and roles by name in lower case: names are "not distinguished by case" (reference_iam-quotas).
	users, roles map[string]*entity
	// entities are the users and roles by their unique ID. An entity is replaced, never changed.
	entities map[string]*entity
	// policies are the managed policies by ARN, replaced like entities.
	policies map[string]*managedPolicy
	// keys are the users' access keys.
	keys map[string]*accessKey
	// profiles are the instance profiles by name in lower case, providers the OIDC ones by ARN.
	profiles  map[string]*instanceProfile
	providers map[string]*oidcProvider
}

// NewAccounts makes the accounts, or finds those that the table has. New ones hold the AWS managed
// policies that the emulator knows and, members, their MemberAccessRole.
func NewAccounts(options Options) (*Accounts, error) {
	a := &Accounts{options: options, now: options.Now, rand: options.Rand, table: store.OrNowhere(options.Table), byID: map[string]*account{}}
	a.scratches.New = func() any { return &scratch{keys: make(policy.Context, 2*usualKeys)} }
	if a.now == nil {
		a.now = time.Now
	}
	if a.rand == nil {
		a.rand = rand.Reader
	}
	for _, id := range append([]string{options.AccountID}, options.Members...) {
		if a.byID[id] != nil {
			return nil, fmt.Errorf("make account %s: it is given twice", id)
		}
		member := &account{
			Accounts: a, id: id, users: map[string]*entity{}, roles: map[string]*entity{}, entities: map[string]*entity{},
			policies: map[string]*managedPolicy{}, keys: map[string]*accessKey{},
			profiles: map[string]*instanceProfile{}, providers: map[string]*oidcProvider{},
		}
		if err := member.addAWSPolicies(); err != nil {
			return nil, fmt.Errorf("make account %s: %w", id, err)
		}
		a.byID[id] = member
	}
	if err := a.load(); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	var err error
	if a.opened, err = lru.New[string, *session](sessionCache); err != nil {
		return nil, fmt.Errorf("make session cache: %w", err)
	}
	trust := fmt.Sprintf(`{"AWS":"arn:aws:iam::%s:root"}`, options.AccountID)
	for _, id := range options.Members {
		if _, err := a.byID[id].ensureRole(MemberAccessRole, trust, administratorAccessARN); err != nil {
			return nil, fmt.Errorf("make account %s: %w", id, err)
		}
	}
	return a, nil
}

// SessionKey is the key for Options of accounts that come after these.
func (a *Accounts) SessionKey() []byte { return slices.Clone(a.key) }

// home is the account that Options.AccountID names.
func (a *Accounts) home() *account { return a.byID[a.options.AccountID] }

// accountOf finds the account of an ARN; nil if there is no such account.
func (a *Accounts) accountOf(arn string) *account {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return nil
	}
	return a.byID[parts[4]]
}

// Handler serves the IAM Query API (version 2010-05-08) for callers from the context: each finds its
// own account.
func (a *Accounts) Handler() http.Handler {
	handlers := make(map[string]http.Handler, len(a.byID))
	for id, member := range a.byID {
		handlers[id] = member.handler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := a.options.AccountID
		if caller := CallerFrom(r.Context()); caller != nil {
			id = caller.Principal.AccountID
		}
		handlers[id].ServeHTTP(w, r)
	})
}

// CreateAdministrator makes a user of the first account with an allow-all policy and the given
// access key; one that a table kept gets the key in place of its own. For use at boot.
func (a *Accounts) CreateAdministrator(name, accessKeyID, secretAccessKey string) error {
	home := a.home()
	home.mu.Lock()
	defer home.mu.Unlock()
	user := home.users[strings.ToLower(name)]
	if user == nil {
		var err error
		if user, err = home.newEntity(&entity{name: name, path: "/", id: bootID("AIDA", home.id, name), attached: []string{administratorAccessARN}}); err != nil {
			return fmt.Errorf("create administrator %s: %w", name, err)
		}
	}
	user = user.clone()
	for _, id := range user.keyIDs() {
		delete(home.keys, id)
	}
	if home.keys[accessKeyID] != nil {
		return fmt.Errorf("create administrator %s: access key ID %s exists", name, accessKeyID)
	}
	user.keys = []accessKey{{id: accessKeyID, secret: secretAccessKey, created: home.timestamp(), active: true}}
	if err := home.saveAtOnce(user); err != nil {
		return fmt.Errorf("create administrator %s: %w", name, err)
	}
	return nil
}

// CreateServiceRole makes a role of the first account that the AWS service trusts with
// sts:AssumeRole, with the managed policies attached; one that a table kept stays as it is. For use at
// boot: the node role is CreateServiceRole("epi-node", "ec2.amazonaws.com", WorkerNodePolicyARN).
func (a *Accounts) CreateServiceRole(name, service string, policyARNs ...string) (Role, error) {
	role, err := a.home().ensureRole(name, fmt.Sprintf(`{"Service":%q}`, service), policyARNs...)
	if err != nil {
		return Role{}, err
	}
	return role.asRole(), nil
}

// ensureRole makes a role that lets principal, an element in JSON, assume it.
func (a *account) ensureRole(name, principal string, policyARNs ...string) (*entity, error) {
	text := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"sts:AssumeRole"}]}`, principal)
	parsed, err := policy.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("create role %s for %s: %w", name, principal, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.roles[strings.ToLower(name)]; known != nil {
		return known, nil
	}
	for _, arn := range policyARNs {
		if a.policies[arn] == nil {
			return nil, fmt.Errorf("create role %s: policy %s does not exist", name, arn)
		}
	}
	role, err := a.newEntity(&entity{
		role: true, name: name, path: "/", id: bootID("AROA", a.id, name), maxSession: defaultMaxSession, trust: document{text: text, parsed: parsed}, attached: slices.Clone(policyARNs),
	})
	if err != nil {
		return nil, fmt.Errorf("create role %s: %w", name, err)
	}
	if err := a.saveAtOnce(role); err != nil {
		return nil, fmt.Errorf("create role %s: %w", name, err)
	}
	return role, nil
}

// bootID is the unique ID of what is made at boot: the same each time, so that its sessions outlive a
// reset.
func bootID(prefix, account, name string) string {
	digest := sha256.Sum256([]byte(account + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(digest[:])[:17]
}

// saveAtOnce saves without propagation delay: what is made at boot was always there.
func (a *account) saveAtOnce(e *entity) error {
	if err := a.save(e); err != nil {
		return err
	}
	e.views = []view{a.viewOf(e, time.Time{})}
	return nil
}

// timestamp is the time as IAM keeps it: to the second.
func (a *Accounts) timestamp() time.Time { return a.now().UTC().Truncate(time.Second) }

// uniqueID makes an ID of 21 characters (reference_identifiers, "Unique identifiers").
func (a *Accounts) uniqueID(prefix string) (string, error) { return a.randomText(prefix, 17) }

// alphabet of unique IDs and access key IDs: base 32.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (a *Accounts) randomText(prefix string, length int) (string, error) {
	bytes := make([]byte, length)
	if err := a.random(bytes); err != nil {
		return "", err
	}
	for i := range bytes {
		bytes[i] = alphabet[bytes[i]%byte(len(alphabet))]
	}
	return prefix + string(bytes), nil
}

func (a *Accounts) random(bytes []byte) error {
	a.randMu.Lock()
	defer a.randMu.Unlock()
	if _, err := io.ReadFull(a.rand, bytes); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	return nil
}

// Role finds a role of any account by its ARN; path and case count. A role that was made less than
// the propagation delay ago is not found.
func (a *Accounts) Role(arn string) (Role, bool) {
	owner := a.accountOf(arn)
	if owner == nil {
		return Role{}, false
	}
	owner.mu.RLock()
	defer owner.mu.RUnlock()
	role := owner.roleByARN(arn)
	if role == nil || role.seen(a.now()) == nil {
		return Role{}, false
	}
	return role.asRole(), true
}

// ErrNoSuchRole is returned for a role that does not exist (any more).
var ErrNoSuchRole = errors.New("no such role")
