package reports

import (
	"regexp"
	"strings"
)

// What replaces a secret: it says what was there, and holds no character that could continue a token.
const (
	redactedJWT   = "[redacted JWT]"
	redactedToken = "[redacted token]"
	redactedKey   = "[redacted key]"
)

var (
	// privateKey is a PEM block of a private key (RFC 7468), also one that was cut off.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)

	// jwt is a JWS or JWE in compact form (RFC 7515 §3.1): base64url of a JSON object, which begins
	// with {" or { and white space, and at least two more parts.
	jwt = regexp.MustCompile(`(?:ey[AI-L]|ew[0ok])[\w-]*(?:\.[\w-]*){2,}`)
	// cutJWT is one that ends within its second part: its claims are still to be read.
	cutJWT = regexp.MustCompile(`(?:ey[AI-L]|ew[0ok])[\w-]+\.ey[AI-L][\w-]*`)

	// bearer is a token in an Authorization header (RFC 6750 §2.1).
	bearer = regexp.MustCompile(`(?i)\b(bearer\s+)[\w.~+/=-]{16,}`)
	// signature is the last part of a SigV4 authorization, in a header or a query.
	signature = regexp.MustCompile(`(?i)(signature=)[0-9a-f]{64}`)

	// named is a value whose name says that it is secret: in JSON (also quoted once more), YAML, Go
	// syntax, queries, headers and environments. Names of files that hold tokens end otherwise.
	named = regexp.MustCompile(`(?i)((?:secret_?(?:access_?)?key|session_?token|security[_-]?token|_token|password|client_?secret)` +
		`\\*["']?\s*(?::=|[:=])\s*\\*["']?)([^\s"',;&\\\[\]{}()<>]{8,})`)
	// credentialToken is the session token in the agent's and IMDS's answers ("Token": "…").
	credentialToken = regexp.MustCompile(`(?i)(["']token\\*["']\s*:\s*\\*["'])([^\s"'\\\[\]]{16,})`)

	// accessKeyID is the ID of an access key: not secret, but enough of it is enough.
	accessKeyID = regexp.MustCompile(`(A[KS]IA)[A-Z0-9]{8,}([A-Z0-9]{4})`)
)

// secretKeyLength is the length of AWS secret access keys; session tokens are longer than
// tokenLength in all forms that AWS documents.
const (
	secretKeyLength = 40
	tokenLength     = 100
)

// Redacted is the phase as it is recorded, without secrets.
func (p Phase) Redacted() Phase { return p.redacted() }

// Redacted is the spec as it is recorded, without secrets.
func (s Spec) Redacted() Spec { return s.redacted() }

// Redacted is the problem as it is recorded, without secrets.
func (p Problem) Redacted() Problem { return p.redacted() }

// Redacted is the scenario as it is recorded, without secrets.
func (s Scenario) Redacted() Scenario { return s.redacted() }

// Redact replaces credentials in s: JSON web tokens, AWS secret access keys and session tokens,
// bearer tokens, SigV4 signatures, private keys, and values whose name says that they are secret.
// IDs of access keys are shortened to "ASIA…WXYZ". It is idempotent.
func Redact(s string) string {
	s = privateKey.ReplaceAllString(s, redactedKey)
	s = jwt.ReplaceAllString(s, redactedJWT)
	s = cutJWT.ReplaceAllString(s, redactedJWT)
	s = bearer.ReplaceAllString(s, "${1}"+redactedToken)
	s = signature.ReplaceAllString(s, "${1}"+redactedToken)
	s = named.ReplaceAllString(s, "${1}"+redactedToken)
	s = credentialToken.ReplaceAllString(s, "${1}"+redactedToken)
	s = redactRuns(s)
	return accessKeyID.ReplaceAllString(s, "${1}…${2}")
}

// redactRuns redacts stretches of the characters that keys and tokens of AWS are made of. By hand,
// because a log is little else than such stretches, and a regular expression is slow at them.
func redactRuns(s string) string {
	var b strings.Builder
	done := 0
	for start := 0; start < len(s); {
		end := start
		for end < len(s) && inRun(s[end]) {
			end++
		}
		if with := redactRun(s[start:end]); with != "" {
			for end < len(s) && s[end] == '=' {
				end++ // the padding of base64
			}
			b.WriteString(s[done:start])
			b.WriteString(with)
			done = end
		}
		start = end + 1
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

func inRun(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '/' || c == '+' || c == '_' || c == '-'
}

// redactRun is what replaces a stretch that looks random, or "": hexadecimal digests, long names
// and paths stay.
func redactRun(s string) string {
	switch {
	case len(s) == secretKeyLength && !strings.ContainsAny(s, "_-") && mixed(s):
		return redactedKey
	case len(s) >= tokenLength && mixed(s):
		return redactedToken
	default:
		return ""
	}
}

// mixed says whether s has capitals, small letters and digits.
func mixed(s string) bool {
	return strings.ContainsAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(s, "0123456789")
}

// redacted is the spec without the secrets that it may have seen.
func (s Spec) redacted() Spec {
	s.Reason = Redact(s.Reason)
	s.Output = Redact(s.Output)
	s.Again = Redact(s.Again)
	if s.Failure != nil {
		failure := *s.Failure
		failure.Message = Redact(failure.Message)
		s.Failure = &failure
	}
	if s.Evidence != nil {
		evidence := Evidence{Dir: s.Evidence.Dir}
		for _, excerpt := range s.Evidence.Excerpts {
			evidence.Excerpts = append(evidence.Excerpts, Excerpt{Redact(excerpt.Title), Redact(excerpt.Text)})
		}
		s.Evidence = &evidence
	}
	steps := s.Steps
	s.Steps = nil
	for _, step := range steps {
		step.Text = Redact(step.Text)
		s.Steps = append(s.Steps, step)
	}
	return s
}

func (p Phase) redacted() Phase {
	p.Error = Redact(p.Error)
	return p
}

func (p Problem) redacted() Problem {
	return Problem{Doing: Redact(p.Doing), Message: Redact(p.Message), Remedy: Redact(p.Remedy)}
}
