package oidc

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// MaxToken is the longest token that is taken, in bytes: the limit of WebIdentityToken
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
const MaxToken = 20000

// The one spelling of each part: without it, one signature would have several texts.
var encoding = base64.RawURLEncoding.Strict()

// Verify returns the claims of a token that one of the keys has signed, with an expiry, and in its
// time at now. Who issued it and for whom is for the caller to check. It fails with an *ExpiredError
// if the token's time is over, otherwise with an *InvalidError.
func (k *Keys) Verify(token string, now time.Time) (Claims, error) {
	claims, err := k.Open(token)
	if err != nil {
		return Claims{}, err
	}
	if err := claims.CheckTime(now, 0); err != nil {
		return Claims{}, err
	}
	return claims, nil
}

// Open returns the claims of a token that one of the keys has signed, whatever its time. The
// signature is checked before any claim is read. It fails with an *InvalidError.
func (k *Keys) Open(token string) (Claims, error) {
	t, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	h, err := t.readHeader()
	if err != nil {
		return Claims{}, err
	}
	key, known := k.byID[h.keyID]
	switch {
	case methods[h.algorithm].hash == 0:
		return Claims{}, invalid("the token is not signed with one of %v", supported())
	case !known:
		return Claims{}, invalid("the token is not signed by a key of its issuer")
	case !slices.Contains(key.algorithms, h.algorithm):
		return Claims{}, invalid("the token's algorithm is not that of its key")
	case !methods[h.algorithm].verify(key.public, t.signed, t.signature):
		return Claims{}, invalid("the signature of the token is not valid")
	}
	w, err := t.readClaims()
	if err != nil {
		return Claims{}, err
	}
	return w.claims(t.payload), nil
}

// UnverifiedIssuer returns whom a token says it is from, to find the keys that can tell whether that
// is true; nothing else may rely on it. It fails with an *InvalidError.
func UnverifiedIssuer(token string) (string, error) {
	t, err := parse(token)
	if err != nil {
		return "", err
	}
	w, err := t.readClaims()
	if err != nil {
		return "", err
	}
	return w.Issuer, nil
}

// parts of a token in compact form (RFC 7515, section 7.1).
type parts struct {
	// signed is the text that the signature covers: header and payload as they came.
	signed                     string
	header, payload, signature []byte
}

func parse(token string) (parts, error) {
	if len(token) > MaxToken {
		return parts{}, invalid("the token is longer than %d bytes", MaxToken)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, three := strings.Cut(rest, ".")
	if !three || header == "" || payload == "" || signature == "" || strings.IndexByte(signature, '.') >= 0 {
		return parts{}, invalid("the token is not a signed JSON Web Token in compact form")
	}
	t := parts{signed: token[:len(token)-len(signature)-1]}
	for _, part := range []struct {
		to   *[]byte
		text string
	}{{&t.header, header}, {&t.payload, payload}, {&t.signature, signature}} {
		// The decoder would pass over line ends.
		decoded, err := encoding.DecodeString(part.text)
		if err != nil || strings.ContainsAny(part.text, "\r\n") {
			return parts{}, invalid("the token is not a JSON Web Token: a part of it is not base64url without padding")
		}
		*part.to = decoded
	}
	return t, nil
}

type header struct{ algorithm, keyID string }

// readHeader takes the two parameters that count. The ones that would change what the signature
// covers, or how it is to be understood, are refused; those that name or bring a key are passed over.
func (t *parts) readHeader() (header, error) {
	// As a map, so that a name that occurs twice is refused at every depth.
	var parameters map[string]any
	if err := json.Unmarshal(t.header, &parameters); err != nil || parameters == nil {
		return header{}, invalid("the token is not a JSON Web Token: its header is not a JSON object with each name once")
	}
	for _, name := range []string{"crit", "b64"} {
		if _, found := parameters[name]; found {
			return header{}, invalid("the token's header has the parameter %s, which is not supported", name)
		}
	}
	var h header
	var ok bool
	if h.algorithm, ok = parameters["alg"].(string); !ok {
		return header{}, invalid("the token is not a JSON Web Token: it names no algorithm")
	}
	if h.keyID, ok = parameters["kid"].(string); !ok || h.keyID == "" {
		return header{}, invalid("the token is not signed by a key of its issuer: it names none")
	}
	return h, nil
}

func (t *parts) readClaims() (*wireClaims, error) {
	var w wireClaims
	// This library, other than encoding/json, refuses a name that occurs twice and does not take "ISS" for "iss".
	if err := json.Unmarshal(t.payload, &w); err != nil || !bytes.HasPrefix(bytes.TrimLeft(t.payload, " \t\r\n"), []byte("{")) {
		return nil, invalid("the claims of the token are not valid")
	}
	return &w, nil
}
