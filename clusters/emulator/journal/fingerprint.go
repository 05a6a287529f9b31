package journal

import (
	"crypto/sha256"
	"encoding/hex"
)

// Fingerprint distinguishes tokens without revealing them: 32 hexadecimal digits of the SHA-256 of a token; "" for none. A
// token ends in a signature that cannot be guessed, so the fingerprint does not help to guess it.
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}
