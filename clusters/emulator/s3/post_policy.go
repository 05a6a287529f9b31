package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// postPolicy says which forms other people may send in its signer's name (sigv4-HTTPPOSTConstructPolicy).
type postPolicy struct {
	expiration time.Time
	conditions []postCondition
	// least and most are the bounds of content-length-range.
	least, most int64
	ranged      bool
}

// postCondition is a condition on one field, whose name is in lower case.
type postCondition struct {
	prefix      bool
	name, value string
	// text is the condition as errors show it.
	text string
}

func invalidPolicy(format string, args ...any) *Error {
	return &Error{Code: "InvalidPolicyDocument", Status: http.StatusBadRequest, Message: "Invalid Policy: " + fmt.Sprintf(format, args...)}
}

func againstPolicy(format string, args ...any) *Error {
	return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Invalid according to Policy: " + fmt.Sprintf(format, args...)}
}

// parsePostPolicy reads a policy in base64.
func parsePostPolicy(encoded string) (*postPolicy, error) {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, invalidPolicy("Invalid base64.")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document map[string]json.RawMessage
	if err := decoder.Decode(&document); err != nil {
		return nil, invalidPolicy("Invalid JSON.")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, invalidPolicy("Invalid JSON.")
	}
	var expiration string
	var conditions []json.RawMessage
	for name, raw := range document {
		switch name {
		case "expiration":
			err = json.Unmarshal(raw, &expiration)
		case "conditions":
			err = json.Unmarshal(raw, &conditions)
		default:
			return nil, invalidPolicy("Unexpected: '%s'.", name)
		}
		if err != nil {
			return nil, invalidPolicy("Invalid '%s' value.", name)
		}
	}
	if document["expiration"] == nil {
		return nil, invalidPolicy("Policy missing expiration.")
	}
	if document["conditions"] == nil {
		return nil, invalidPolicy("Policy missing conditions.")
	}
	p := &postPolicy{}
	if p.expiration, err = time.Parse("2006-01-02T15:04:05Z", expiration); err != nil { // with or without a fraction of a second
		return nil, invalidPolicy("Invalid 'expiration' value: '%s'", expiration)
	}
	for _, raw := range conditions {
		if err := p.add(raw); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add reads one condition: {"NAME": "VALUE"}, ["eq" or "starts-with", "$NAME", "VALUE"] or
// ["content-length-range", LEAST, MOST].
func (p *postPolicy) add(raw json.RawMessage) error {
	malformed := invalidPolicy("Invalid Condition: %s", raw)
	var exact map[string]string
	if json.Unmarshal(raw, &exact) == nil {
		for name, value := range exact {
			name = strings.ToLower(name)
			p.conditions = append(p.conditions, postCondition{name: name, value: value, text: fmt.Sprintf(`["eq", "$%s", "%s"]`, name, value)})
		}
		if len(exact) != 1 {
			return invalidPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		return nil
	}
	var list []json.RawMessage
	var operator string
	if json.Unmarshal(raw, &list) != nil || len(list) != 3 || json.Unmarshal(list[0], &operator) != nil {
		return malformed
	}
	operator = strings.ToLower(operator)
	if operator == "content-length-range" {
		least, ok1 := number(list[1])
		most, ok2 := number(list[2])
		if !ok1 || !ok2 || p.ranged || least > most {
			return malformed
		}
		p.least, p.most, p.ranged = least, most, true
		return nil
	}
	var name, value string
	if operator != "eq" && operator != "starts-with" || json.Unmarshal(list[1], &name) != nil || json.Unmarshal(list[2], &value) != nil || !strings.HasPrefix(name, "$") {
		return malformed
	}
	name = strings.ToLower(name[1:])
	p.conditions = append(p.conditions, postCondition{operator == "starts-with", name, value, fmt.Sprintf(`["%s", "$%s", "%s"]`, operator, name, value)})
	return nil
}

// number reads a length, which some clients write as a text.
func number(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	return n, err == nil && n >= 0
}

func (c postCondition) holds(value string) bool {
	if !c.prefix {
		return value == c.value
	}
	if c.name != "content-type" {
		return strings.HasPrefix(value, c.value)
	}
	// Each element of the list must begin with the value.
	return !slices.ContainsFunc(strings.Split(value, ","), func(one string) bool { return !strings.HasPrefix(one, c.value) })
}

// check checks a form against the policy, and returns the bounds of the file's length. Each field must have a condition, except the
// fields that carry the signature and those that S3 ignores.
func (p *postPolicy) check(f *form, bucket string, now time.Time) (least, most int64, err error) {
	if !now.Before(p.expiration) {
		return 0, 0, againstPolicy("Policy expired.")
	}
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "awsaccesskeyid": true, "bucket": true}
	for _, condition := range p.conditions {
		covered[condition.name] = true
		value := f.fields[condition.name]
		if condition.name == "bucket" {
			value = bucket
		}
		if !condition.holds(value) {
			return 0, 0, againstPolicy("Policy Condition failed: %s", condition.text)
		}
	}
	var extra []string
	for _, name := range f.names {
		if !covered[name] && !strings.HasPrefix(name, "x-ignore-") {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		return 0, 0, againstPolicy("Extra input fields: %s", strings.Join(extra, ", "))
	}
	if !p.ranged {
		return 0, f.most, nil
	}
	return p.least, min(p.most, f.most, math.MaxInt64-1), nil
}
