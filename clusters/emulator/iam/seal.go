package iam

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// No session is stored. Its token holds all of it, encrypted with a key that only the accounts have. So sessions cost no
// memory, and survive a restart with the key.

const (
	sealBytes = 32
	// minSealed makes every token about as long as AWS's, for any content.
	minSealed = 560
	// maxToken is the longest token that is decrypted.
	maxToken = 64 << 10
)

// session is the content of a token.
type session struct {
	KeyID   string `json:"k"`
	Secret  string `json:"s"`
	Account string `json:"a"`
	// Owner is the unique ID of the role, or of the user for a session of a user.
	Owner      string            `json:"o"`
	Name       string            `json:"n,omitempty"`
	Tags       map[string]string `json:"t,omitempty"`
	Transitive []string          `json:"tt,omitempty"`
	Policies   []sealedPolicy    `json:"p,omitempty"`
	// Issued and Expires are seconds since the epoch.
	Issued  int64 `json:"i"`
	Expires int64 `json:"e"`
	// SourceIdentity is the same for all sessions of a chain.
	SourceIdentity string `json:"si,omitempty"`
	// Provider is the ARN of the OIDC provider that authenticated the session; empty otherwise.
	Provider string `json:"f,omitempty"`
	// Keys are condition keys that the session keeps.
	Keys policy.Context `json:"c,omitempty"`

	// token is the text of the session, and parsed has its policies.
	token  string
	parsed []policy.Named
}

type sealedPolicy struct {
	Name string `json:"n"`
	Text string `json:"d"`
}

// openSeal makes the cipher from a stored key, or from a new one, which it stores.
func (a *Accounts) openSeal(key []byte) error {
	if a.options.SessionKey != nil {
		key = a.options.SessionKey
		if err := a.table.Put(sealKey, key); err != nil {
			return err
		}
	}
	if key == nil {
		key = make([]byte, sealBytes)
		if err := a.random(key); err != nil {
			return err
		}
		if err := a.table.Put(sealKey, key); err != nil {
			return err
		}
	}
	a.key = key
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("make session cipher: %w", err)
	}
	if a.seal, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return fmt.Errorf("make session cipher: %w", err)
	}
	return nil
}

// close encrypts a session into its token.
func (a *Accounts) close(s *session) (string, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode session: %w", err)
	}
	if missing := minSealed - len(plain); missing > 0 {
		// White space at the end has no meaning in JSON, so it serves as padding.
		plain = append(plain, bytes.Repeat([]byte{' '}, missing)...)
	}
	return base64.StdEncoding.EncodeToString(a.seal.Seal(nil, nil, plain, []byte(s.KeyID))), nil
}

// open decrypts the session of an access key ID from its token, or fails with sigv4.ErrInvalidToken.
func (a *Accounts) open(keyID, token string) (*session, error) {
	if known, ok := a.opened.Get(keyID); ok && sameText(known.token, token) {
		return known, nil
	}
	if len(token) > maxToken {
		return nil, sigv4.ErrInvalidToken
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, sigv4.ErrInvalidToken
	}
	plain, err := a.seal.Open(nil, nil, sealed, []byte(keyID))
	if err != nil {
		return nil, sigv4.ErrInvalidToken
	}
	s := &session{token: token}
	if err := json.Unmarshal(plain, s); err != nil {
		return nil, fmt.Errorf("decode session of %s: %w", keyID, err)
	}
	for _, p := range s.Policies {
		parsed, err := policy.Parse([]byte(p.Text))
		if err != nil {
			return nil, fmt.Errorf("decode session policy of %s: %w", keyID, err)
		}
		s.parsed = append(s.parsed, policy.Named{Name: p.Name, Document: parsed})
	}
	a.opened.Add(keyID, s)
	return s, nil
}

func (s *session) expiration() time.Time { return time.Unix(s.Expires, 0).UTC() }
