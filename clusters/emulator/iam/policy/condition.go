package policy

import (
	"bytes"
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// condition is one key of one operator: its values are alternatives.
type condition struct {
	operator operator
	// forAll and forAny are the set operators ForAllValues and ForAnyValue.
	forAll, forAny bool
	ifExists       bool
	// key in lower case.
	key    string
	values []conditionValue
}

// operator of a condition, without its negation: StringNotEquals is a negated StringEquals.
type operator struct {
	family  family
	order   order
	negated bool
	// foldCase is for StringEqualsIgnoreCase.
	foldCase bool
}

type family uint8

const (
	stringEquals family = iota
	stringLike
	numeric
	date
	boolean
	binary
	ipAddress
	arn
	null
)

type order uint8

const (
	equal order = iota
	less
	lessOrEqual
	greater
	greaterOrEqual
)

// operators by their name in lower case (reference_policies_elements_condition_operators).
var operators = map[string]operator{
	"stringequals":              {family: stringEquals},
	"stringnotequals":           {family: stringEquals, negated: true},
	"stringequalsignorecase":    {family: stringEquals, foldCase: true},
	"stringnotequalsignorecase": {family: stringEquals, foldCase: true, negated: true},
	"stringlike":                {family: stringLike},
	"stringnotlike":             {family: stringLike, negated: true},
	"numericequals":             {family: numeric},
	"numericnotequals":          {family: numeric, negated: true},
	"numericlessthan":           {family: numeric, order: less},
	"numericlessthanequals":     {family: numeric, order: lessOrEqual},
	"numericgreaterthan":        {family: numeric, order: greater},
	"numericgreaterthanequals":  {family: numeric, order: greaterOrEqual},
	"dateequals":                {family: date},
	"datenotequals":             {family: date, negated: true},
	"datelessthan":              {family: date, order: less},
	"datelessthanequals":        {family: date, order: lessOrEqual},
	"dategreaterthan":           {family: date, order: greater},
	"dategreaterthanequals":     {family: date, order: greaterOrEqual},
	"bool":                      {family: boolean},
	"binaryequals":              {family: binary},
	"ipaddress":                 {family: ipAddress},
	"notipaddress":              {family: ipAddress, negated: true},
	"arnequals":                 {family: arn},
	"arnlike":                   {family: arn},
	"arnnotequals":              {family: arn, negated: true},
	"arnnotlike":                {family: arn, negated: true},
	"null":                      {family: null},
}

// parseOperator reads the name of an operator with its set operator and suffix.
func parseOperator(name string) (c condition, ok bool) {
	lower := strings.ToLower(name)
	lower, c.forAll = strings.CutPrefix(lower, "forallvalues:")
	if !c.forAll {
		lower, c.forAny = strings.CutPrefix(lower, "foranyvalue:")
	}
	base, suffixed := strings.CutSuffix(lower, "ifexists")
	c.ifExists = suffixed
	c.operator, ok = operators[base]
	if c.operator.family == null && (suffixed || c.forAll || c.forAny) {
		// The one operator that takes no IfExists.
		return c, false
	}
	return c, ok
}

// conditionValue is a value in the policy, parsed for its operator; valid is false for text that
// the operator's type cannot be: it equals nothing.
type conditionValue struct {
	valid   bool
	text    pattern
	arn     arnPattern
	number  *big.Rat
	time    time.Time
	truth   bool
	bytes   []byte
	network netip.Prefix
}

// newValue parses text. Variables work with string and ARN operators only
// (reference_policies_variables, "Condition element").
func newValue(op operator, text string, variables bool) conditionValue {
	v := conditionValue{valid: true}
	switch op.family {
	case stringEquals:
		v.text = compile(text, false, variables)
	case stringLike:
		v.text = compile(text, true, variables)
	case arn:
		v.arn = compileARN(text, variables, false)
		v.arn.any = false
	case numeric:
		v.number, v.valid = parseNumber(text)
	case date:
		v.time, v.valid = parseDate(text)
	case boolean, null:
		v.truth, v.valid = parseBool(text)
	case binary:
		decoded, err := base64.StdEncoding.DecodeString(text)
		v.bytes, v.valid = decoded, err == nil
	case ipAddress:
		v.network, v.valid = parseNetwork(text)
	}
	return v
}

// holds tells whether the condition is true of the request. missing says that an Allow must not
// use it, because a value holds a variable that the request cannot fill.
func (c *condition) holds(context Context) (holds, missing bool) {
	values, present := context[c.key]
	present = present && len(values) > 0
	if c.operator.family == null {
		for i := range c.values {
			if c.values[i].valid && c.values[i].truth == !present {
				return true, false
			}
		}
		return false, false
	}
	if !present {
		// ForAllValues holds on an empty set and ForAnyValue does not
		// (reference_policies_multi-value-conditions); otherwise only a negation holds.
		return c.ifExists || c.forAll || c.operator.negated && !c.forAny, false
	}
	for _, value := range values {
		matched, unresolvable := c.matches(value, context)
		missing = missing || unresolvable
		satisfied := matched != c.operator.negated
		switch {
		case c.forAll && !satisfied:
			return false, missing
		case c.forAny && satisfied:
			return true, missing
		case !c.forAll && !c.forAny && matched:
			// Without a set operator one match decides: for a negation, against it.
			return !c.operator.negated, missing
		}
	}
	if c.forAll || c.forAny {
		return c.forAll, missing
	}
	return c.operator.negated, missing
}

// matches compares one value of the request with the alternatives, negation aside.
func (c *condition) matches(value string, context Context) (matched, missing bool) {
	for i := range c.values {
		switch c.values[i].compare(c.operator, value, context) {
		case match:
			return true, missing
		case unresolved:
			missing = true
		}
	}
	return false, missing
}

func (v *conditionValue) compare(op operator, value string, context Context) outcome {
	if !v.valid {
		return mismatch
	}
	switch op.family {
	case stringEquals:
		if op.foldCase {
			return v.text.compareFold(value, context)
		}
		return v.text.compare(value, context)
	case stringLike:
		return v.text.compare(value, context)
	case arn:
		return v.arn.compare(value, context)
	}
	return outcomeOf(v.compareTyped(op, value))
}

func (v *conditionValue) compareTyped(op operator, value string) bool {
	switch op.family {
	case numeric:
		number, ok := parseNumber(value)
		return ok && op.order.holds(number.Cmp(v.number))
	case date:
		at, ok := parseDate(value)
		return ok && op.order.holds(at.Compare(v.time))
	case boolean:
		truth, ok := parseBool(value)
		return ok && truth == v.truth
	case binary:
		decoded, err := base64.StdEncoding.DecodeString(value)
		return err == nil && bytes.Equal(decoded, v.bytes)
	case ipAddress:
		address, err := netip.ParseAddr(value)
		return err == nil && v.network.Contains(address.Unmap().WithZone(""))
	}
	return false
}

func outcomeOf(matched bool) outcome {
	if matched {
		return match
	}
	return mismatch
}

// compareFold compares a pattern without wildcards, ignoring case.
func (p *pattern) compareFold(s string, context Context) outcome {
	if !p.variables {
		text := p.raw
		if !p.literal {
			text = p.tokens[0].text
		}
		return outcomeOf(strings.EqualFold(text, s))
	}
	var text strings.Builder
	for i := range p.tokens {
		part := p.tokens[i].text
		if p.tokens[i].kind == variableToken {
			var ok bool
			if part, ok = p.tokens[i].value(context); !ok {
				return unresolved
			}
		}
		text.WriteString(part)
	}
	return outcomeOf(strings.EqualFold(text.String(), s))
}

func (o order) holds(sign int) bool {
	switch o {
	case less:
		return sign < 0
	case lessOrEqual:
		return sign <= 0
	case greater:
		return sign > 0
	case greaterOrEqual:
		return sign >= 0
	}
	return sign == 0
}

// parseNumber reads an integer or decimal exactly. Exponents are refused: a short text could make
// a number that fills the memory.
func parseNumber(text string) (*big.Rat, bool) {
	if len(text) > 64 || strings.Trim(text, "+-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// dateLayouts are the W3C profiles of ISO 8601 (https://www.w3.org/TR/NOTE-datetime).
var dateLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

// parseDate reads an ISO 8601 date or seconds since the epoch. Four digits are a year.
func parseDate(text string) (time.Time, bool) {
	for _, layout := range dateLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}

func parseBool(text string) (truth, ok bool) {
	switch {
	case strings.EqualFold(text, "true"):
		return true, true
	case strings.EqualFold(text, "false"):
		return false, true
	}
	return false, false
}

// parseNetwork reads a CIDR range or an address, which is a range of one.
func parseNetwork(text string) (netip.Prefix, bool) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network.Masked(), true
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}
