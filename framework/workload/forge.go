package workload

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/framework"
)

// forgedKeySize in bits is the size of a cluster's own keys.
const forgedKeySize = 2048

// Forge returns a changed token that no cluster signed. Its signature is by a new key, and empty if the header's alg became
// "none". The header keeps the kid.
func Forge(env *framework.Env, like Token, change func(header, claims map[string]any)) Token {
	env.T.Helper()
	forged, err := forge(like, change)
	if err != nil {
		env.T.Fatalf("forge a token: %v", err)
	}
	return forged
}

func forge(like Token, change func(header, claims map[string]any)) (Token, error) {
	claims := jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(string(like), claims)
	if err != nil {
		return "", fmt.Errorf("parse the original: %w", err)
	}
	change(token.Header, claims)
	var key any = jwt.UnsafeAllowNoneSignatureType
	token.Method = jwt.SigningMethodNone
	if token.Header["alg"] != "none" {
		token.Method = jwt.SigningMethodRS256
		if key, err = rsa.GenerateKey(rand.Reader, forgedKeySize); err != nil {
			return "", fmt.Errorf("make a key: %w", err)
		}
	}
	forged, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign it: %w", err)
	}
	return Token(forged), nil
}

// Tamper returns a token with other claims and the signature of the given one.
func Tamper(env *framework.Env, token Token, change func(claims map[string]any)) Token {
	env.T.Helper()
	tampered := Forge(env, token, func(_, claims map[string]any) { change(claims) })
	signature := string(token[strings.LastIndexByte(string(token), '.'):])
	return tampered[:strings.LastIndexByte(string(tampered), '.')] + Token(signature)
}
