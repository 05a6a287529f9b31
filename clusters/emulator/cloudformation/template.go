package cloudformation

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podidentity/epi/clusters/emulator/query"
)

// Limits of https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html.
const (
	maxTemplate  = 51200
	maxResources = 500
	maxOutputs   = 200
	// maxDepth bounds the nesting of a template.
	maxDepth = 64
)

// template is a parsed template. Values are string, bool, int, nil, []any and map[string]any. An intrinsic function is a
// map with one element, the function's name in the long form.
type template struct {
	description string
	mappings    map[string]any
	resources   map[string]declaration
	outputs     map[string]outputDeclaration
	// order has each resource after the resources that it depends on.
	order []string
}

// declaration of a resource.
type declaration struct {
	kind       string
	properties map[string]any
	depends    []string
	// retain says that the resource is kept when it is removed from the stack.
	retain bool
}

type outputDeclaration struct {
	description string
	value       any
	// export is nil if the output is not exported.
	export any
}

func invalid(format string, args ...any) *query.Error {
	return query.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}

var logicalID = regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`)

// parse reads a template in YAML or JSON, which is YAML. It refuses, by name, what the emulator does not support. The error
// is a ValidationError.
func parse(text string) (*template, error) {
	switch {
	case text == "":
		return nil, invalid("Either Template URL or Template Body must be specified.")
	case len(text) > maxTemplate:
		return nil, invalid("1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", maxTemplate)
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) != 1 {
		return nil, invalid("Template format error: JSON or YAML not well-formed: %v", err)
	}
	root, err := value(document.Content[0], 0)
	if err != nil {
		return nil, invalid("Template format error: %v", err)
	}
	sections, ok := root.(map[string]any)
	if !ok {
		return nil, invalid("Template format error: unsupported structure.")
	}
	t := &template{resources: map[string]declaration{}, outputs: map[string]outputDeclaration{}}
	for name, section := range sections {
		switch name {
		case "AWSTemplateFormatVersion":
			if section != "2010-09-09" {
				return nil, invalid("Template format error: Unresolved template version %v", section)
			}
		case "Description":
			if t.description, ok = section.(string); !ok {
				return nil, invalid("Template format error: Description must be a string.")
			}
		case "Metadata":
		case "Mappings":
			if t.mappings, ok = section.(map[string]any); !ok {
				return nil, invalid("Template format error: Mappings must be an object.")
			}
		case "Resources":
			err = t.readResources(section)
		case "Outputs":
			err = t.readOutputs(section)
		case "Parameters", "Conditions", "Transform", "Rules":
			err = invalid("Template format error: the emulator does not have the section %s.", name)
		default:
			err = invalid("Invalid template property or properties [%s]", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(t.resources) == 0 {
		return nil, invalid("Template format error: At least one Resources member must be defined.")
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// value converts a node. Short forms of functions become long ones.
func value(node *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if name, short := strings.CutPrefix(node.Tag, "!"); short && !strings.HasPrefix(node.Tag, "!!") {
		return shortForm(node, name, depth)
	}
	switch node.Kind {
	case yaml.ScalarNode:
		switch node.Tag {
		case "!!null":
			return nil, nil
		case "!!bool":
			return strings.EqualFold(node.Value, "true"), nil
		case "!!int":
			if n, err := strconv.Atoi(node.Value); err == nil {
				return n, nil
			}
		}
		// Dates and fractions stay as text.
		return node.Value, nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			v, err := value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		fields := map[string]any{}
		for n := 0; n+1 < len(node.Content); n += 2 {
			key := node.Content[n].Value
			if _, twice := fields[key]; twice || node.Content[n].Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: key %q is there twice, or is no text", node.Content[n].Line, key)
			}
			v, err := value(node.Content[n+1], depth+1)
			if err != nil {
				return nil, err
			}
			fields[key] = v
		}
		return fields, nil
	}
	return nil, fmt.Errorf("line %d: anchors and aliases are not supported", node.Line)
}

func shortForm(node *yaml.Node, name string, depth int) (any, error) {
	plain := *node
	switch node.Kind {
	case yaml.ScalarNode:
		plain.Tag = "!!str"
	case yaml.SequenceNode:
		plain.Tag = "!!seq"
	default:
		plain.Tag = "!!map"
	}
	argument, err := value(&plain, depth+1)
	if err != nil {
		return nil, err
	}
	if name == "Ref" || name == "Condition" {
		return map[string]any{name: argument}, nil
	}
	if text, ok := argument.(string); ok && name == "GetAtt" {
		id, attribute, _ := strings.Cut(text, ".")
		argument = []any{id, attribute}
	}
	return map[string]any{"Fn::" + name: argument}, nil
}

func (t *template) readResources(section any) error {
	all, ok := section.(map[string]any)
	if !ok || len(all) > maxResources {
		return invalid("Template format error: Resources must be an object of at most %d members.", maxResources)
	}
	var unknown []string
	for id, body := range all {
		fields, ok := body.(map[string]any)
		if !ok || !logicalID.MatchString(id) {
			return invalid("Template format error: Resource name %s is non alphanumeric, or it is no object.", id)
		}
		d := declaration{properties: map[string]any{}}
		for name, field := range fields {
			good := true
			switch name {
			case "Type":
				d.kind, good = field.(string)
			case "Properties":
				if field != nil {
					d.properties, good = field.(map[string]any)
				}
			case "DependsOn":
				if text, one := field.(string); one {
					field = []any{text}
				}
				var list []any
				if list, good = field.([]any); good {
					for _, item := range list {
						text, ok := item.(string)
						good = good && ok
						d.depends = append(d.depends, text)
					}
				}
			case "DeletionPolicy":
				d.retain = field == "Retain"
				good = field == "Retain" || field == "Delete"
			case "UpdateReplacePolicy", "Metadata":
			default:
				return invalid("Template format error: the emulator does not have the attribute %s of resource %s.", name, id)
			}
			if !good {
				return invalid("Template format error: [/Resources/%s/%s] is not well-formed.", id, name)
			}
		}
		if _, known := kinds[d.kind]; !known {
			unknown = append(unknown, d.kind)
		}
		t.resources[id] = d
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return invalid("Template format error: Unrecognized resource types: [%s]", strings.Join(slices.Compact(unknown), ", "))
	}
	return nil
}

func (t *template) readOutputs(section any) error {
	all, ok := section.(map[string]any)
	if !ok || len(all) > maxOutputs {
		return invalid("Template format error: Outputs must be an object of at most %d members.", maxOutputs)
	}
	for name, body := range all {
		fields, ok := body.(map[string]any)
		if !ok || !logicalID.MatchString(name) {
			return invalid("Template format error: Output %s is malformed.", name)
		}
		var d outputDeclaration
		for field, v := range fields {
			switch field {
			case "Value":
				d.value = v
			case "Description":
				d.description, _ = v.(string)
			case "Export":
				export, ok := v.(map[string]any)
				if !ok || len(export) != 1 || export["Name"] == nil {
					return invalid("Template format error: Output %s is malformed. Its Export must have a Name.", name)
				}
				d.export = export["Name"]
			default:
				return invalid("Template format error: the emulator does not have the attribute %s of output %s.", field, name)
			}
		}
		if d.value == nil {
			return invalid("Template format error: Output %s is malformed. The Value field of every Outputs member must be specified.", name)
		}
		t.outputs[name] = d
	}
	return nil
}

// check checks all references, and orders the resources.
func (t *template) check() error {
	needs := map[string][]string{}
	for id, d := range t.resources {
		found, err := t.references(d.properties, "Resources")
		if err != nil {
			return err
		}
		for _, other := range d.depends {
			if _, ok := t.resources[other]; !ok {
				return invalid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", other)
			}
		}
		needs[id] = append(found, d.depends...)
		slices.Sort(needs[id])
		needs[id] = slices.Compact(needs[id])
		d.depends = needs[id]
		t.resources[id] = d
	}
	for _, d := range t.outputs {
		for _, v := range []any{d.value, d.export} {
			if _, err := t.references(v, "Outputs"); err != nil {
				return err
			}
		}
	}
	done := map[string]bool{}
	for len(t.order) < len(t.resources) {
		before := len(t.order)
		for _, id := range slices.Sorted(maps.Keys(t.resources)) {
			if !done[id] && !slices.ContainsFunc(needs[id], func(other string) bool { return !done[other] }) {
				done[id] = true
				t.order = append(t.order, id)
			}
		}
		if len(t.order) == before {
			var circle []string
			for _, id := range slices.Sorted(maps.Keys(t.resources)) {
				if !done[id] {
					circle = append(circle, id)
				}
			}
			return invalid("Circular dependency between resources: [%s]", strings.Join(circle, ", "))
		}
	}
	return nil
}

// references returns the resources that a value names. It refuses functions and names that do not exist.
func (t *template) references(v any, block string) ([]string, error) {
	var found []string
	err := walk(v, func(name string, argument any) error {
		names, err := referenced(name, argument)
		if err != nil {
			return err
		}
		for _, other := range names {
			if _, ok := t.resources[other]; !ok {
				return invalid("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", other, block)
			}
		}
		found = append(found, names...)
		return nil
	})
	return found, err
}

// walk calls do for each function in a value.
func walk(v any, do func(name string, argument any) error) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := walk(item, do); err != nil {
				return err
			}
		}
	case map[string]any:
		if name, argument, ok := function(v); ok {
			if err := do(name, argument); err != nil {
				return err
			}
		}
		for _, item := range v {
			if err := walk(item, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// function says whether a map is a call of an intrinsic function.
func function(v map[string]any) (name string, argument any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for name, argument = range v {
		ok = name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::")
	}
	return name, argument, ok
}

// substitution is a ${name} of Fn::Sub. ${!name} is not one.
var substitution = regexp.MustCompile(`\$\{([^}]*)\}`)

// referenced are the resources that a call itself names.
func referenced(name string, argument any) ([]string, error) {
	switch name {
	case "Ref":
		id, ok := argument.(string)
		switch {
		case !ok:
			return nil, invalid("Template format error: All Fn:Ref functions must be strings")
		case pseudo[id]:
			return nil, nil
		case strings.HasPrefix(id, "AWS::"):
			return nil, invalid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", id)
		}
		return []string{id}, nil
	case "Fn::GetAtt":
		parts, err := getAtt(argument)
		if err != nil {
			return nil, err
		}
		return parts[:1], nil
	case "Fn::Sub":
		text, variables, err := sub(argument)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, match := range substitution.FindAllStringSubmatch(text, -1) {
			if _, own := variables[match[1]]; own || pseudo[match[1]] || strings.HasPrefix(match[1], "!") {
				continue
			}
			id, _, _ := strings.Cut(match[1], ".")
			names = append(names, id)
		}
		return names, nil
	case "Fn::Join", "Fn::FindInMap", "Fn::ImportValue", "Fn::Select", "Fn::Split", "Fn::Cidr":
		return nil, nil
	}
	return nil, invalid("Template error: the emulator does not have the function %s. It has Ref, Fn::Cidr, Fn::FindInMap, Fn::GetAtt, Fn::ImportValue, Fn::Join, Fn::Select, Fn::Split and Fn::Sub", name)
}

func getAtt(argument any) ([]string, error) {
	list, ok := argument.([]any)
	if text, one := argument.(string); one {
		id, attribute, _ := strings.Cut(text, ".")
		list, ok = []any{id, attribute}, true
	}
	var parts []string
	for _, item := range list {
		text, is := item.(string)
		ok = ok && is && text != ""
		parts = append(parts, text)
	}
	if !ok || len(parts) != 2 {
		return nil, invalid("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	return parts, nil
}

// sub returns the text of Fn::Sub and its variables.
func sub(argument any) (string, map[string]any, error) {
	if text, ok := argument.(string); ok {
		return text, nil, nil
	}
	if list, ok := argument.([]any); ok && len(list) == 2 {
		text, isText := list[0].(string)
		variables, isMap := list[1].(map[string]any)
		if isText && isMap {
			return text, variables, nil
		}
	}
	return "", nil, invalid("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
}

// pseudo parameters.
var pseudo = map[string]bool{
	"AWS::StackName": true, "AWS::StackId": true, "AWS::Region": true, "AWS::AccountId": true, "AWS::Partition": true, "AWS::URLSuffix": true, "AWS::NoValue": true,
}

// imports are the names of exports that a template uses, as far as they are known before it runs.
func (t *template) imports(e *environment) []string {
	var names []string
	collect := func(name string, argument any) error {
		if name == "Fn::ImportValue" {
			if text, err := e.text(argument); err == nil {
				names = append(names, text)
			}
		}
		return nil
	}
	for _, d := range t.resources {
		_ = walk(d.properties, collect) // collect never fails
	}
	for _, d := range t.outputs {
		_ = walk(d.value, collect) // collect never fails
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var errNoValue = errors.New("AWS::NoValue")
