package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxKeys bounds the derived keys that are kept: about as many as there are sessions at a time.
const maxKeys = 4096

// scope is what a signing key is derived for. Its secret is part of it, so that a key of a secret
// that has changed is never found again.
type scope struct{ secret, day, region, service string }

// signingKey makes signatures. It is safe for concurrent use.
type signingKey struct {
	// macs are keyed hashes; each keeps its state after the key, which saves two blocks a signature.
	macs sync.Pool
}

// derive makes the signing key of a scope
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, step 4).
func derive(s scope) *signingKey {
	key := []byte("AWS4" + s.secret)
	for _, text := range []string{s.day, s.region, s.service, terminator} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text)) // A hash's Write returns no error.
		key = mac.Sum(nil)
	}
	return &signingKey{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// sign appends the HMAC of text to to.
func (k *signingKey) sign(to, text []byte) []byte {
	mac := k.macs.Get().(hash.Hash)
	mac.Reset()
	mac.Write(text) // A hash's Write returns no error.
	to = mac.Sum(to)
	k.macs.Put(mac)
	return to
}

// keyCache keeps derived keys, least recently used last.
type keyCache struct {
	derived *lru.Cache[scope, *signingKey]
}

func newKeyCache() keyCache {
	derived, err := lru.New[scope, *signingKey](maxKeys)
	if err != nil {
		panic(err) // The size is a constant, and positive.
	}
	return keyCache{derived}
}

// get finds a key or derives it; kept says whether it need not be put.
func (c keyCache) get(s scope) (key *signingKey, kept bool) {
	if key, ok := c.derived.Get(s); ok {
		return key, true
	}
	return derive(s), false
}

// put keeps a key. It is called when the key has verified a signature: who cannot sign could
// otherwise empty the cache with scopes that do not exist.
func (c keyCache) put(s scope, key *signingKey) {
	// The parts are slices of a header, which they would keep.
	s.day, s.region, s.service = strings.Clone(s.day), strings.Clone(s.region), strings.Clone(s.service)
	c.derived.Add(s, key)
}
