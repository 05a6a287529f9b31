package policy

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// condition is one key of one operator. Its values are alternatives.
type condition struct {
	operator operator
	// forAll and forAny are the set operators ForAllValues and ForAnyValue.
	forAll, forAny bool
	ifExists       bool
	// key in lower case.
	key string
	// multivalued says that the key is multivalued by definition.
	multivalued bool
	values      []conditionValue
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
		// This is the only operator without IfExists.
		return c, false
	}
	return c, ok
}

// conditionValue is a value of the policy, parsed for its operator. valid is false for text that is not of the operator's
// type; such a value equals nothing.
type conditionValue struct {
	valid   bool
	text    pattern
	arn     arnPattern
	number  decimal
	time    time.Time
	truth   bool
	bytes   []byte
	network netip.Prefix
}

// newValue parses text. Variables work with string and ARN operators only (reference_policies_variables, "Condition
// element"). The page about operators says otherwise of Bool.
func newValue(op operator, text string, variables bool) conditionValue {
	v := conditionValue{valid: true}
	switch op.family {
	case stringEquals:
		v.text = compile(text, false, variables)
	case stringLike:
		v.text = compile(text, true, variables)
	case arn:
		v.arn = compileARN(text, variables)
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

// holds says whether the condition is true of the request.
func (c *condition) holds(context Context) bool {
	values := context[c.key]
	switch {
	case c.operator.family == null:
		return c.nullHolds(len(values) == 0)
	case c.forAll || c.forAny:
		return c.setHolds(values, context)
	case len(values) == 0:
		// reference_policies_elements_condition_operators, "Important": the values do not match, so a negated operator
		// holds.
		return c.ifExists || c.operator.negated
	case c.multivalued || len(values) > 1:
		// "Multivalued context keys require a condition set operator"
		// (reference_policies_condition-single-vs-multi-valued-context-keys): without one no condition on such a key holds,
		// not even a negated one.
		return false
	}
	return c.matches(values[0], context) != c.operator.negated
}

func (c *condition) nullHolds(absent bool) bool {
	for i := range c.values {
		if c.values[i].valid && c.values[i].truth == absent {
			return true
		}
	}
	return false
}

// setHolds applies ForAllValues and ForAnyValue. An absent key is an empty set, and so is "an empty data set (for example,
// an empty string)" (reference_policies_multi-value-conditions). Of an empty set ForAllValues holds and ForAnyValue does
// not.
func (c *condition) setHolds(values []string, context Context) bool {
	if len(values) == 0 {
		return c.forAll || c.ifExists
	}
	if len(values) == 1 && values[0] == "" {
		return c.forAll
	}
	for _, value := range values {
		if satisfied := c.matches(value, context) != c.operator.negated; satisfied == c.forAny {
			return c.forAny
		}
	}
	return c.forAll
}

// matches compares one value of the request with the alternatives, without negation.
func (c *condition) matches(value string, context Context) bool {
	for i := range c.values {
		if c.values[i].valid && c.values[i].matches(c.operator, value, context) {
			return true
		}
	}
	return false
}

func (v *conditionValue) matches(op operator, value string, context Context) bool {
	switch op.family {
	case stringEquals:
		if op.foldCase {
			return v.text.foldMatches(value, context)
		}
		return v.text.matches(value, context)
	case stringLike:
		return v.text.matches(value, context)
	case arn:
		return v.arn.matches(value, context)
	case numeric:
		number, ok := parseNumber(value)
		return ok && op.order.holds(number.compare(v.number))
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
		address, ok := parseAddress(value)
		return ok && v.network.Contains(address)
	}
	return false
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
