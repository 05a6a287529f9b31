package oidc

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxToken is the longest accepted token, in bytes. It is the limit of WebIdentityToken
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
const MaxToken = 20000

// Each part has one spelling only. Otherwise one signature would have several texts.
var encoding = base64.RawURLEncoding.Strict()

// Verify returns the claims of a token that one of the keys has signed, that has an expiry, and that is valid at now. The
// caller checks issuer and audience. It fails with an *ExpiredError if the token has expired, and otherwise with an
// *InvalidError.
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

// Open returns the claims of a token that one of the keys has signed, at any time. It checks the signature before it reads
// any claim. It fails with an *InvalidError.
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

// UnverifiedIssuer returns the issuer that a token names. It serves only to find the keys that can verify the token. It
// fails with an *InvalidError.
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
	// signed is the text that the signature covers: header and payload as they were received.
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
		// The decoder would ignore line ends.
		decoded, err := encoding.DecodeString(part.text)
		if err != nil || strings.ContainsAny(part.text, "\r\n") {
			return parts{}, invalid("the token is not a JSON Web Token: a part of it is not base64url without padding")
		}
		*part.to = decoded
	}
	return t, nil
}

// header has the parts of a JOSE header that count (RFC 7515, section 4). Parameters with another place of a key, or with a
// key, are not among them.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	// Critical and Base64 would change the meaning of the rest, so they are refused.
	Critical jsontext.Value `json:"crit"`
	Base64   jsontext.Value `json:"b64"`
}

// The JSON library refuses, at every depth, a name that occurs twice and text that is not UTF-8, and does not accept "ALG"
// for "alg". Its errors may quote the token, so they are not passed on.

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
	// A null leaves the pointer nil.
	if err := json.Unmarshal(t.payload, &w); err != nil || w == nil {
		return Claims{}, invalid("the claims of the token are not valid")
	}
	claims, ok := w.claims(t.payload)
	if !ok {
		return Claims{}, invalid("the audience or a date in the token is not valid")
	}
	return claims, nil
}
