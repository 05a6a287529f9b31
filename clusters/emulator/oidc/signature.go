package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"maps"
	"math/big"
	"slices"
)

// method is an algorithm of RFC 7518, section 3.1. Neither "none" nor a symmetric algorithm is among the methods, so a
// public key can never serve as a shared secret.
type method struct {
	hash crypto.Hash
	// curve of ECDSA; nil for RSA with PKCS #1 v1.5.
	curve elliptic.Curve
}

// methods is never written to.
var methods = map[string]method{
	"RS256": {hash: crypto.SHA256},
	"RS384": {hash: crypto.SHA384},
	"RS512": {hash: crypto.SHA512},
	"ES256": {hash: crypto.SHA256, curve: elliptic.P256()},
	"ES384": {hash: crypto.SHA384, curve: elliptic.P384()},
	"ES512": {hash: crypto.SHA512, curve: elliptic.P521()},
}

func supported() []string { return slices.Sorted(maps.Keys(methods)) }

// verify says whether signature is a signature of text. The key's type decides on the algorithm, and the token never does.
func (m method) verify(public any, text string, signature []byte) bool {
	var space [sha512.Size]byte
	digest := m.digest(space[:0], text)
	switch public := public.(type) {
	case *rsa.PublicKey:
		return m.curve == nil && rsa.VerifyPKCS1v15(public, m.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		// RFC 7518, section 3.4: r and then s, each as long as the curve's order.
		size := (public.Params().BitSize + 7) / 8
		if m.curve != public.Curve || len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, digest, r, s)
	}
	return false
}

func (m method) digest(to []byte, text string) []byte {
	switch m.hash {
	case crypto.SHA384:
		sum := sha512.Sum384([]byte(text))
		return append(to, sum[:]...)
	case crypto.SHA512:
		sum := sha512.Sum512([]byte(text))
		return append(to, sum[:]...)
	default:
		sum := sha256.Sum256([]byte(text))
		return append(to, sum[:]...)
	}
}
