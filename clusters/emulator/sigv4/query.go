package sigv4

import (
	"net/url"
	"slices"
	"strings"
)

// parameter of a query, decoded.
type parameter struct{ name, value string }

type parameters []parameter

// readQuery decodes a query and keeps its order. It fails where url.ParseQuery fails: a part that url.ParseQuery leaves out
// would be signed, and handlers would not see it.
func readQuery(raw string) (parameters, error) {
	if raw == "" {
		return nil, nil
	}
	list := make(parameters, 0, strings.Count(raw, "&")+1)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(part, ";") {
			return nil, refuse(Incomplete, "the query string is malformed")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, refuse(Incomplete, "the query string is malformed")
		}
		list = append(list, parameter{name, value})
	}
	return list, nil
}

// get returns the first value of a name and how often the name occurs.
func (p parameters) get(name string) (value string, count int) {
	for _, one := range p {
		if one.name != name {
			continue
		}
		if count++; count == 1 {
			value = one.value
		}
	}
	return value, count
}

// canonical returns the parameters encoded and sorted, without those for which omit returns true.
func (p parameters) canonical(omit func(index int, name string) bool) parameters {
	list := make(parameters, 0, len(p))
	for i, one := range p {
		if !omit(i, one.name) {
			list = append(list, parameter{encoded(one.name), encoded(one.value)})
		}
	}
	slices.SortFunc(list, func(x, y parameter) int {
		if order := strings.Compare(x.name, y.name); order != 0 {
			return order
		}
		return strings.Compare(x.value, y.value)
	})
	return list
}

// encoded percent-encodes every byte except RFC 3986's unreserved ones.
func encoded(text string) string {
	for i := range len(text) {
		if !unreserved(text[i]) {
			return string(appendEncoded(make([]byte, 0, len(text)+16), text, false))
		}
	}
	return text
}

func appendEncoded(to []byte, text string, keepSlash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if unreserved(c) || keepSlash && c == '/' {
			to = append(to, c)
		} else {
			to = append(to, '%', digits[c>>4], digits[c&15])
		}
	}
	return to
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
