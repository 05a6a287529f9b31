// Package rawjson reads one level of a JSON value and keeps the levels below as they were sent. The webhook reads a few
// members of a review and a pod, and must return the rest unchanged.
//
// It accepts what encoding/json accepts: names may repeat, and text need not be UTF-8. Names must match exactly, as in the
// API server. encoding/json ignores their case.
//
// Input from outside is checked by Valid once. Members and Elements then check nothing again, although they read a
// container's variables through six levels. For invalid input they return an error or an arbitrary part of it.
package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// KindError is the error of a JSON value of the wrong kind.
type KindError struct {
	Got  jsontext.Kind
	Want string
}

func (e *KindError) Error() string {
	names := map[jsontext.Kind]string{'n': "null", 't': "a boolean", 'f': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}
	return fmt.Sprintf("got %s, expected %s", names[e.Got], e.Want)
}

// Member of an object.
type Member struct {
	// Key is the name in quotes, with as few escapes as possible.
	Key []byte
	// Value as it was sent.
	Value []byte
}

// Is says whether the member has this name, of letters and digits.
func (m Member) Is(name string) bool {
	return len(m.Key) == len(name)+2 && string(m.Key[1:len(m.Key)-1]) == name
}

// lenient are the options for what encoding/json accepts in addition to strict JSON.
var lenient = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// Valid reports whether raw is one JSON value.
func Valid(raw []byte) bool { return jsontext.Value(raw).IsValid(lenient) }

var errMore = errors.New("there is more after the value")

// Members calls each for the members of an object, in their order. Null has none.
func Members(raw []byte, each func(Member) error) error {
	at, err := open(raw, '{', "an object")
	if at == 0 || err != nil {
		return err
	}
	for at = space(raw, at); ; at = space(raw, at+1) {
		if at == len(raw) {
			return io.ErrUnexpectedEOF
		}
		if raw[at] == '}' {
			return ended(raw, at+1)
		}
		end := text(raw, at)
		if end < 0 {
			return errors.New("expected a name")
		}
		key, err := plainKey(raw[at:end:end])
		if err != nil {
			return err
		}
		at = space(raw, end)
		if at == len(raw) || raw[at] != ':' {
			return errors.New("expected a colon after a name")
		}
		at = space(raw, at+1)
		end = skip(raw, at)
		if end < 0 {
			return io.ErrUnexpectedEOF
		}
		if err := each(Member{key, raw[at:end:end]}); err != nil {
			return err
		}
		if at = space(raw, end); at < len(raw) && raw[at] == '}' {
			return ended(raw, at+1)
		}
		if at == len(raw) || raw[at] != ',' {
			return errors.New("expected a comma after a member")
		}
	}
}

// Elements calls each for the elements of an array, in their order. Null has none.
func Elements(raw []byte, each func(value []byte) error) error {
	at, err := open(raw, '[', "an array")
	if at == 0 || err != nil {
		return err
	}
	for at = space(raw, at); ; at = space(raw, at+1) {
		if at == len(raw) {
			return io.ErrUnexpectedEOF
		}
		if raw[at] == ']' {
			return ended(raw, at+1)
		}
		end := skip(raw, at)
		if end < 0 {
			return io.ErrUnexpectedEOF
		}
		if err := each(raw[at:end:end]); err != nil {
			return err
		}
		if at = space(raw, end); at < len(raw) && raw[at] == ']' {
			return ended(raw, at+1)
		}
		if at == len(raw) || raw[at] != ',' {
			return errors.New("expected a comma after an element")
		}
	}
}

// open returns the position after the opening bracket, or 0 for null.
func open(raw []byte, bracket byte, want string) (int, error) {
	at := space(raw, 0)
	switch {
	case at == len(raw):
		return 0, io.ErrUnexpectedEOF
	case raw[at] == bracket:
		return at + 1, nil
	case raw[at] != 'n':
		return 0, &KindError{jsontext.Value(raw).Kind(), want}
	}
	return 0, ended(raw, skip(raw, at))
}

// ended returns an error if there is more than space at position at.
func ended(raw []byte, at int) error {
	if space(raw, at) != len(raw) {
		return errMore
	}
	return nil
}

// space returns the end of the space at position at.
func space(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\t' || raw[at] == '\r') {
		at++
	}
	return at
}

// skip returns the end of the value at position at, or -1 if there is none.
func skip(raw []byte, at int) int {
	if at >= len(raw) {
		return -1
	}
	switch raw[at] {
	case '"':
		return text(raw, at)
	case '{', '[':
		return composite(raw, at)
	}
	end := at
	for end < len(raw) && !delimiter(raw[end]) {
		end++
	}
	if end == at {
		return -1
	}
	return end
}

// composite returns the end of the object or array at position at, or -1. In valid JSON brackets match, so counting them
// is enough.
func composite(raw []byte, at int) int {
	for depth := 0; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			end := text(raw, at)
			if end < 0 {
				return -1
			}
			at = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
	}
	return -1
}

// text returns the end of the string at position at, or -1.
func text(raw []byte, at int) int {
	if raw[at] != '"' {
		return -1
	}
	// Most strings are shorter than what a call of bytes.IndexByte is worth.
	for at++; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			return at + 1
		case '\\':
			at++
		}
	}
	return -1
}

// delimiter reports whether a number or a literal ends before c.
func delimiter(c byte) bool {
	switch c {
	case ',', ':', '{', '}', '[', ']', '"', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// plainKey returns a name in quotes, with no escapes that are not needed.
func plainKey(key []byte) ([]byte, error) {
	if plain(key) {
		return key, nil
	}
	var name string
	if err := json.Unmarshal(key, &name); err != nil {
		return nil, err
	}
	return json.Marshal(name)
}

// Text returns the text of a string; otherwise for null.
func Text(raw []byte, otherwise string) (string, error) {
	switch kind := jsontext.Value(raw).Kind(); {
	case kind == 'n':
		return otherwise, nil
	case kind != '"':
		return otherwise, &KindError{kind, "a string"}
	case plain(raw):
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// AppendText appends text as a string. What is no UTF-8 in it is replaced, as by encoding/json.
func AppendText(out []byte, text string) []byte {
	out, _ = jsontext.AppendQuote(out, text) // the error says that something was replaced
	return out
}

// plain says whether raw is a string that means itself: nearly every name does.
func plain(raw []byte) bool {
	if len(raw) < len(`""`) || raw[0] != '"' {
		return false
	}
	for _, c := range raw {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
