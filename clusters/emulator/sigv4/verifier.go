// Package sigv4 verifies requests signed with AWS Signature Version 4, in all the forms in which
// SDKs sign them: header or presigned URL, body hashed, unsigned or in chunks
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Credentials are the secret side of an access key ID.
type Credentials struct {
	SecretAccessKey string
	// Expiration of temporary credentials; zero for a user's access key.
	Expiration time.Time
}

// What a CredentialStore says of credentials that it does not have.
var (
	ErrUnknownAccessKey = errors.New("access key ID does not exist")
	ErrInvalidToken     = errors.New("session token does not belong to the access key ID")
)

// CredentialStore finds the credentials of an access key ID and the session token that came with it,
// which is empty for a user's access key. It fails with ErrUnknownAccessKey or ErrInvalidToken, and
// compares tokens in constant time.
type CredentialStore interface {
	Credentials(ctx context.Context, accessKeyID, sessionToken string) (Credentials, error)
}

// Identity is what a verified signature proves.
type Identity struct {
	AccessKeyID string
	// SessionToken came with temporary credentials; empty for a user's access key.
	SessionToken string
	// Region and Service of the credential scope, such as "us-west-2" and "s3".
	Region, Service string
	// Time of signing.
	Time time.Time
	// SignedHeaders in lower case, sorted.
	SignedHeaders []string
	// Presigned says that the signature came in the query.
	Presigned bool
}

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	store CredentialStore
	now   func() time.Time
	max   func(service string) int64
}

// Options of a Verifier; the zero value has defaults.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxBody returns the largest accepted body of a service in bytes; nil means 64 MiB for "s3"
	// and 1 MiB for any other.
	MaxBody func(service string) int64
}

// maxSkew is how far the signer's clock may be off.
const maxSkew = 15 * time.Minute

// NewVerifier makes a verifier that looks secrets up in store.
func NewVerifier(store CredentialStore, options Options) *Verifier {
	v := &Verifier{store: store, now: options.Now, max: options.MaxBody}
	if v.now == nil {
		v.now = time.Now
	}
	if v.max == nil {
		v.max = func(service string) int64 {
			if service == s3Service {
				return 64 << 20
			}
			return 1 << 20
		}
	}
	return v
}

// Verify checks the signature of r and its body. On success r.Body is replaced by the whole,
// verified and decoded body, with r.ContentLength and the headers Content-Length and
// Content-Encoding to match; the trailing headers of a chunked body have become headers. So a
// handler never sees a byte that was not verified, unless the client chose an unsigned payload,
// which only S3 takes. The error is an *Error.
func (v *Verifier) Verify(r *http.Request) (*Identity, error) {
	s, err := readSignature(r)
	if err != nil {
		return nil, err
	}
	if err := s.checkTime(v.now()); err != nil {
		return nil, err
	}
	credentials, err := v.store.Credentials(r.Context(), s.accessKeyID, s.sessionToken)
	switch {
	case errors.Is(err, ErrUnknownAccessKey):
		return nil, refuse(UnknownAccessKey, "access key ID %s does not exist", s.accessKeyID)
	case errors.Is(err, ErrInvalidToken):
		return nil, refuse(InvalidToken, "the session token is not the one of access key ID %s", s.accessKeyID)
	case err != nil:
		return nil, fmt.Errorf("look up access key ID %s: %w", s.accessKeyID, err)
	}
	if !credentials.Expiration.IsZero() && !v.now().Before(credentials.Expiration) {
		return nil, refuse(ExpiredToken, "the credentials expired at %s", credentials.Expiration.UTC().Format(time.RFC3339))
	}

	body := &body{request: r, signature: s, limit: v.max(s.service)}
	if err := body.declare(); err != nil {
		return nil, err
	}
	canonical, err := s.canonicalRequest(r, body.declared)
	if err != nil {
		return nil, err
	}
	s.key = signingKey(credentials.SecretAccessKey, s.day, s.region, s.service)
	digest := sha256.Sum256(canonical)
	if !hmac.Equal(s.signature, s.sign(algorithm, hex.EncodeToString(digest[:]))) {
		return nil, refuse(SignatureMismatch, "the signature is not the one that the secret access key makes")
	}
	if err := body.verify(); err != nil {
		return nil, err
	}
	return &Identity{
		AccessKeyID: s.accessKeyID, SessionToken: s.sessionToken, Region: s.region, Service: s.service, Time: s.time,
		SignedHeaders: s.signedHeaders, Presigned: s.presigned,
	}, nil
}

// checkTime refuses signatures from the wrong time: 15 minutes around now, or a presigned URL's life.
func (s *signature) checkTime(now time.Time) error {
	if s.time.After(now.Add(maxSkew)) || !s.presigned && s.time.Before(now.Add(-maxSkew)) {
		return refuse(Skewed, "signed at %s, received at %s; the difference may be %s at most",
			s.time.Format(timeFormat), now.UTC().Format(timeFormat), maxSkew)
	}
	if s.presigned && now.After(s.time.Add(s.expires)) {
		return refuse(PresignedExpired, "the URL was valid for %s from %s", s.expires, s.time.Format(timeFormat))
	}
	return nil
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text)) // A hash's Write returns no error.
	return mac.Sum(nil)
}

func signingKey(secret, day, region, service string) []byte {
	key := hmacSHA256([]byte("AWS4"+secret), day)
	key = hmacSHA256(key, region)
	key = hmacSHA256(key, service)
	return hmacSHA256(key, terminator)
}

// sign signs the time, the scope and further lines under an algorithm's name.
func (s *signature) sign(algorithm string, lines ...string) []byte {
	text := algorithm + "\n" + s.time.Format(timeFormat) + "\n" + s.scope()
	for _, line := range lines {
		text += "\n" + line
	}
	return hmacSHA256(s.key, text)
}
