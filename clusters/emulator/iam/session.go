package iam

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/quota"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

const (
	defaultMaxSession = time.Hour
	// Limits of a session (reference_iam-quotas and STS AssumeRole).
	minDuration = 15 * time.Minute
	maxDuration = 12 * time.Hour
	// packedLimit stands for the size that AWS allows for a session's packed policies and tags, and packedSize for the way
	// AWS packs them. AWS publishes neither.
	packedLimit = 2048
	// sessionKeyPrefix is the beginning of temporary access key IDs (reference_identifiers).
	sessionKeyPrefix = "ASIA"
)

// SessionInput asks for temporary credentials of a role. The caller has decided that they may be issued.
type SessionInput struct {
	RoleARN string
	// SessionName has 2 to 64 characters of [\w+=,.@-].
	SessionName string
	// Duration is at least 15 minutes and at most 12 hours. Callers check the role's own maximum, which does not limit AWS
	// services (reference_iam-quotas).
	Duration time.Duration
	// Life, if not zero, ends the session earlier than Duration. It may be shorter than the smallest Duration.
	Life time.Duration
	// Tags are the session tags: at most 50, keys up to 128, values up to 256 characters.
	Tags map[string]string
	// TransitiveTags are the keys of Tags that role chaining keeps.
	TransitiveTags []string
	// Policies limit the session. Their texts together have at most 2048 characters.
	Policies []policy.Named
	// PolicyARNs name up to 10 managed policies of the role's account, which limit the session too.
	PolicyARNs []string
	// SourceIdentity has 2 to 64 characters of [\w+=,.@-], or is empty.
	SourceIdentity string
	// Provider is the ARN of the OIDC provider that authenticated the caller; empty otherwise.
	Provider string
	// Keys are condition keys that the session keeps about its creation: the claims of a web identity, or the instance that
	// got the credentials. They may be nil.
	Keys policy.Context
}

// Session is a new role session.
type Session struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
	// ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, ID is ROLEID:SESSION.
	ARN, ID string
	// PackedSize is the part of the allowed space that policies and tags take, in percent; 0 if the session has neither.
	PackedSize int
}

var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

// InputError says which part of a SessionInput exceeds a limit.
type InputError struct{ Problem string }

func (e *InputError) Error() string { return e.Problem }

// PackedError says that the policies and tags of a session take more than the allowed space.
type PackedError struct{ Percent int }

func (e *PackedError) Error() string {
	return fmt.Sprintf("Packed size of session policies and tags consumes %d%% of allotted space.", e.Percent)
}

// isSessionName: 2 to 64 of the characters [A-Za-z0-9_+=,.@-] (STS AssumeRole, RoleSessionName).
func isSessionName(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_+=,.@-", c) >= 0:
		default:
			return false
		}
	}
	return len(text) >= quota.SessionNameMin && len(text) <= quota.SessionNameMax
}

func (in *SessionInput) check() error {
	switch {
	case !isSessionName(in.SessionName):
		return &InputError{fmt.Sprintf("session name %q: needs 2 to 64 characters of [\\w+=,.@-]", in.SessionName)}
	case in.SourceIdentity != "" && !isSessionName(in.SourceIdentity):
		return &InputError{fmt.Sprintf("source identity %q: needs 2 to 64 characters of [\\w+=,.@-]", in.SourceIdentity)}
	case in.Duration < minDuration || in.Duration > maxDuration:
		return &InputError{fmt.Sprintf("duration %s: must be between %s and %s", in.Duration, minDuration, maxDuration)}
	case len(in.PolicyARNs) > quota.SessionPolicyARNs:
		return &InputError{fmt.Sprintf("%d policy ARNs: at most %d are allowed", len(in.PolicyARNs), quota.SessionPolicyARNs)}
	}
	if err := CheckTags(in.Tags); err != nil {
		return err
	}
	for _, key := range in.TransitiveTags {
		if _, ok := in.Tags[key]; !ok {
			return &InputError{fmt.Sprintf("transitive tag %q: is not among the session tags", key)}
		}
	}
	size := 0
	for _, p := range in.Policies {
		size += utf8.RuneCountInString(p.Document.Text())
	}
	if size > quota.SessionPolicySize {
		return &InputError{fmt.Sprintf("session policies: have %d characters together, at most %d are allowed", size, quota.SessionPolicySize)}
	}
	if percent := in.packedSize(); percent > 100 {
		return &PackedError{percent}
	}
	return nil
}

// packedSize is an estimate. Tags count by their length, policies by half of it, and an ARN as a fixed number. AWS
// documents only that there is a limit, and answers a percentage (STS AssumeRole, "PackedPolicySize").
func (in *SessionInput) packedSize() (percent int) {
	size := 16 * len(in.PolicyARNs)
	for key, value := range in.Tags {
		size += len(key) + len(value) + 2
	}
	for _, p := range in.Policies {
		size += len(p.Document.Text()) / 2
	}
	return (100*size + packedLimit - 1) / packedLimit
}

// CheckTags checks tags of a session or an IAM resource against the documented limits (id_session-tags, id_tags). The error
// is an *InputError.
func CheckTags(tags map[string]string) error {
	if len(tags) > quota.SessionTags {
		return &InputError{fmt.Sprintf("%d tags: at most %d are allowed", len(tags), quota.SessionTags)}
	}
	seen := make(map[string]bool, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		lower := strings.ToLower(key)
		switch {
		case seen[lower]:
			return &InputError{fmt.Sprintf("tag key %q: is given twice; case does not count", key)}
		case key == "" || tooLong(key, 128) || !isTagText(key) || strings.HasPrefix(lower, "aws:"):
			return &InputError{fmt.Sprintf("tag key %q: needs 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:", key)}
		case tooLong(tags[key], 256) || !isTagText(tags[key]):
			return &InputError{fmt.Sprintf("value of tag %q: needs up to 256 letters, digits, spaces and _.:/=+-@", key)}
		}
		seen[lower] = true
	}
	return nil
}

func tooLong(text string, limit int) bool {
	return len(text) > limit && utf8.RuneCountInString(text) > limit
}

// isTagText does what tagText does, without the regular expression for usual tags.
func isTagText(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(" _.:/=+-@", c) >= 0:
		default:
			return tagText.MatchString(text)
		}
	}
	return true
}

// IssueSession creates temporary credentials of a role. It fails with ErrNoSuchRole, an *InputError or a *PackedError.
func (a *Accounts) IssueSession(_ context.Context, input SessionInput) (Session, error) {
	if err := input.check(); err != nil {
		return Session{}, err
	}
	owner := a.accountOf(input.RoleARN)
	if owner == nil {
		return Session{}, fmt.Errorf("issue session of %s: %w", input.RoleARN, ErrNoSuchRole)
	}
	owner.mu.RLock()
	role := owner.roleByARN(input.RoleARN)
	policies, err := owner.sessionPolicies(input)
	owner.mu.RUnlock()
	if role == nil {
		return Session{}, fmt.Errorf("issue session of %s: %w", input.RoleARN, ErrNoSuchRole)
	}
	if err != nil {
		return Session{}, err
	}
	now, life := a.timestamp(), input.Duration
	if input.Life != 0 {
		life = min(life, input.Life)
	}
	s := &session{
		Account: owner.id, Owner: role.id, Name: input.SessionName, Tags: input.Tags, Transitive: input.TransitiveTags, Policies: policies,
		Issued: now.Unix(), Expires: now.Add(life).Unix(), SourceIdentity: input.SourceIdentity, Provider: input.Provider, Keys: input.Keys,
	}
	token, err := a.issue(s)
	if err != nil {
		return Session{}, err
	}
	return Session{
		AccessKeyID: s.KeyID, SecretAccessKey: s.Secret, SessionToken: token, Expiration: s.expiration(),
		ARN: sessionARN(owner.id, role.name, s.Name), ID: role.id + ":" + s.Name, PackedSize: input.packedSize(),
	}, nil
}

// issue gives a session its key and its token.
func (a *Accounts) issue(s *session) (token string, err error) {
	if s.KeyID, err = a.randomText(sessionKeyPrefix, 16); err != nil {
		return "", err
	}
	if s.Secret, err = a.secret(); err != nil {
		return "", err
	}
	return a.close(s)
}

// sessionPolicies are the policies that were passed, and then the managed policies of the ARNs. The caller holds mu.
func (a *account) sessionPolicies(input SessionInput) ([]sealedPolicy, error) {
	var policies []sealedPolicy
	for _, p := range input.Policies {
		policies = append(policies, sealedPolicy{p.Name, p.Document.Text()})
	}
	for _, arn := range input.PolicyARNs {
		managed := a.policies[arn]
		if managed == nil {
			return nil, &InputError{fmt.Sprintf("policy ARN %q: no such policy in account %s", arn, a.id)}
		}
		policies = append(policies, sealedPolicy{arn, managed.current().text})
	}
	return policies, nil
}

// sessionARN has the role's name without its path.
func sessionARN(account, role, name string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
}

// secret returns 40 characters, as AWS's secret access keys have.
func (a *Accounts) secret() (string, error) {
	raw := make([]byte, 30)
	if err := a.random(raw); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

func sameText(x, y string) bool { return subtle.ConstantTimeCompare([]byte(x), []byte(y)) == 1 }

// userKey finds a user's access key in any account, and the user.
func (a *Accounts) userKey(accessKeyID string) (found accessKey, owner *entity, home *account) {
	for _, member := range a.byID {
		member.mu.RLock()
		key := member.keys[accessKeyID]
		if key != nil {
			found, owner, home = *key, member.entities[key.owner], member
		}
		member.mu.RUnlock()
		if owner != nil {
			break
		}
	}
	return found, owner, home
}

// entity finds an entity by its unique ID.
func (a *Accounts) entity(accountID, id string) *entity {
	member := a.byID[accountID]
	if member == nil {
		return nil
	}
	member.mu.RLock()
	defer member.mu.RUnlock()
	return member.entities[id]
}

// Credentials implements sigv4.CredentialStore. A session ends with its role.
func (a *Accounts) Credentials(_ context.Context, accessKeyID, sessionToken string) (sigv4.Credentials, error) {
	if strings.HasPrefix(accessKeyID, sessionKeyPrefix) {
		if sessionToken == "" {
			return sigv4.Credentials{}, sigv4.ErrUnknownAccessKey
		}
		s, err := a.open(accessKeyID, sessionToken)
		if err != nil {
			return sigv4.Credentials{}, err
		}
		if a.entity(s.Account, s.Owner) == nil {
			return sigv4.Credentials{}, sigv4.ErrUnknownAccessKey
		}
		return sigv4.Credentials{SecretAccessKey: s.Secret, Expiration: s.expiration()}, nil
	}
	key, owner, _ := a.userKey(accessKeyID)
	switch {
	case owner == nil || !key.active:
		return sigv4.Credentials{}, sigv4.ErrUnknownAccessKey
	case sessionToken != "":
		return sigv4.Credentials{}, sigv4.ErrInvalidToken
	}
	return sigv4.Credentials{SecretAccessKey: key.secret}, nil
}

// Principal returns the current owner of accessKeyID. ok is false if the key, its user or its session's role no longer
// exists, or if the token does not belong to the key.
func (a *Accounts) Principal(_ context.Context, accessKeyID, sessionToken string) (principal Principal, ok bool) {
	if !strings.HasPrefix(accessKeyID, sessionKeyPrefix) {
		key, owner, home := a.userKey(accessKeyID)
		if owner == nil || !key.active || sessionToken != "" {
			return Principal{}, false
		}
		return Principal{Type: UserPrincipal, AccountID: home.id, ARN: owner.arn, UserID: owner.id, UserName: owner.name, Tags: owner.tags}, true
	}
	s, err := a.open(accessKeyID, sessionToken)
	if err != nil {
		return Principal{}, false
	}
	owner := a.entity(s.Account, s.Owner)
	if owner == nil {
		return Principal{}, false
	}
	return Principal{
		Type: AssumedRolePrincipal, AccountID: s.Account, ARN: sessionARN(s.Account, owner.name, s.Name),
		UserID: owner.id + ":" + s.Name, RoleARN: owner.arn, RoleID: owner.id, SessionName: s.Name,
		Tags: mergeTags(owner.tags, s.Tags), SessionTags: s.Tags, TransitiveTags: s.Transitive,
		Issued: time.Unix(s.Issued, 0).UTC(), Session: s.parsed, SourceIdentity: s.SourceIdentity, Provider: s.Provider, Keys: s.Keys,
	}, true
}

// mergeTags overrides the role's tags with the session's tags, without regard to the case of their keys (id_session-tags).
func mergeTags(role, session map[string]string) map[string]string {
	if len(role) == 0 {
		return session
	}
	merged := make(map[string]string, len(role)+len(session))
	overridden := make(map[string]bool, len(session))
	for key, value := range session {
		merged[key] = value
		overridden[strings.ToLower(key)] = true
	}
	for key, value := range role {
		if !overridden[strings.ToLower(key)] {
			merged[key] = value
		}
	}
	return merged
}
