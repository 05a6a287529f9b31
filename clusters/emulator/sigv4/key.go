package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxKeys is the number of derived keys to keep: about the number of sessions at a time.
const maxKeys = 4096

// scope is the input of a signing key. It includes the secret, so that a key of an old secret is never found.
type scope struct{ secret, day, region, service string }

// signingKey makes signatures. It is safe for concurrent use.
type signingKey struct {
	// macs are keyed hashes. Each keeps its state after the key, which saves two blocks a signature.
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

// sign appends the HMAC of text to the slice to.
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
		panic(err) // The size is a positive constant.
	}
	return keyCache{derived}
}

// get finds a key or derives it. kept says that it is in the cache.
func (c keyCache) get(s scope) (key *signingKey, kept bool) {
	if key, ok := c.derived.Get(s); ok {
		return key, true
	}
	return derive(s), false
}

// put keeps a key. It is called after the key has verified a signature. Otherwise a client that cannot sign could fill the
// cache with scopes that do not exist.
func (c keyCache) put(s scope, key *signingKey) {
	// The parts are slices of a header. The clones do not keep the header in memory.
	s.day, s.region, s.service = strings.Clone(s.day), strings.Clone(s.region), strings.Clone(s.service)
	c.derived.Add(s, key)
}
