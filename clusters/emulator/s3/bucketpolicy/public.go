package bucketpolicy

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// oneOrMore is a JSON string or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		var list []any
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		for _, value := range list {
			text, _ := value.(string) // a number or a boolean is not a fixed value of the keys that count
			*o = append(*o, text)
		}
		return nil
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	single, _ := value.(string)
	*o = oneOrMore{single}
	return nil
}

type statement struct {
	Effect    string
	Principal json.RawMessage
	Condition map[string]map[string]oneOrMore
}

// statements is one or a list.
type statements []statement

func (s *statements) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]statement)(s))
	}
	*s = make(statements, 1)
	return json.Unmarshal(text, &(*s)[0])
}

// isPublic follows access-control-block-public-access, "The meaning of public". A policy is not public if it grants only to fixed
// principals, or only under a condition that gives a key of a list fixed values. Every other policy is public. The text has been
// parsed as a policy before.
func isPublic(text string) (bool, error) {
	var document struct{ Statement statements }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return false, &Error{Message: "Policies must be valid JSON and the first byte must be '{'"}
	}
	return slices.ContainsFunc(document.Statement, func(s statement) bool {
		return s.Effect == "Allow" && s.everyone() && !s.narrowed()
	}), nil
}

// everyone says whether the principal is "*", by itself or among others.
func (s *statement) everyone() bool {
	var text string
	if json.Unmarshal(s.Principal, &text) == nil {
		return text == "*"
	}
	var kinds map[string]oneOrMore
	if json.Unmarshal(s.Principal, &kinds) != nil {
		return true // it cannot be read here, so it counts as public
	}
	return slices.Contains(kinds["AWS"], "*")
}

// fixedKeys are the condition keys that make a statement non-public when all values are fixed.
var fixedKeys = []string{
	"aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid",
	"aws:principalorgid", "aws:principalarn", "aws:principalaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id",
	"s3:dataaccesspointarn", "s3:dataaccesspointaccount",
}

// fixingOperators are the operators that require the key to be there and to have one of the values.
var fixingOperators = []string{"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress"}

func (s *statement) narrowed() bool {
	for operator, keys := range s.Condition {
		if !slices.Contains(fixingOperators, operator) {
			continue
		}
		for key, values := range keys {
			key = strings.ToLower(key)
			if slices.Contains(fixedKeys, key) && !slices.ContainsFunc(values, func(value string) bool { return !fixed(key, value) }) {
				return true
			}
		}
	}
	return false
}

// fixed says whether value has no wildcard and no variable. An address must also not be of a very broad range: "broader than /8 for
// IPv4 and /32 for IPv6".
func fixed(key, value string) bool {
	if value == "" {
		return false
	}
	if key == "aws:sourceip" {
		network, err := netip.ParsePrefix(value)
		if err != nil {
			address, err := netip.ParseAddr(value)
			return err == nil && address.IsValid()
		}
		return network.Addr().Is4() && network.Bits() >= 8 || network.Addr().Is6() && network.Bits() >= 32
	}
	if key == "aws:userid" {
		// "AROLEID:*" is fixed: it matches only the sessions of one role.
		value = strings.TrimSuffix(value, ":*")
	}
	return !strings.ContainsAny(value, "*?") && !strings.Contains(value, "${")
}
