// Package iam has the AWS accounts of the emulator: their users, roles, policies, access keys and role sessions. It decides
// whether a caller may do something, and serves the IAM Query API.
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
	// AccountID of twelve digits is the first account. A request that names no other account is for this one.
	AccountID string
	// Members are additional accounts. As in an AWS organisation, each has a role MemberAccessRole that AccountID may
	// assume.
	Members []string
	// PropagationDelay is how long a change to users, roles and policies takes to count: IAM is eventually consistent
	// (troubleshoot, "Changes that I make are not always immediately visible"). The answers of the IAM API itself are not
	// delayed, and neither are deletions.
	PropagationDelay time.Duration
	// SessionKey encrypts session tokens. With the key of earlier accounts, their tokens stay valid. nil uses the key of
	// the table, or makes a new one.
	SessionKey []byte
	// Table keeps the records; nil keeps them in memory only.
	Table store.Table
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Rand is the source of unique IDs, keys and secrets; nil means crypto/rand. Reads are serialised.
	Rand io.Reader
	// Decided is called with each decision and the ARN of its caller. It may be nil.
	Decided func(caller string, decision policy.Decision)
}

// MemberAccessRole is the administrator role of a member account
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access.html).
const MemberAccessRole = "OrganizationAccountAccessRole"

// sessionCache is the number of decrypted sessions to keep.
const sessionCache = 8192

// Accounts are AWS accounts, and the sessions of their roles. It is safe for concurrent use.
type Accounts struct {
	options Options
	now     func() time.Time
	table   store.Table
	// byID never changes.
	byID map[string]*account
	// seal encrypts and decrypts session tokens. opened keeps the last decrypted sessions.
	seal   cipher.AEAD
	key    []byte
	opened *lru.Cache[string, *session]

	// named has the ARNs of users and roles by their unique ID. It needs no account's lock, which a caller that holds
	// another account's lock could not take.
	named sync.Map

	// scratches has a *scratch for each decision in progress.
	scratches sync.Pool

	randMu sync.Mutex
	rand   io.Reader
}

// account is one AWS account.
type account struct {
	*Accounts
	id string

	mu sync.RWMutex
	// users and roles are by name in lower case: names are "not distinguished by case" (reference_iam-quotas).
	users, roles map[string]*entity
	// entities are the users and roles by their unique ID. An entity is replaced, never changed.
	entities map[string]*entity
	// policies are the managed policies by ARN, replaced like entities.
	policies map[string]*managedPolicy
	// keys are the users' access keys.
	keys map[string]*accessKey
	// profiles are the instance profiles by name in lower case. providers are the OIDC providers by ARN.
	profiles  map[string]*instanceProfile
	providers map[string]*oidcProvider
}

// NewAccounts makes the accounts, or loads those of the table. New accounts have the AWS managed policies that the emulator
// knows. New members also have their MemberAccessRole.
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

// SessionKey returns the key to pass in Options of accounts that replace these.
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

// Handler serves the IAM Query API (version 2010-05-08) for callers from the context. Each request is for the caller's own
// account.
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

// CreateAdministrator makes a user of the first account with an allow-all policy and the given access key. If the table has
// the user, the key replaces its own. It is for use at boot.
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

// CreateServiceRole makes a role of the first account that the AWS service trusts with sts:AssumeRole, with the managed
// policies attached. If the table has the role, it stays as it is. It is for use at boot: the node role is
// CreateServiceRole("epi-node", "ec2.amazonaws.com", WorkerNodePolicyARN).
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

// bootID is the unique ID of an entity that is made at boot. It is the same each time, so that sessions of the entity stay
// valid after a reset.
func bootID(prefix, account, name string) string {
	digest := sha256.Sum256([]byte(account + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(digest[:])[:17]
}

// saveAtOnce saves without a propagation delay. It is for entities that are made at boot.
func (a *account) saveAtOnce(e *entity) error {
	if err := a.save(e); err != nil {
		return err
	}
	e.views = []view{a.viewOf(e, time.Time{})}
	return nil
}

// timestamp returns the time as IAM keeps it, to the second.
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

// Role finds a role of any account by its ARN, with the exact path and case. It does not find a role that is younger than
// the propagation delay.
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

// ErrNoSuchRole is returned for a role that does not exist or no longer exists.
var ErrNoSuchRole = errors.New("no such role")
