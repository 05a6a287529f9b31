// Package sigv4 verifies requests that are signed with AWS Signature Version 4, in all forms that SDKs use: in a header or
// a presigned URL, with the body hashed, unsigned or in chunks
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).
package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Credentials are the secret side of an access key ID.
type Credentials struct {
	SecretAccessKey string
	// Expiration of temporary credentials; zero for a user's access key.
	Expiration time.Time
}

// The errors of a CredentialStore for credentials that it does not have.
var (
	ErrUnknownAccessKey = errors.New("access key ID does not exist")
	ErrInvalidToken     = errors.New("session token does not belong to the access key ID")
)

// CredentialStore finds the credentials of an access key ID and the session token of the request, which is empty for a
// user's access key. It fails with ErrUnknownAccessKey or ErrInvalidToken. It compares tokens in constant time.
type CredentialStore interface {
	Credentials(ctx context.Context, accessKeyID, sessionToken string) (Credentials, error)
}

// Identity is what a verified signature proves.
type Identity struct {
	AccessKeyID string
	// SessionToken is the token of temporary credentials; empty for a user's access key.
	SessionToken string
	// Region and Service of the credential scope, such as "us-west-2" and "s3".
	Region, Service string
	// Time of signing.
	Time time.Time
	// SignedHeaders in lower case, sorted.
	SignedHeaders []string
	// Presigned says that the signature was in the query.
	Presigned bool
}

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	store CredentialStore
	now   func() time.Time
	max   map[string]int64
	lives map[string]time.Duration
	keys  keyCache
	// texts are buffers for the signed text. readers are buffers for chunked bodies.
	texts, readers sync.Pool
}

// Options of a Verifier; the zero value has defaults.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxBody is the largest accepted body in bytes, by the signing name of the service. A service that is not in it has 1
	// MiB.
	MaxBody map[string]int64
	// PresignedLife is how long presigned URLs of a service are valid, in place of X-Amz-Expires. For a service that is not
	// in it, X-Amz-Expires counts.
	PresignedLife map[string]time.Duration
}

// maxSkew is the largest difference of the signer's clock.
const maxSkew = 15 * time.Minute

// NewVerifier makes a verifier that finds secrets in store.
func NewVerifier(store CredentialStore, options Options) *Verifier {
	v := &Verifier{store: store, now: options.Now, max: options.MaxBody, lives: options.PresignedLife, keys: newKeyCache()}
	v.texts.New = func() any { return &[]byte{} }
	v.readers.New = func() any { return bufio.NewReader(nil) }
	if v.now == nil {
		v.now = time.Now
	}
	return v
}

func (v *Verifier) maxBody(service string) int64 {
	if most, ok := v.max[service]; ok {
		return most
	}
	return 1 << 20
}

// Verify checks the signature of r and its body. On success it replaces r.Body by the whole, verified and decoded body, and
// sets r.ContentLength and the headers Content-Length and Content-Encoding accordingly. The trailing headers of a chunked
// body become headers, and a signed header of several lines becomes one. So a handler never sees a byte that was not
// verified, unless the client chose an unsigned payload, which only S3 accepts. The error is an *Error, or the store's
// error.
func (v *Verifier) Verify(r *http.Request) (*Identity, error) {
	identity, err := v.VerifyHead(r)
	if err != nil {
		return nil, err
	}
	if later, ok := r.Body.(*Body); ok {
		plain, err := later.Whole()
		if err != nil {
			return nil, err
		}
		(&body{request: r, plain: plain}).replace()
	}
	return identity, nil
}

// VerifyHead is Verify, but does not read the body of a request to S3. r.Body is then a *Body, which reads and verifies all
// of the body on the first read. So the caller can first decide whether the sender may send it at all. The trailing headers
// are there after that first read.
func (v *Verifier) VerifyHead(r *http.Request) (*Identity, error) {
	s, err := readSignature(r)
	if err != nil {
		return nil, err
	}
	if life, fixed := v.lives[s.service]; fixed && s.presigned {
		s.expires = life
	}
	now := v.now()
	if err := s.checkTime(now); err != nil {
		return nil, err
	}
	secret, err := v.secret(r.Context(), s, now)
	if err != nil {
		return nil, err
	}
	body := body{request: r, signature: s, limit: v.maxBody(s.service)}
	if err := body.declare(); err != nil {
		return nil, err
	}
	if err := s.readHeaders(r); err != nil {
		return nil, err
	}

	text := v.texts.Get().(*[]byte)
	s.text = *text
	defer func() {
		*text, s.text = s.text, nil
		v.texts.Put(text)
	}()
	scope := scope{secret, s.day, s.region, s.service}
	key, kept := v.keys.get(scope)
	s.key = key
	if !s.matches(r, body.declared) {
		return nil, refuse(SignatureMismatch, "the signature is not the one that the secret access key makes")
	}
	if !kept {
		v.keys.put(scope, key)
	}
	s.joinHeaders(r)
	identity := &Identity{
		AccessKeyID: s.accessKeyID, SessionToken: s.sessionToken, Region: s.region, Service: s.service, Time: s.time,
		SignedHeaders: s.signedHeaders, Presigned: s.presigned,
	}
	if s.service == s3Service && r.Body != nil && r.Body != http.NoBody {
		kept := body // only a body that is read later needs memory of its own
		if err := v.deferBody(&kept); err != nil {
			return nil, err
		}
		return identity, nil
	}
	if err := v.readBody(&body); err != nil {
		return nil, err
	}
	body.replace()
	return identity, nil
}

func (v *Verifier) readBody(b *body) error {
	reader := v.readers.Get().(*bufio.Reader)
	defer func() {
		reader.Reset(nil) // otherwise it would keep the body
		v.readers.Put(reader)
	}()
	return b.verify(reader)
}

// deferBody puts a Body into the request, and sets its length. It cannot fail if the body needs no decoding.
func (v *Verifier) deferBody(b *body) error {
	r, received := b.request, *b.request // both share the headers
	b.request = &received
	if b.chunked() {
		a, err := b.announced()
		if err != nil {
			return err
		}
		(&body{request: r}).setLength(a.length)
	}
	r.Body, r.TransferEncoding = &Body{verifier: v, body: b, source: received.Body}, nil
	return nil
}

// Body is the body of a request whose signature was verified. The body itself is verified on the first read. A reader gets
// no byte of a body that was not signed.
type Body struct {
	verifier *Verifier
	body     *body
	source   io.ReadCloser
	done     bool
	err      error
	plain    bytes.Reader
}

// Whole returns the decoded body. The error is an *Error.
func (b *Body) Whole() ([]byte, error) {
	if !b.done {
		b.done = true
		b.err = b.verifier.readBody(b.body)
		b.plain.Reset(b.body.plain)
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.body.plain, nil
}

// Read implements io.Reader.
func (b *Body) Read(to []byte) (int, error) {
	if _, err := b.Whole(); err != nil {
		return 0, err
	}
	return b.plain.Read(to)
}

// Close implements io.Closer.
func (b *Body) Close() error { return b.source.Close() }

// Trust tells the source, if it supports that, that the sender may send the body.
func (b *Body) Trust() {
	if source, ok := b.source.(interface{ Trust() }); ok {
		source.Trust()
	}
}

// secret looks up the secret access key of the signature's access key ID.
func (v *Verifier) secret(ctx context.Context, s *signature, now time.Time) (string, error) {
	credentials, err := v.store.Credentials(ctx, s.accessKeyID, s.sessionToken)
	switch {
	case errors.Is(err, ErrUnknownAccessKey):
		return "", refuse(UnknownAccessKey, "%s does not exist", s.who())
	case errors.Is(err, ErrInvalidToken):
		return "", refuse(InvalidToken, "the session token is not the one of %s", s.who())
	case err != nil:
		return "", fmt.Errorf("look up %s: %w", s.who(), err)
	}
	if !credentials.Expiration.IsZero() && !now.Before(credentials.Expiration) {
		return "", refuse(ExpiredToken, "the credentials expired at %s", credentials.Expiration.UTC().Format(time.RFC3339))
	}
	return credentials.SecretAccessKey, nil
}

// who returns the access key ID for a message, unless it has characters that no such ID has: a user may have put the secret
// in its place.
func (s *signature) who() string {
	if strings.Trim(s.accessKeyID, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return "the access key ID"
	}
	return "access key ID " + s.accessKeyID
}

// matches says whether the signature is that of r and the payload hash.
func (s *signature) matches(r *http.Request, payloadHash string) bool {
	if len(s.query) == 0 {
		return s.matchesQuery(r, payloadHash, nil)
	}
	at := -1
	if s.presigned {
		at = slices.IndexFunc(s.query, func(p parameter) bool { return p.name == querySignature })
	}
	signed := s.query.canonical(func(i int, _ string) bool { return i == at })
	if s.matchesQuery(r, payloadHash, signed) {
		return true
	}
	if !s.presigned || s.service == s3Service {
		return false
	}
	// Clients of some services add the session token to the signed URL. It need not be signed, because only the access
	// key's own token is accepted.
	appended := func(i int, name string) bool { return i == at || i > at && name == securityToken }
	signed = s.query.canonical(appended)
	return len(signed) < len(s.query)-1 && s.matchesQuery(r, payloadHash, signed)
}

func (s *signature) matchesQuery(r *http.Request, payloadHash string, query parameters) bool {
	s.text = s.appendCanonical(s.text[:0], r, payloadHash, query)
	digest := sha256.Sum256(s.text)
	s.begin(algorithm)
	s.addHash(digest)
	return s.signs(s.claimed)
}

// checkTime refuses signatures outside their time: 15 minutes before and after now, or a presigned URL's lifetime.
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

// begin starts the signed text: an algorithm's name, the time and the scope.
func (s *signature) begin(algorithm string) {
	s.text = append(s.text[:0], algorithm...)
	s.addLine(s.timeText)
	s.addLine(s.scopeText)
}

func (s *signature) addLine(line string) { s.text = append(append(s.text, '\n'), line...) }

func (s *signature) addHash(digest [sha256.Size]byte) {
	s.text = hex.AppendEncode(append(s.text, '\n'), digest[:])
}

// signs says whether claimed is the signature of the text that begin started, in lower-case hexadecimal digits as every
// client writes it.
func (s *signature) signs(claimed string) bool {
	var mac [sha256.Size]byte
	var digits [2 * sha256.Size]byte
	s.key.sign(mac[:0], s.text)
	hex.Encode(digits[:], mac[:])
	return subtle.ConstantTimeCompare(digits[:], []byte(claimed)) == 1
}
