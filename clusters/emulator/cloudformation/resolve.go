package cloudformation

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// environment gives functions their values.
type environment struct {
	stackName, stackID, region, account string
	mappings                            map[string]any
	// ref returns the value of Ref of a resource, attribute that of Fn::GetAtt.
	ref       func(id string) (string, error)
	attribute func(id, name string) (string, error)
	// export returns the value of another stack's export.
	export func(name string) (string, error)
}

func (e *environment) parameter(name string) (string, error) {
	switch name {
	case "AWS::StackName":
		return e.stackName, nil
	case "AWS::StackId":
		return e.stackID, nil
	case "AWS::Region":
		return e.region, nil
	case "AWS::AccountId":
		return e.account, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::NoValue":
		return "", errNoValue
	}
	return e.ref(name)
}

// resolve returns a value with all functions evaluated. It leaves AWS::NoValue out of its object or list.
func (e *environment) resolve(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			done, err := e.resolve(item)
			if errors.Is(err, errNoValue) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, done)
		}
		return list, nil
	case map[string]any:
		if name, argument, ok := function(v); ok {
			return e.call(name, argument)
		}
		fields := make(map[string]any, len(v))
		for key, item := range v {
			done, err := e.resolve(item)
			if errors.Is(err, errNoValue) {
				continue
			}
			if err != nil {
				return nil, err
			}
			fields[key] = done
		}
		return fields, nil
	}
	return v, nil
}

// text resolves a value that must be a text, a number or a boolean.
func (e *environment) text(v any) (string, error) {
	done, err := e.resolve(v)
	if err != nil {
		return "", err
	}
	text, ok := scalar(done)
	if !ok {
		return "", fmt.Errorf("Template error: a string is needed where there is %T", done) //nolint:staticcheck // shown as AWS shows it
	}
	return text, nil
}

// scalar returns the text of a value that is no list and no object.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		// A number from a record.
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

func (e *environment) list(v any, function string) ([]string, error) {
	done, err := e.resolve(v)
	if err != nil {
		return nil, err
	}
	items, ok := done.([]any)
	var texts []string
	for _, item := range items {
		text, is := scalar(item)
		ok = ok && is
		texts = append(texts, text)
	}
	if !ok {
		return nil, fmt.Errorf("Template error: %s needs a list of strings", function) //nolint:staticcheck // shown as AWS shows it
	}
	return texts, nil
}

func (e *environment) call(name string, argument any) (any, error) {
	list, _ := argument.([]any)
	wrong := func(form string) error {
		return fmt.Errorf("Template error: every %s object requires %s", name, form) //nolint:staticcheck // shown as AWS shows it
	}
	switch name {
	case "Ref":
		id, _ := argument.(string)
		return e.parameter(id)
	case "Fn::GetAtt":
		parts, err := getAtt(argument)
		if err != nil {
			return nil, err
		}
		return e.attribute(parts[0], parts[1])
	case "Fn::Sub":
		return e.substitute(argument)
	case "Fn::ImportValue":
		export, err := e.text(argument)
		if err != nil {
			return nil, err
		}
		return e.export(export)
	case "Fn::Join":
		if len(list) != 2 {
			return nil, wrong("two parameters, (1) a string delimiter and (2) a list of strings to be joined")
		}
		delimiter, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		texts, err := e.list(list[1], name)
		return strings.Join(texts, delimiter), err
	case "Fn::FindInMap":
		if len(list) != 3 {
			return nil, wrong("three parameters, the map name, map key and the attribute for return value")
		}
		return e.find(list)
	case "Fn::Select":
		if len(list) != 2 {
			return nil, wrong("two parameters, an index and a list")
		}
		index, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		texts, err := e.list(list[1], name)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(index)
		if err != nil || n < 0 || n >= len(texts) {
			return nil, errors.New("Template error: Fn::Select cannot select nonexistent value at index " + index) // AWS's text
		}
		return texts[n], nil
	case "Fn::Split":
		if len(list) != 2 {
			return nil, wrong("two parameters, a delimiter and a string")
		}
		delimiter, err := e.text(list[0])
		if err != nil {
			return nil, err
		}
		text, err := e.text(list[1])
		if err != nil {
			return nil, err
		}
		var parts []any
		for part := range strings.SplitSeq(text, delimiter) {
			parts = append(parts, part)
		}
		return parts, nil
	case "Fn::Cidr":
		return e.cidr(list)
	}
	return nil, invalid("Template error: the emulator does not have the function %s", name)
}

func (e *environment) substitute(argument any) (string, error) {
	text, variables, err := sub(argument)
	if err != nil {
		return "", err
	}
	var failed error
	done := substitution.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, is := strings.CutPrefix(name, "!"); is {
			return "${" + literal + "}"
		}
		var part string
		var err error
		if own, ok := variables[name]; ok {
			part, err = e.text(own)
		} else if id, attribute, dotted := strings.Cut(name, "."); dotted {
			part, err = e.attribute(id, attribute)
		} else {
			part, err = e.parameter(name)
		}
		if err != nil && failed == nil {
			failed = err
		}
		return part
	})
	return done, failed
}

func (e *environment) find(list []any) (any, error) {
	var at any = e.mappings
	var path []string
	for _, item := range list {
		key, err := e.text(item)
		if err != nil {
			return nil, err
		}
		path = append(path, key)
		fields, _ := at.(map[string]any)
		found, ok := fields[key]
		if !ok {
			return nil, fmt.Errorf("Template error: Unable to get mapping for %s", strings.Join(path, "::")) //nolint:staticcheck // shown as AWS shows it
		}
		at = found
	}
	return at, nil
}

// maxBlocks is the largest number of ranges of Fn::Cidr.
const maxBlocks = 256

// cidr divides a range into ranges with a number of bits for hosts
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-cidr.html).
func (e *environment) cidr(list []any) (any, error) {
	wrong := errors.New("Template error: every Fn::Cidr object requires a range, a count of 1 to 256 and the number of bits of each range") //nolint:staticcheck // shown as AWS shows it
	if len(list) != 2 && len(list) != 3 {
		return nil, wrong
	}
	var texts []string
	for _, item := range list {
		text, err := e.text(item)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	whole, err := netip.ParsePrefix(texts[0])
	if err != nil {
		return nil, wrong
	}
	count, err := strconv.Atoi(texts[1])
	if err != nil || count < 1 || count > maxBlocks {
		return nil, wrong
	}
	bits := 8
	if len(texts) == 3 {
		if bits, err = strconv.Atoi(texts[2]); err != nil {
			return nil, wrong
		}
	}
	length := whole.Addr().BitLen() - bits
	room := length - whole.Bits()
	if bits < 1 || room < 0 || room < 16 && count > 1<<room {
		return nil, fmt.Errorf("Template error: Fn::Cidr cannot make %d ranges of %d bits of %s", count, bits, whole) //nolint:staticcheck // shown as AWS shows it
	}
	var blocks []any
	at := whole.Masked().Addr()
	for range count {
		blocks = append(blocks, netip.PrefixFrom(at, length).String())
		at = addBlock(at, bits)
	}
	return blocks, nil
}

// addBlock returns the address 2^bits after another one.
func addBlock(at netip.Addr, bits int) netip.Addr {
	bytes := at.AsSlice()
	carry := 1 << (bits % 8)
	for n := len(bytes) - 1 - bits/8; n >= 0 && carry > 0; n-- {
		sum := int(bytes[n]) + carry
		bytes[n], carry = byte(sum), sum>>8
	}
	next, _ := netip.AddrFromSlice(bytes) // the slice has an address's length
	return next
}
