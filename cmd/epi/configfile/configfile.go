// Package configfile reads epi.yaml: keys with one value or a list of values, and sections of such keys. It knows the place
// of each key in the file, and not its meaning.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize is far above the size of all keys of all commands.
const maxSize = 1 << 20

// Value is the value of a key.
type Value struct {
	// Section is its section; empty at the top.
	Section, Key string
	// Arguments are the values as they are written, without quotes. There is one, unless List is set.
	Arguments []string
	List      bool
	// Line and Column of the key, from 1.
	Line, Column int
}

// Problem is a problem of a key. It does not affect the others.
type Problem struct {
	Section, Key string
	// Line and Column of it, from 1.
	Line, Column int
	Text         string
}

// Section is a key with keys below it.
type Section struct {
	Name         string
	Line, Column int
}

// File is what was read.
type File struct {
	Values   []Value
	Sections []Section
	Problems []Problem
}

// Error says why a file cannot be read at all.
type Error struct {
	// Line and Column from 1; 0 if they are not known.
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Text
	case e.Column == 0:
		return fmt.Sprintf("%d: %s", e.Line, e.Text)
	default:
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text)
	}
}

// Read reads a file. Its error is an *Error, or one of the operating system's.
func Read(name string) (File, error) {
	file, err := os.Open(name)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil {
		return File{}, err
	} else if info.IsDir() {
		return File{}, &Error{Text: "it is a folder, not a file"}
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return File{}, err
	}
	return Parse(data)
}

// Parse reads the content of a file. Its error is an *Error.
func Parse(data []byte) (File, error) {
	var file File
	if len(data) > maxSize {
		return file, &Error{Text: fmt.Sprintf("it is larger than %d KiB: that is no configuration of epi", maxSize>>10)}
	}
	if !utf8.Valid(data) {
		line, column := notUTF8(data)
		return file, &Error{Line: line, Column: column, Text: "it is not UTF-8 text"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return file, nil
	} else if err != nil {
		return file, syntaxError(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return file, &Error{Line: second.Line, Column: second.Column, Text: "a second YAML document begins here; the configuration is one"}
	} else if !errors.Is(err, io.EOF) {
		return file, syntaxError(err)
	}
	root := document.Content[0]
	switch {
	case isNull(root):
		return file, nil
	case root.Kind != yaml.MappingNode:
		return file, &Error{Line: root.Line, Column: root.Column, Text: "want keys with values, such as nodes: 2, found " + describe(root)}
	}
	file.read("", root)
	return file, nil
}

// read adds the keys of a mapping.
func (f *File) read(section string, mapping *yaml.Node) {
	lines := map[string]int{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" {
			f.problem(section, key.Value, key, "want the name of a flag here, found "+describe(key))
			continue
		}
		if first, again := lines[key.Value]; again {
			f.problem(section, key.Value, key, fmt.Sprintf("key %s is here a second time, the first is in line %d", key.Value, first))
			continue
		}
		lines[key.Value] = key.Line
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		switch {
		case value.Kind == yaml.MappingNode && section == "":
			f.Sections = append(f.Sections, Section{Name: key.Value, Line: key.Line, Column: key.Column})
			f.read(key.Value, value)
		case value.Kind == yaml.SequenceNode:
			f.list(section, key, value)
		default:
			if text := wrong(value); text != "" {
				f.problem(section, key.Value, key, fmt.Sprintf("key %s: %s", key.Value, text))
				continue
			}
			f.Values = append(f.Values, Value{Section: section, Key: key.Value, Arguments: []string{value.Value}, Line: key.Line, Column: key.Column})
		}
	}
}

func (f *File) list(section string, key, list *yaml.Node) {
	arguments := make([]string, 0, len(list.Content))
	for _, item := range list.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if text := wrong(item); text != "" {
			f.problem(section, key.Value, item, fmt.Sprintf("key %s, in its list: %s", key.Value, text))
			return
		}
		arguments = append(arguments, item.Value)
	}
	f.Values = append(f.Values, Value{Section: section, Key: key.Value, Arguments: arguments, List: true, Line: key.Line, Column: key.Column})
}

func (f *File) problem(section, key string, at *yaml.Node, text string) {
	f.Problems = append(f.Problems, Problem{Section: section, Key: key, Line: at.Line, Column: at.Column, Text: text})
}

// wrong is the reason why a node is no single value, or "".
func wrong(node *yaml.Node) string {
	if node.Kind != yaml.ScalarNode {
		return "want one value, found " + describe(node)
	}
	switch node.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return ""
	case "!!null":
		return "it has no value (null); leave it out for the default"
	default:
		return "want one value, found one with the tag " + node.Tag
	}
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "keys below it"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!merge":
		return "a merge of keys (<<)"
	case node.Kind == yaml.AliasNode:
		return "an alias"
	default:
		return fmt.Sprintf("%.40q", node.Value)
	}
}

// yamlLine is how the library's parser reports the line.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

func syntaxError(err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line, _ := strconv.Atoi(match[1])
		return &Error{Line: line, Text: "it is not YAML: " + strings.TrimPrefix(text, match[0])}
	}
	return &Error{Text: "it is not YAML: " + text}
}

// notUTF8 is the place of the first byte that is not.
func notUTF8(data []byte) (line, column int) {
	line, column = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			return line, column
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		data = data[size:]
	}
	return line, column
}
