package probe

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
)

func TestPiecesFindPartsAndEncodingsOfASecret(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" //nolint:gosec // AWS's own example
	pieces := PiecesOf(secret, "short")
	for what, text := range map[string]string{
		"alone":                 secret,
		"as a value":            "time=1 SecretAccessKey=" + secret + " x=1",
		"in quotes":             `{"secret":"` + secret + `"}`,
		"its first half":        "key " + secret[:23] + "…",
		"its second half":       "… " + secret[len(secret)-23:],
		"between other letters": "xxx" + secret + "yyy",
		"in a URL":              "?key=" + url.QueryEscape(secret),
		"escaped as JSON":       strings.NewReplacer("/", `\/`, "+", `\u002b`).Replace(secret),
		"as base64":             "Basic " + base64.StdEncoding.EncodeToString([]byte(secret)),
		"as base64 of a pair":   base64.StdEncoding.EncodeToString([]byte("AKIAX:" + secret)),
		"as base64 for URLs":    "key=" + base64.RawURLEncoding.EncodeToString([]byte("?"+secret)),
		"as base64 after text":  "key" + base64.StdEncoding.EncodeToString([]byte(secret)),
		"as hexadecimal digits": "0x" + hex.EncodeToString([]byte(secret)),
		"on a line of many":     strings.Repeat("noise\n", 1000) + secret,
	} {
		if !pieces.In(text) {
			t.Errorf("%s: not found", what)
		}
	}
	for what, text := range map[string]string{
		"nothing":           "",
		"another secret":    "AbcdrXUtnFEM/x/K7MDENG+qqqRfiCYEXAMPLEKEZ",
		"too short a piece": secret[:11],
		"a short secret":    "short",
		"an access key ID":  "AKIAIOSFODNN7EXAMPLE",
		"broken encodings":  `%zz \u12 \x` + strings.Repeat("=", 40),
	} {
		if pieces.In(text) {
			t.Errorf("%s: found", what)
		}
	}
	for _, piece := range pieces {
		if strings.Contains(secret, piece) {
			t.Errorf("piece %q gives the secret away", piece)
		}
	}
}
