package probe

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// pieceSize is the length of a piece in characters: 72 bits of a secret in base64, which cannot be guessed from a
// fingerprint. A text with 23 consecutive characters of a secret contains a whole piece.
const pieceSize = 12

// Pieces are the fingerprints of consecutive pieces of secrets. They find a text with a part of a secret, and do not reveal
// the secret. Their order has no meaning.
type Pieces []string

// PiecesOf returns the pieces of the secrets. A rest that is shorter than a piece is left out.
func PiecesOf(secrets ...string) Pieces {
	var pieces Pieces
	for _, secret := range secrets {
		for ; len(secret) >= pieceSize; secret = secret[pieceSize:] {
			pieces = append(pieces, Fingerprint(secret[:pieceSize]))
		}
	}
	return pieces
}

// In says whether the text contains a piece of a secret, literally or encoded as in URLs, JSON, base64 or hexadecimal
// digits.
func (p Pieces) In(text string) bool {
	known := make(map[string]bool, len(p))
	for _, piece := range p {
		known[piece] = true
	}
	return slices.ContainsFunc(decodings(text), func(text string) bool {
		for start := 0; start+pieceSize <= len(text); start++ {
			if known[Fingerprint(text[start:start+pieceSize])] {
				return true
			}
		}
		return false
	})
}

var (
	base64Run  = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`)
	hexRun     = regexp.MustCompile(`(?:[0-9a-fA-F]{2}){12,}`)
	jsonEscape = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])`)
)

// decodings are the text and its decoded forms. A text that does not have an encoding has an empty form.
func decodings(text string) []string {
	list := []string{text}
	if strings.Contains(text, "%") {
		if plain, err := url.PathUnescape(text); err == nil {
			list = append(list, plain)
		}
	}
	if strings.Contains(text, `\`) {
		list = append(list, jsonEscape.ReplaceAllStringFunc(text, func(escape string) string {
			var plain string
			if json.Unmarshal([]byte(`"`+escape+`"`), &plain) != nil {
				return escape
			}
			return plain
		}))
	}
	for _, run := range base64Run.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		// A word before the encoded text shifts it by up to three characters.
		for shift := range 4 {
			part := run[shift:]
			if plain, err := base64.RawStdEncoding.DecodeString(part[:len(part)-len(part)%4]); err == nil && len(plain) >= pieceSize {
				list = append(list, string(plain))
			}
		}
	}
	for _, run := range hexRun.FindAllString(text, -1) {
		if plain, err := hex.DecodeString(run); err == nil {
			list = append(list, string(plain))
		}
	}
	return list
}
