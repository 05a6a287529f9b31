package reports

import (
	"regexp"
	"slices"
	"strings"
)

// The replacements of secrets. Each says what was there, and has no character that could continue a token.
const (
	redactedJWT   = "[redacted JWT]"
	redactedToken = "[redacted token]"
	redactedKey   = "[redacted key]"
)

var (
	// privateKey matches a PEM block of a private key (RFC 7468), also an incomplete one.
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)

	// jwt matches a JWS or JWE in compact form (RFC 7515 §3.1): base64url of a JSON object, which begins with {" or { and
	// white space, and at least two more parts.
	jwt = regexp.MustCompile(`(?:ey[AI-L]|ew[0ok])[\w-]*(?:\.[\w-]*){2,}`)
	// cutJWT matches one that ends within its second part, whose claims can still be read.
	cutJWT = regexp.MustCompile(`(?:ey[AI-L]|ew[0ok])[\w-]+\.ey[AI-L][\w-]*`)

	// bearer matches a token in an Authorization header (RFC 6750 §2.1).
	bearer = regexp.MustCompile(`(?i)\b(bearer\s+)[\w.~+/=-]{16,}`)
	// signature matches the last part of a SigV4 authorization, in a header or a query.
	signature = regexp.MustCompile(`(?i)(signature=)[0-9a-f]{64}`)

	// named matches a value whose name says that it is secret: in JSON (also quoted once more), YAML, Go syntax, queries,
	// headers and environments. Names of files with tokens end differently.
	named = regexp.MustCompile(`(?i)((?:secret_?(?:access_?)?key|session_?token|security[_-]?token|_token|password|client_?secret)` +
		`\\*["']?\s*(?::=|[:=])\s*\\*["']?)([^\s"',;&\\\[\]{}()<>]{8,})`)
	// credentialToken matches the session token in the agent's and IMDS's answers ("Token": "…").
	credentialToken = regexp.MustCompile(`(?i)(["']token\\*["']\s*:\s*\\*["'])([^\s"'\\\[\]]{16,})`)

	// accessKeyID matches the ID of an access key. It is not secret, but a part of it is enough.
	accessKeyID = regexp.MustCompile(`(A[KS]IA)[A-Z0-9]{8,}([A-Z0-9]{4})`)
)

// secretKeyLength is the length of AWS secret access keys. Session tokens are longer than tokenLength in all forms that AWS
// documents.
const (
	secretKeyLength = 40
	tokenLength     = 100
)

// Redacted returns the phase without secrets, for the record.
func (p Phase) Redacted() Phase { return p.redacted() }

// Redacted returns the spec without secrets, for the record.
func (s Spec) Redacted() Spec { return s.redacted() }

// Redacted returns the problem without secrets, for the record.
func (p Problem) Redacted() Problem { return p.redacted() }

// Redacted returns the scenario without secrets, for the record.
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

// redactRuns redacts runs of characters that keys and tokens of AWS consist of. It uses no regular expression, which would
// be slow, because a log consists mostly of such runs.
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
				end++ // base64 padding
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

// redactRun returns the replacement of a run that looks random, or "": hexadecimal digests, long names and paths stay.
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

// redacted returns the spec without the secrets that it may have seen.
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

// redacted returns the benchmark without secrets in its texts.
func (b Bench) redacted() Bench {
	for i, scenario := range b.Scenarios {
		b.Scenarios[i] = scenario.finite().redacted()
	}
	b.Thresholds = redactedThresholds(b.Thresholds)
	for i, variant := range b.Variants {
		b.Variants[i].Image = Redact(variant.Image)
		b.Variants[i].Args = slices.Clone(variant.Args)
		for k, arg := range variant.Args {
			b.Variants[i].Args[k] = Redact(arg)
		}
	}
	b.Baseline = Redact(b.Baseline)
	return b
}

func (s Scenario) redacted() Scenario {
	s.Reason = Redact(s.Reason)
	if s.Failure != nil {
		s.Failure = &Failure{Message: Redact(s.Failure.Message), Location: s.Failure.Location}
	}
	for key, value := range s.Size {
		s.Size[key] = Redact(value)
	}
	for i, note := range s.Notes {
		s.Notes[i] = Redact(note)
	}
	for i, c := range s.Cases {
		s.Cases[i].Limited = Redact(c.Limited)
		if c.Errors == nil {
			continue
		}
		kinds := map[string]int64{}
		for kind, n := range c.Errors {
			kinds[Redact(kind)] += n
		}
		s.Cases[i].Errors = kinds
	}
	return s
}

func redactedThresholds(thresholds []Threshold) []Threshold {
	thresholds = slices.Clone(thresholds)
	for i, threshold := range thresholds {
		thresholds[i].Measured = slices.Clone(threshold.Measured)
		thresholds[i].Reason = Redact(threshold.Reason)
	}
	return thresholds
}
