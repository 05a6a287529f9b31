package reports

import (
	"regexp"
	"strings"
)

// cause is a group of specs with the same outcome and probably the same cause.
type cause struct {
	outcome Outcome
	// statement is the decisive text of the first of them, in lines.
	statement []string
	specs     []Spec
}

// causesOf groups the specs of these indexes by their probable cause, in the order of the indexes.
func causesOf(specs []Spec, failures []int) []*cause {
	var causes []*cause
	known := map[string]*cause{}
	for _, i := range failures {
		spec := specs[i]
		statement := spec.statement()
		key := string(spec.Outcome) + "\n" + alike(statement)
		if known[key] == nil {
			known[key] = &cause{outcome: spec.Outcome, statement: statement}
			causes = append(causes, known[key])
		}
		known[key].specs = append(known[key].specs, spec)
	}
	return causes
}

// away says whether the spec is undecided because of the environment.
func (s Spec) away() bool { return s.Failure != nil && s.Failure.Cause == CauseEnvironment }

// statement is the decisive text of the spec: the beginning of its message, in lines.
func (s Spec) statement() []string {
	text := s.Reason
	if s.Failure != nil {
		text = s.Failure.Message
	}
	var lines []string
	for line := range strings.Lines(plain(text)) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// The parts in which texts of the same cause differ: names, addresses, numbers, times.
var differing = regexp.MustCompile(`"[^"]*"|'[^']*'|\b(?:arn|s3|https?):\S+|\bepi-[a-z0-9-]+|\b[a-z]+(?:-[a-z0-9]+)*-[a-z0-9]{5,}\b|\b[0-9a-fA-F-]{8,}\b|\d+(?:[.:]\d+)*[a-zA-Zµ]*`)

// alike is a statement without the parts in which specs with the same cause differ. What was seen shows the cause, and what
// was expected differs between specs.
func alike(statement []string) string {
	text := strings.Join(statement, " ")
	// For AWS's refusals the code is the cause, for any operation. HEAD has no code, but a status.
	if code := refusedBy.FindString(text); code != "" {
		return strings.Replace(code, "403 Forbidden", "AccessDenied", 1)
	}
	for i, line := range statement {
		if strings.HasPrefix(line, "got ") {
			text = strings.Join(statement[i:], " ")
			break
		}
	}
	text = differing.ReplaceAllString(text, "_")
	if len(text) > alikeLimit {
		text = text[:alikeLimit]
	}
	return text
}

// refusedBy is the code of an error of AWS (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
var refusedBy = regexp.MustCompile(`\bAccessDenied(?:Exception)?\b|\b403 Forbidden\b|\b[A-Z]\w+Exception\b`)

// alikeLimit is how much of a statement is compared, in bytes.
const alikeLimit = 160
