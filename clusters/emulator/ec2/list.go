package ec2

import (
	"encoding/base64"
	"slices"
	"strings"
)

// filter is one condition of a list. Its values are alternatives, in which * and ? are wildcards.
type filter struct {
	Name   string
	Values []string `query:"Value"`
}

// listInput has the parameters of all lists.
type listInput struct {
	Filters    []filter `query:"Filter"`
	MaxResults *int
	NextToken  string
}

// page has the token for the rest of a list.
type page struct {
	NextToken string `xml:"nextToken,omitempty"`
}

const (
	minPage = 5
	maxPage = 1000
)

// list keeps the items that all filters accept, sorts them by key, and returns the requested page. tags may be nil. values
// are those of the filters that the list supports.
func list[T any](in listInput, items []T, key func(T) string, tags func(T) map[string]string, values map[string]func(T) []string) ([]T, page, error) {
	for _, f := range in.Filters {
		accept, err := accepts(f, tags, values)
		if err != nil {
			return nil, page{}, err
		}
		items = slices.DeleteFunc(items, func(item T) bool { return !accept(item) })
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if in.NextToken != "" {
		seen, err := base64.RawURLEncoding.DecodeString(in.NextToken)
		if err != nil {
			return nil, page{}, wrongValue("Unable to parse pagination token")
		}
		items = slices.DeleteFunc(items, func(item T) bool { return key(item) <= string(seen) })
	}
	limit := maxPage
	if in.MaxResults != nil {
		if limit = *in.MaxResults; limit < minPage || limit > maxPage {
			return nil, page{}, wrongValue("Value ( %d ) for parameter maxResults is invalid. Expecting a value from %d to %d.", limit, minPage, maxPage)
		}
	}
	if len(items) <= limit {
		return items, page{}, nil
	}
	return items[:limit], page{base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1])))}, nil
}

func accepts[T any](f filter, tags func(T) map[string]string, values map[string]func(T) []string) (func(T) bool, error) {
	of, known := values[f.Name]
	if !known && tags != nil {
		name, tagged := strings.CutPrefix(f.Name, "tag:")
		switch {
		case tagged:
			of, known = func(item T) []string {
				if value, ok := tags(item)[name]; ok {
					return []string{value}
				}
				return nil
			}, true
		case f.Name == "tag-key":
			of, known = func(item T) (names []string) {
				for name := range tags(item) {
					names = append(names, name)
				}
				return names
			}, true
		}
	}
	if !known {
		return nil, wrongValue("The filter '%s' is invalid", f.Name)
	}
	return func(item T) bool {
		return slices.ContainsFunc(of(item), func(value string) bool {
			return slices.ContainsFunc(f.Values, func(pattern string) bool { return matches(pattern, value) })
		})
	}, nil
}

// matches compares value with pattern. * stands for any number of characters, and ? for one. After a backslash they stand
// for themselves (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html).
func matches(pattern, value string) bool {
	p, v := []rune(pattern), []rune(value)
	// The last *, and the part of the value that it covers so far.
	star, taken, i, j := -1, 0, 0, 0
	for j < len(v) {
		switch {
		case i < len(p) && p[i] == '*':
			star, taken = i, j
			i++
		case i+1 < len(p) && p[i] == '\\' && p[i+1] == v[j]:
			i, j = i+2, j+1
		case i < len(p) && p[i] != '\\' && (p[i] == '?' || p[i] == v[j]):
			i, j = i+1, j+1
		case star >= 0:
			taken++
			i, j = star+1, taken
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func one[T any](value func(T) string) func(T) []string {
	return func(item T) []string { return []string{value(item)} }
}

// describe authorises a list, which has no resource.
func (r request) describe(action string) error {
	if err := r.authorize(action, nil); err != nil {
		return err
	}
	return r.allowed()
}

// chosen returns the resources with the given IDs, or all if there are none. An unknown ID is an error. The caller holds
// mu.
func chosen[T any, P resource[T]](k kind[T], ids []string) ([]*T, error) {
	if len(ids) == 0 {
		return sorted[T, P](k, nil), nil
	}
	var list []*T
	for _, id := range ids {
		found, err := k.find(id)
		if err != nil {
			return nil, err
		}
		list = append(list, found)
	}
	return list, nil
}

func id[T any, P resource[T]](item *T) string { return P(item).common().ID }

func tagsIn[T any, P resource[T]](item *T) map[string]string { return P(item).common().Tags }

func text(value bool) string {
	if value {
		return "true"
	}
	return "false"
}
