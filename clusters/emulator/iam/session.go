package iam

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

const (
	defaultMaxSession = time.Hour
	// Limits of a session (reference_iam-quotas and STS AssumeRole).
	minDuration          = 15 * time.Minute
	maxDuration          = 12 * time.Hour
	maxTags              = 50
	maxSessionPolicySize = 2048
	// tokenBytes of randomness make a session token of 800 characters, about what AWS's have.
	tokenBytes = 600
	// minSweep is the least number of keys at which expired ones are looked for.
	minSweep = 1024
	// keepExpired is how long an expired session is told from an unknown one.
	keepExpired = time.Hour
)

// accessKey is a user's access key or a session's.
type accessKey struct {
	sigv4.Credentials
	// token of a session; empty for a user's key.
	token string
	// owner is the unique ID of the user or role.
	owner   string
	created time.Time
	session *session
}

type session struct {
	name       string
	tags       map[string]string
	transitive []string
	policies   []policy.Named
}

// SessionInput asks for temporary credentials of a role. Whoever asks has decided that they may be given.
type SessionInput struct {
	RoleARN string
	// SessionName has 2 to 64 characters of [\w+=,.@-].
	SessionName string
	// Duration is at least 15 minutes and at most 12 hours. The role's own maximum is for callers
	// to check: it does not limit AWS services (reference_iam-quotas).
	Duration time.Duration
	// Tags are the session tags: at most 50, keys up to 128, values up to 256 characters.
	Tags map[string]string
	// TransitiveTags are the keys of Tags that role chaining keeps.
	TransitiveTags []string
	// Policies limit the session; their texts together have at most 2048 characters.
	Policies []policy.Named
}

// Session is a role session that was just made.
type Session struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expiration                                 time.Time
	// ARN is arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION, ID is ROLEID:SESSION.
	ARN, ID string
}

var (
	sessionName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
	tagText     = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// InputError says which part of a SessionInput is out of bounds.
type InputError struct{ Problem string }

func (e *InputError) Error() string { return e.Problem }

func (in *SessionInput) check() error {
	switch {
	case !sessionName.MatchString(in.SessionName):
		return &InputError{fmt.Sprintf("session name %q: needs 2 to 64 characters of [\\w+=,.@-]", in.SessionName)}
	case in.Duration < minDuration || in.Duration > maxDuration:
		return &InputError{fmt.Sprintf("duration %s: must be between %s and %s", in.Duration, minDuration, maxDuration)}
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
	if size > maxSessionPolicySize {
		return &InputError{fmt.Sprintf("session policies: have %d characters together, at most %d are allowed", size, maxSessionPolicySize)}
	}
	return nil
}

// CheckTags checks tags of a session or an IAM resource by the documented limits (id_session-tags,
// id_tags). The error is an *InputError.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return &InputError{fmt.Sprintf("%d tags: at most %d are allowed", len(tags), maxTags)}
	}
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		lower := strings.ToLower(key)
		switch {
		case seen[lower]:
			return &InputError{fmt.Sprintf("tag key %q: is given twice; case does not count", key)}
		case key == "" || utf8.RuneCountInString(key) > 128 || !tagText.MatchString(key) || strings.HasPrefix(lower, "aws:"):
			return &InputError{fmt.Sprintf("tag key %q: needs 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:", key)}
		case utf8.RuneCountInString(tags[key]) > 256 || !tagText.MatchString(tags[key]):
			return &InputError{fmt.Sprintf("value of tag %q: needs up to 256 letters, digits, spaces and _.:/=+-@", key)}
		}
		seen[lower] = true
	}
	return nil
}

// IssueSession makes temporary credentials of a role. It fails with ErrNoSuchRole or with an
// *InputError.
func (a *Account) IssueSession(_ context.Context, input SessionInput) (Session, error) {
	if err := input.check(); err != nil {
		return Session{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	role := a.roleByARN(input.RoleARN)
	if role == nil {
		return Session{}, fmt.Errorf("issue session of %s: %w", input.RoleARN, ErrNoSuchRole)
	}
	keyID, err := a.randomText("ASIA", 16)
	if err != nil {
		return Session{}, err
	}
	secret, err := a.secret(30)
	if err != nil {
		return Session{}, err
	}
	token, err := a.secret(tokenBytes)
	if err != nil {
		return Session{}, err
	}
	now := a.timestamp()
	key := &accessKey{
		Credentials: sigv4.Credentials{SecretAccessKey: secret, Expiration: now.Add(input.Duration)},
		token:       token, owner: role.id, created: now,
		session: &session{
			name: input.SessionName, tags: maps.Clone(input.Tags),
			transitive: slices.Clone(input.TransitiveTags), policies: slices.Clone(input.Policies),
		},
	}
	a.sweep(now)
	a.keys[keyID] = key
	return Session{
		AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token, Expiration: key.Expiration,
		ARN: a.sessionARN(role, input.SessionName), ID: role.id + ":" + input.SessionName,
	}, nil
}

// sessionARN has the role's name without its path.
func (a *Account) sessionARN(role *entity, name string) string {
	return "arn:aws:sts::" + a.id + ":assumed-role/" + role.name + "/" + name
}

// secret returns the base64 of so many random bytes.
func (a *Account) secret(bytes int) (string, error) {
	raw := make([]byte, bytes)
	if _, err := io.ReadFull(a.rand, raw); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// sweep forgets sessions that expired a while ago, whenever the keys have doubled since.
func (a *Account) sweep(now time.Time) {
	if len(a.keys) < a.sweepAt {
		return
	}
	maps.DeleteFunc(a.keys, func(_ string, key *accessKey) bool {
		return key.session != nil && now.After(key.Expiration.Add(keepExpired))
	})
	a.sweepAt = max(minSweep, 2*len(a.keys))
}

// Credentials implements sigv4.CredentialStore.
func (a *Account) Credentials(_ context.Context, accessKeyID, sessionToken string) (sigv4.Credentials, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	key := a.keys[accessKeyID]
	if key == nil || a.entities[key.owner] == nil {
		return sigv4.Credentials{}, sigv4.ErrUnknownAccessKey
	}
	if subtle.ConstantTimeCompare([]byte(key.token), []byte(sessionToken)) != 1 {
		return sigv4.Credentials{}, sigv4.ErrInvalidToken
	}
	return key.Credentials, nil
}

// Principal returns whose access key accessKeyID is now; ok is false when the key, its user or its
// session's role is gone.
func (a *Account) Principal(_ context.Context, accessKeyID string) (principal Principal, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	key := a.keys[accessKeyID]
	if key == nil {
		return Principal{}, false
	}
	owner := a.entities[key.owner]
	if owner == nil {
		return Principal{}, false
	}
	if key.session == nil {
		return Principal{Type: UserPrincipal, AccountID: a.id, ARN: owner.arn, UserID: owner.id, UserName: owner.name, Tags: owner.tags}, true
	}
	return Principal{
		Type: AssumedRolePrincipal, AccountID: a.id, ARN: a.sessionARN(owner, key.session.name),
		UserID: owner.id + ":" + key.session.name, RoleARN: owner.arn, RoleID: owner.id, SessionName: key.session.name,
		Tags: mergeTags(owner.tags, key.session.tags), SessionTags: key.session.tags, TransitiveTags: key.session.transitive,
		Issued: key.created, Session: key.session.policies,
	}, true
}

// mergeTags lets session tags win over the role's tags, whatever the case of their keys
// (id_session-tags).
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
