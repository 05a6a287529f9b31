package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is far above the grammar's depth: a condition value is at depth 6.
const maxDepth = 16

type nodeKind uint8

const (
	objectNode nodeKind = iota
	arrayNode
	stringNode
	// scalarNode is a number or a boolean. The grammar uses its text.
	scalarNode
	nullNode
)

// node is a JSON value with its place in the text, which encoding/json's values do not have.
type node struct {
	kind    nodeKind
	offset  int
	text    string
	members []member
	items   []node
}

type member struct {
	name   string
	offset int
	// repeated says that the object has another member of this name before it.
	repeated bool
	value    node
}

// syntaxError becomes a *ParseError once its position is known as line and column.
type syntaxError struct {
	offset  int
	problem string
}

func (e *syntaxError) Error() string { return e.problem }

func readJSON(text string) (node, error) {
	r := jsonReader{text: text, decoder: json.NewDecoder(strings.NewReader(text))}
	r.decoder.UseNumber()
	root, err := r.value(0)
	if err != nil {
		return node{}, err
	}
	end := r.next()
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return node{}, &syntaxError{end, "text after the policy's closing brace"}
	}
	return root, nil
}

type jsonReader struct {
	text    string
	decoder *json.Decoder
}

// next is the offset of the next token.
func (r *jsonReader) next() int {
	for i := int(r.decoder.InputOffset()); i < len(r.text); i++ {
		if !strings.ContainsRune(" \t\r\n,:", rune(r.text[i])) {
			return i
		}
	}
	return len(r.text)
}

func (r *jsonReader) value(depth int) (node, error) {
	n := node{offset: r.next()}
	if depth > maxDepth {
		return n, &syntaxError{n.offset, "nested too deep"}
	}
	token, err := r.decoder.Token()
	if err != nil {
		return n, r.failure(n.offset, err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			n.kind = objectNode
			return n, r.object(&n, depth)
		}
		n.kind = arrayNode
		return n, r.array(&n, depth)
	case string:
		n.kind, n.text = stringNode, token
	case json.Number:
		n.kind, n.text = scalarNode, token.String()
	case bool:
		n.kind, n.text = scalarNode, fmt.Sprint(token)
	default:
		n.kind = nullNode
	}
	return n, nil
}

func (r *jsonReader) object(n *node, depth int) error {
	seen := map[string]bool{}
	for r.decoder.More() {
		offset := r.next()
		token, err := r.decoder.Token()
		if err != nil {
			return r.failure(offset, err)
		}
		name, ok := token.(string)
		if !ok {
			return &syntaxError{offset, "a key must be a string"}
		}
		repeated := seen[name]
		seen[name] = true
		value, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, offset, repeated, value})
	}
	return r.closing()
}

func (r *jsonReader) array(n *node, depth int) error {
	for r.decoder.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	return r.closing()
}

func (r *jsonReader) closing() error {
	offset := r.next()
	if _, err := r.decoder.Token(); err != nil {
		return r.failure(offset, err)
	}
	return nil
}

func (r *jsonReader) failure(offset int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &syntaxError{len(r.text), "not valid JSON: the text ends too early"}
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &syntaxError{offset, "not valid JSON: " + syntax.Error()}
	}
	return &syntaxError{offset, "not valid JSON: " + err.Error()}
}

// position turns an offset into line and column, both from 1.
func position(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	return strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')
}
