package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shape is a schema's description of an element: its attributes, with the form of those that have one, and its children in
// their order.
type shape struct {
	required, optional []string
	// children by name. ordered says that they have this order, and choice that there is at most one.
	children        []string
	ordered, choice bool
	// must are the required children.
	must []string
}

// forms of attributes, in both schemas.
var forms = map[string]*regexp.Regexp{
	"time": regexp.MustCompile(`^\d+(\.\d+)?$`), "timestamp": regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`),
	"tests": regexp.MustCompile(`^\d+$`), "failures": regexp.MustCompile(`^\d+$`), "errors": regexp.MustCompile(`^\d+$`),
	"skipped": regexp.MustCompile(`^\d+$`), "id": regexp.MustCompile(`^\d+$`),
	"name": regexp.MustCompile(`\S`), "package": regexp.MustCompile(`\S`), "hostname": regexp.MustCompile(`\S`), "classname": regexp.MustCompile(`\S`),
}

// schemas describe the two that are in use, for the elements that epi writes.
var schemas = map[string]map[string]shape{
	// https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
	"Jenkins": {
		"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
		"testsuite": {
			required: []string{"name", "tests", "failures", "errors"},
			optional: []string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
			children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
		},
		"properties": {children: []string{"property"}},
		"property":   {required: []string{"name", "value"}},
		"testcase": {
			required: []string{"name"}, optional: []string{"time", "classname", "group"},
			children: []string{"skipped", "error", "failure", "system-out", "system-err"},
		},
		"skipped": {optional: []string{"type", "message"}}, "error": {optional: []string{"type", "message"}}, "failure": {optional: []string{"type", "message"}},
		"system-out": {}, "system-err": {},
	},
	// https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd
	"Ant": {
		"testsuites": {children: []string{"testsuite"}},
		"testsuite": {
			required: []string{"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id"}, optional: []string{"skipped"},
			children: []string{"properties", "testcase", "system-out", "system-err"}, ordered: true, must: []string{"properties", "system-out", "system-err"},
		},
		"properties": {children: []string{"property"}},
		"property":   {required: []string{"name", "value"}},
		"testcase":   {required: []string{"name", "classname", "time"}, children: []string{"skipped", "error", "failure"}, choice: true},
		"skipped":    {optional: []string{"message"}}, // of any type
		"error":      {required: []string{"type"}, optional: []string{"message"}}, "failure": {required: []string{"type"}, optional: []string{"message"}},
		"system-out": {}, "system-err": {},
	},
}

// breaches lists a document's violations of a schema.
func breaches(schema map[string]shape, document []byte) []string {
	type open struct {
		name     string
		children []string
	}
	var problems []string
	var stack []open
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return problems
		}
		if err != nil {
			return append(problems, err.Error())
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if len(stack) == 0 && name != "testsuites" {
				problems = append(problems, "it begins with "+name)
			}
			if n := len(stack); n > 0 {
				stack[n-1].children = append(stack[n-1].children, name)
			}
			stack = append(stack, open{name: name})
			known, ok := schema[name]
			if !ok {
				problems = append(problems, "no element "+name)
				continue
			}
			lacking := slices.Clone(known.required)
			for _, attribute := range token.Attr {
				key := attribute.Name.Local
				lacking = slices.DeleteFunc(lacking, func(other string) bool { return other == key })
				if !slices.Contains(known.required, key) && !slices.Contains(known.optional, key) {
					problems = append(problems, fmt.Sprintf("%s has no attribute %s", name, key))
				}
				if form := forms[key]; form != nil && !form.MatchString(attribute.Value) {
					problems = append(problems, fmt.Sprintf("%s of %s is %q", key, name, attribute.Value))
				}
			}
			for _, key := range lacking {
				problems = append(problems, fmt.Sprintf("%s lacks %s", name, key))
			}
		case xml.EndElement:
			last := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			problems = append(problems, schema[last.name].breached(last.name, last.children)...)
		}
	}
}

func (s shape) breached(name string, children []string) []string {
	var problems []string
	at := 0
	for _, child := range children {
		i := slices.Index(s.children, child)
		switch {
		case i < 0:
			problems = append(problems, fmt.Sprintf("%s has no %s", name, child))
		case s.ordered && i < at:
			problems = append(problems, fmt.Sprintf("%s is at the wrong place in %s", child, name))
		default:
			at = i
		}
	}
	if s.choice && len(children) > 1 {
		problems = append(problems, fmt.Sprintf("%s has %s", name, strings.Join(children, " and ")))
	}
	for _, child := range s.must {
		if !slices.Contains(children, child) {
			problems = append(problems, fmt.Sprintf("%s lacks %s", name, child))
		}
	}
	return problems
}

func TestJUnitKeepsToTheSchemasInUse(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("without xmllint (Debian: libxml2-utils) testdata/junit.xsd is not asked too")
	}
	for name, run := range samples() {
		document := written(t, of(WriteJUnit), run)
		for who, schema := range schemas {
			for _, problem := range breaches(schema, document) {
				t.Errorf("%s, by the schema of %s: %s", name, who, problem)
			}
		}
		if xmllint == "" {
			continue
		}
		command := exec.CommandContext(t.Context(), xmllint, "--noout", "--nonet", "--huge", "--schema", "testdata/junit.xsd", "-")
		command.Stdin = bytes.NewReader(document)
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s, by xmllint: %v\n%.2000s", name, err, output)
		}
	}
}

// The check itself finds earlier errors, and similar ones.
func TestBreachesOfSchemas(t *testing.T) {
	const suite = `<testsuites><testsuite name="a" package="a" id="0" hostname="h" timestamp="2026-11-23T14:15:00" tests="1" failures="0" errors="0" skipped="0" time="1.000">`
	const end = `<system-out></system-out><system-err></system-err></testsuite></testsuites>`
	for document, want := range map[string]map[string]string{
		suite + `<properties></properties><testcase name="t" classname="c" time="1"/>` + end:                                               {},
		suite + `<properties></properties><testcase name="t" classname="c" time="1" file="a.go"/>` + end:                                   {"Jenkins": "testcase has no attribute file", "Ant": "testcase has no attribute file"},
		suite + `<properties></properties><testcase name="t" classname="c" time="1"><properties/></testcase>` + end:                        {"Jenkins": "testcase has no properties", "Ant": "testcase has no properties"},
		suite + `<properties></properties><testcase name="t" classname="c" time="1"><system-out/></testcase>` + end:                        {"Ant": "testcase has no system-out"},
		suite + `<properties></properties><testcase name="t" classname="c" time="1"><failure type="x"/><error type="x"/></testcase>` + end: {"Ant": "testcase has failure and error"},
		suite + `<properties></properties><testcase name="t" classname="c" time="1"><failure/></testcase>` + end:                           {"Ant": "failure lacks type"},
		suite + `<testcase name="t" classname="c" time="1"/><properties></properties>` + end:                                               {"Ant": "properties is at the wrong place in testsuite"},
		`<testsuites skipped="0"></testsuites>`: {"Jenkins": "testsuites has no attribute skipped", "Ant": "testsuites has no attribute skipped"},
		`<testsuites><testsuite name="a" tests="x" failures="0" errors="0" skipped="0" time="1"><properties/>` + end: {"Jenkins": `tests of testsuite is "x"`, "Ant": "testsuite lacks timestamp"},
		`<report></report>`: {"Jenkins": "it begins with report", "Ant": "it begins with report"},
	} {
		for who, schema := range schemas {
			found := breaches(schema, []byte(document))
			if want[who] == "" && len(found) > 0 || want[who] != "" && !slices.Contains(found, want[who]) {
				t.Errorf("%s finds %q in %s, want %q", who, found, document, want[who])
			}
		}
	}
}

// A search for a requirement finds it in the names of cases.
func TestJUnitNamesRequirements(t *testing.T) {
	document := string(written(t, of(WriteJUnit), failing()))
	for _, spec := range failing().Specs {
		for _, id := range spec.Requirements {
			if !regexp.MustCompile(`<testcase [^>]*name="[^"]*\[[^"\]]*` + regexp.QuoteMeta(id) + `[^"\]]*\]"`).MatchString(document) {
				t.Errorf("%s is in no name of a case", id)
			}
		}
	}
}
