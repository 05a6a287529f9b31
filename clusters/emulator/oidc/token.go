package oidc

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
	key, known := k.byID[h.KeyID]
	switch {
	case methods[h.Algorithm].hash == 0:
		return Claims{}, invalid("the token is not signed with one of %v", supported())
	case !known:
		return Claims{}, invalid("the token is not signed by a key of its issuer")
	case !slices.Contains(key.algorithms, h.Algorithm):
		return Claims{}, invalid("the token's algorithm is not that of its key")
	case !methods[h.Algorithm].verify(key.public, t.signed, t.signature):
		return Claims{}, invalid("the signature of the token is not valid")
	}
	return t.readClaims()
}

// UnverifiedIssuer returns whom a token says it is from, to find the keys that can say whether that
// is true; nothing else may rely on it. It fails with an *InvalidError.
func UnverifiedIssuer(token string) (string, error) {
	t, err := parse(token)
	if err != nil {
		return "", err
	}
	claims, err := t.readClaims()
	return claims.Issuer, err
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

// header is what counts of a JOSE header (RFC 7515, section 4). Parameters that name a key elsewhere
// or bring one along are not among it.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	// Critical and Base64 would change how the rest is to be understood; they are refused.
	Critical jsontext.Value `json:"crit"`
	Base64   jsontext.Value `json:"b64"`
}

// The JSON library refuses, at every depth, a name that occurs twice and what is not UTF-8, and takes
// no "ALG" for "alg". Its errors may quote the token, so none of them goes further.

func (t *parts) readHeader() (header, error) {
	var h header
	if err := json.Unmarshal(t.header, &h); err != nil {
		return header{}, invalid("the token is not a JSON Web Token: its header is not valid")
	}
	switch {
	case h.Critical != nil, h.Base64 != nil:
		return header{}, invalid("the token's header has the parameter crit or b64, which are not supported")
	case h.KeyID == "":
		return header{}, invalid("the token is not signed by a key of its issuer: it names none")
	}
	return h, nil
}

func (t *parts) readClaims() (Claims, error) {
	w := new(wireClaims)
	// A null leaves a pointer nil.
	if err := json.Unmarshal(t.payload, &w); err != nil || w == nil {
		return Claims{}, invalid("the claims of the token are not valid")
	}
	claims, ok := w.claims(t.payload)
	if !ok {
		return Claims{}, invalid("the audience or a date in the token is not valid")
	}
	return claims, nil
}
