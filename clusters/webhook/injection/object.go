package injection

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// object is a JSON object whose members are left as they are unless they are replaced. Names are
// matched exactly and the last of equal names counts, as for the one who applies the patch.
type object map[string]json.RawMessage

// decode reads raw, which is the field of that name, into a value. No or null raw leaves it alone.
func decode(raw json.RawMessage, field string, into any) error {
	if len(raw) == 0 {
		return nil
	}
	if text, ok := into.(*string); ok && plain(raw) {
		*text = string(raw[1 : len(raw)-1])
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode field %s of pod: %w", field, err)
	}
	return nil
}

// plain tells whether raw, which is valid JSON, is a string without escapes: nearly every name is.
func plain(raw json.RawMessage) bool {
	if raw[0] != '"' {
		return false
	}
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// list is a JSON array of objects that have names.
type list struct {
	elements []object
	names    []string
}

// readList reads a member of o; a missing or null one is an empty list.
func readList(o object, field string) (list, error) {
	var l list
	if err := decode(o[field], field, &l.elements); err != nil {
		return list{}, err
	}
	l.names = make([]string, len(l.elements))
	for n, element := range l.elements {
		if err := decode(element["name"], field+".name", &l.names[n]); err != nil {
			return list{}, err
		}
		if element == nil { // null, which is no object that could be added to
			l.elements[n] = object{}
		}
	}
	return l, nil
}

// mustEncode is for values that are always JSON.
func mustEncode(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", value, err))
	}
	return raw
}
