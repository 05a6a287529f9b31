// Package rawjson reads one level of a JSON value and keeps the levels below as they were sent. The webhook reads a few
// members of a review and a pod, and must return the rest unchanged.
//
// It accepts what encoding/json accepts: names may repeat, and text need not be UTF-8. Names must match exactly, as in the
// API server. encoding/json ignores their case.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

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

// reader reads one value. It is reused, because it is larger than most values.
type reader struct {
	decoder jsontext.Decoder
	input   bytes.Buffer
	raw     []byte
}

var readers = sync.Pool{New: func() any { return &reader{} }}

// read calls next for everything between the brackets of raw.
func read(raw []byte, open jsontext.Kind, want string, next func(*reader) error) error {
	r := readers.Get().(*reader)
	defer readers.Put(r)
	r.raw, r.input = raw, *bytes.NewBuffer(raw)
	r.decoder.Reset(&r.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	kind := r.decoder.PeekKind()
	if kind != open && kind != 'n' && kind != 0 {
		return &KindError{kind, want}
	}
	if _, err := r.decoder.ReadToken(); err != nil { // the bracket or null
		return err
	}
	if kind == open {
		for kind := r.decoder.PeekKind(); kind != '}' && kind != ']'; kind = r.decoder.PeekKind() {
			if err := next(r); err != nil {
				return err
			}
		}
		if _, err := r.decoder.ReadToken(); err != nil {
			return err
		}
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the value")
	}
	return nil
}

// value returns the next value, as a part of raw, which stays valid after the reader.
func (r *reader) value() ([]byte, error) {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(r.decoder.InputOffset())
	return r.raw[end-len(value) : end : end], nil
}

// Members calls each for the members of an object, in their order. Null has none.
func Members(raw []byte, each func(Member) error) error {
	return read(raw, '{', "an object", func(r *reader) error {
		key, err := r.value()
		if err != nil {
			return err
		}
		if !plain(key) {
			var name string
			if err := json.Unmarshal(key, &name); err != nil {
				return err
			}
			if key, err = json.Marshal(name); err != nil {
				return err
			}
		}
		value, err := r.value()
		if err != nil {
			return err
		}
		return each(Member{key, value})
	})
}

// Elements calls each for the elements of an array, in their order. Null has none.
func Elements(raw []byte, each func(value []byte) error) error {
	return read(raw, '[', "an array", func(r *reader) error {
		value, err := r.value()
		if err != nil {
			return err
		}
		return each(value)
	})
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

// plain says whether raw is a string without escapes. Nearly every name is.
func plain(raw []byte) bool {
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
