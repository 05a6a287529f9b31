package injection

import (
	"encoding/json"
	"fmt"

	"github.com/podidentity/epi/clusters/webhook/rawjson"
)

// object is a JSON object whose members stay unchanged unless they are replaced. Names must match exactly, and the last of
// equal names counts, as when the patch is applied. It is nil if there is none.
type object []rawjson.Member

// usualMembers is the initial capacity: containers seldom have more members.
const usualMembers = 12

// readObject reads raw, which is the field of that name. An absent or null raw gives no object.
func readObject(raw json.RawMessage, field string) (object, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	o, err := membersOf(raw)
	return o, malformed(field, err)
}

func membersOf(raw []byte) (object, error) {
	o := make(object, 0, usualMembers)
	err := rawjson.Members(raw, func(m rawjson.Member) error {
		o = append(o, m)
		return nil
	})
	return o, err
}

func malformed(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("decode field %s of pod: %w", field, err)
}

// get returns nil for a missing member.
func (o object) get(name string) json.RawMessage {
	for n := len(o) - 1; n >= 0; n-- {
		if o[n].Is(name) {
			return o[n].Value
		}
	}
	return nil
}

// set replaces a member or adds it.
func (o *object) set(name string, value json.RawMessage) {
	for n := len(*o) - 1; n >= 0; n-- {
		if (*o)[n].Is(name) {
			(*o)[n].Value = value
			return
		}
	}
	*o = append(*o, rawjson.Member{Key: []byte(`"` + name + `"`), Value: value})
}

func (o object) appendTo(out []byte) []byte {
	out = append(out, '{')
	for n, m := range o {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.Key...), ':'), m.Value...)
	}
	return append(out, '}')
}

// readText reads a member of o that is a string. For a missing or null member it returns otherwise.
func readText(o object, field, otherwise string) (string, error) {
	raw := o.get(field)
	if raw == nil {
		return otherwise, nil
	}
	text, err := rawjson.Text(raw, otherwise)
	return text, malformed(field, err)
}

// readTexts reads a member of o whose members are strings; nil for a missing or null one.
func readTexts(o object, field string) (map[string]string, error) {
	raw := o.get(field)
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	texts := map[string]string{}
	err := rawjson.Members(raw, func(m rawjson.Member) error {
		name, err := rawjson.Text(m.Key, "")
		if err != nil {
			return err
		}
		texts[name], err = rawjson.Text(m.Value, "")
		return err
	})
	return texts, malformed(field, err)
}

// list is a JSON array of objects with names.
type list struct {
	elements []object
	names    []string
}

// readList reads a member of o. A missing or null member is an empty list.
func readList(o object, field string) (list, error) {
	raw := o.get(field)
	if raw == nil || string(raw) == "null" {
		return list{}, nil
	}
	l := list{elements: []object{}}
	err := rawjson.Elements(raw, func(element []byte) error {
		o, err := membersOf(element)
		if err != nil {
			return err
		}
		name, err := readText(o, "name", "")
		l.elements, l.names = append(l.elements, o), append(l.names, name)
		return err
	})
	return l, malformed(field, err)
}

// rawList is a list to which elements are only added.
type rawList struct {
	elements []json.RawMessage
	names    []string
}

func readRawList(o object, field string) (rawList, error) {
	raw := o.get(field)
	if raw == nil || string(raw) == "null" {
		return rawList{}, nil
	}
	l := rawList{elements: []json.RawMessage{}}
	err := rawjson.Elements(raw, func(element []byte) error {
		name := ""
		err := rawjson.Members(element, func(m rawjson.Member) error {
			if !m.Is("name") {
				return nil
			}
			var err error
			name, err = rawjson.Text(m.Value, name)
			return err
		})
		l.elements, l.names = append(l.elements, element), append(l.names, name)
		return err
	})
	return l, malformed(field, err)
}

// encode makes a JSON array.
func encode(elements []json.RawMessage) json.RawMessage {
	size := len("[]")
	for _, element := range elements {
		size += len(element) + len(",")
	}
	out := append(make([]byte, 0, size), '[')
	for n, element := range elements {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, element...)
	}
	return append(out, ']')
}

// mustEncode is for values that are always JSON.
func mustEncode(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", value, err))
	}
	return raw
}
