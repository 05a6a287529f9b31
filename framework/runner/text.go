package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// Marks around the text of an error, by which tidy recognizes what Gomega writes twice.
const (
	errorBegin = "\x1e"
	errorEnd   = "\x1f"
)

// longest is the length up to which a value or an expectation is written in one line.
const longest = 300

// readable formats values in the texts of failures for people. It is for format.RegisterCustomFormatter.
func readable(value any) (string, bool) {
	switch value := value.(type) {
	case error:
		return errorBegin + strings.Join(strings.Fields(value.Error()), " ") + errorEnd, true
	case time.Time:
		return value.UTC().Format(time.RFC3339Nano), true
	case []byte:
		return fmt.Sprintf("%q", value), true
	case fmt.Stringer:
		return value.String(), true
	}
	reflected := reflect.ValueOf(value)
	switch reflected.Kind() {
	case reflect.Pointer:
		if reflected.IsNil() {
			return "nothing", true
		}
		if text, ok := readable(reflected.Elem().Interface()); ok {
			return text, true
		}
		if reflected.Elem().Kind() == reflect.String {
			return fmt.Sprintf("%q", reflected.Elem().Interface()), true
		}
		return fmt.Sprint(reflected.Elem().Interface()), true
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		return asJSON(value)
	case reflect.Func:
		return "a function", true
	case reflect.Chan:
		return "a channel", true
	}
	return "", false
}

// asJSON returns a value in JSON without its nulls; false if that shows nothing of it.
func asJSON(value any) (string, bool) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", false
	}
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return "", false
	}
	plain = withoutNulls(plain)
	if fields, ok := plain.(map[string]any); ok && len(fields) == 0 && reflect.TypeOf(value).Kind() == reflect.Struct {
		return "", false // it has no exported field, or none is set
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(plain); err != nil {
		return "", false
	}
	if text.Len() > longest {
		var wide bytes.Buffer
		if err := json.Indent(&wide, text.Bytes(), "", "  "); err == nil {
			text = wide
		}
	}
	return strings.TrimSpace(text.String()), true
}

func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, field := range value {
			if field == nil {
				delete(value, key)
				continue
			}
			value[key] = withoutNulls(field)
		}
	case []any:
		for i := range value {
			value[i] = withoutNulls(value[i])
		}
	}
	return value
}

// Parts of Go's and Gomega's texts that mean nothing to most people.
var (
	goType       = `<(?:[\w.*&{}\[\]/ |:,-]|<-|<[\w.*\[\]/ ]*>)+>`
	typeOfError  = regexp.MustCompile(`(?s)` + goType + `: \n[^` + errorBegin + errorEnd + `]*` + errorBegin + `([^` + errorEnd + `]*)` + errorEnd)
	typeOfValue  = regexp.MustCompile(`(?m)(^[ \t]*|[\[{(,] ?|: )` + goType + `: `)
	typeOfNested = regexp.MustCompile(`<[\w.*&\[\]/]+ \| (?:0x[0-9a-f]+|len:\d+(?:, cap:\d+)?)>(?:: )?`)
	typeOfField  = regexp.MustCompile(`<[\w.*]+(?:\{\})?>(["\d{\[(-]|true|false|nil)`)
	address      = regexp.MustCompile(`\(?\b0x[0-9a-f]{6,16}\b\)?`)
	goMap        = regexp.MustCompile(`\bmap\[([^\[\]]*)\]`)
	goPointer    = regexp.MustCompile(`&(?:\w+\.)*\w*\{`)
	timedOut     = regexp.MustCompile(`(?m)^Timed out after ([\d.]+)s\.\n`)
	failedAfter  = regexp.MustCompile(`(?m)^Failed after ([\d.]+)s\.\n`)
	asked        = regexp.MustCompile(`(?m)^The (?:function|matcher) passed to (?:Eventually|Consistently) (?:failed at \S+ with|returned the following error):\n`)
	unexpected   = regexp.MustCompile(`(?m)^Unexpected error:\n([\s\S]*?)\noccurred$`)
	refusal      = regexp.MustCompile(`operation error ([\w ]+): (\w+), (?:exceeded maximum number of attempts, \d+, )?https response error StatusCode: (\d+), RequestID: ([^,\s]*)(?:, HostID: [^,\s]*)?, (?:api error )?(\w+):`)
	noSuccess    = regexp.MustCompile(`(?m)^Expected success, but got an error:\n`)
)

// tidy turns the text of a failure into one for people: the decisive part first, and without Go syntax.
func tidy(text string) string {
	text = typeOfError.ReplaceAllString(text, "$1")
	text = strings.NewReplacer(errorBegin, "", errorEnd, "").Replace(text)
	text = typeOfValue.ReplaceAllString(text, "$1")
	text = typeOfNested.ReplaceAllString(text, "")
	text = typeOfField.ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(text, "<nil>", "none")
	for goMap.MatchString(text) {
		text = goMap.ReplaceAllStringFunc(text, func(found string) string { return entries(found[len("map[") : len(found)-1]) })
	}
	text = goPointer.ReplaceAllString(text, "{")
	text = address.ReplaceAllString(text, "(an address)")
	text = strings.ReplaceAll(text, root, "")
	var waited string
	if found := timedOut.FindStringSubmatch(text); found != nil {
		waited = "(for " + found[1] + "s)"
		text = timedOut.ReplaceAllString(text, "")
	}
	if found := failedAfter.FindStringSubmatch(text); found != nil {
		waited = "(after " + found[1] + "s)"
		text = failedAfter.ReplaceAllString(text, "")
	}
	text = asked.ReplaceAllString(text, "")
	text = unexpected.ReplaceAllString(text, "unexpected error:\n$1")
	text = noSuccess.ReplaceAllString(text, "expected success, but got:\n")
	text = refusal.ReplaceAllString(text, "$5 of $1 $2 (status $3, request $4):") // the decisive part first
	text = joined(text)
	if waited != "" {
		text = strings.TrimRight(text, "\n") + "\n" + waited
	}
	return text
}

// entries are the contents of a Go map.
func entries(inside string) string {
	if strings.TrimSpace(inside) == "" {
		return "none"
	}
	var list []string
	for _, word := range strings.Fields(inside) {
		if key, value, ok := strings.Cut(word, ":"); ok || len(list) == 0 {
			list = append(list, strings.TrimSuffix(key+": "+value, ": "))
			continue
		}
		list[len(list)-1] += " " + word
	}
	return strings.Join(list, ", ")
}

// joined joins what Gomega writes in several lines ("Expected", a value, "to equal", another) into one line, if it is
// short.
func joined(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if first := line == "Expected" || line == "expected success, but got:" || line == "unexpected error:"; !first || i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "    ") {
			continue
		}
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != "" {
			end++
		}
		sentence := strings.Join(strings.Fields(strings.Join(lines[i:end], " ")), " ")
		if len(sentence) > longest {
			continue
		}
		sentence = strings.ToLower(sentence[:1]) + sentence[1:]
		return strings.Join(append(append(append([]string{}, lines[:i]...), sentence), lines[end:]...), "\n")
	}
	return text
}
