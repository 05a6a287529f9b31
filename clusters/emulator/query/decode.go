package query

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxMembers bounds a list in a request.
const maxMembers = 1000

// Decode reads all parameters into the struct that into points to. A field has the parameter of its name, or of the tag
// `query:"Name"`; Dots nest structures. The members of a list count from 1 after infix, which is ".member" in the Query
// protocol and "" in EC2's. A pointer stays nil if the request has no such parameter. A parameter without a field is an
// UnknownParameter, except Action, Version and DryRun.
func (p Parameters) Decode(into any, infix string) error {
	d := decoder{p: p, infix: infix, used: map[string]bool{"Action": true, "Version": true, "DryRun": true}}
	for name := range p {
		// The parameters below a name are found by its prefixes.
		for at := range name {
			if name[at] == '.' {
				d.prefixes = append(d.prefixes, name[:at])
			}
		}
	}
	slices.Sort(d.prefixes)
	d.prefixes = slices.Compact(d.prefixes)
	if err := d.structure("", reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	var unknown []string
	for name := range p {
		if !d.used[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return Errorf("UnknownParameter", http.StatusBadRequest, "The parameter %s is not recognized", unknown[0])
	}
	return nil
}

type decoder struct {
	p        Parameters
	infix    string
	prefixes []string
	used     map[string]bool
}

// given says whether there is a parameter of that name or below it.
func (d *decoder) given(name string) bool {
	_, below := slices.BinarySearch(d.prefixes, name)
	return below || d.p.Has(name)
}

func (d *decoder) structure(prefix string, value reflect.Value) error {
	for n := range value.NumField() {
		field := value.Type().Field(n)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := d.structure(prefix, value.Field(n)); err != nil {
				return err
			}
			continue
		}
		name := field.Name
		if tag := field.Tag.Get("query"); tag != "" {
			name = tag
		}
		if prefix != "" {
			name = prefix + "." + name
		}
		if err := d.value(name, value.Field(n)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) value(name string, value reflect.Value) error {
	if !d.given(name) {
		return nil
	}
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		return d.value(name, value.Elem())
	case reflect.Struct:
		return d.structure(name, value)
	case reflect.Slice:
		for n := 1; d.given(name + d.infix + "." + strconv.Itoa(n)); n++ {
			if n > maxMembers {
				return Errorf("InvalidParameterValue", http.StatusBadRequest, "The parameter %s has more than %d members", name, maxMembers)
			}
			member := reflect.New(value.Type().Elem()).Elem()
			if err := d.value(name+d.infix+"."+strconv.Itoa(n), member); err != nil {
				return err
			}
			value.Set(reflect.Append(value, member))
		}
		// An empty list is sent as its name with no value.
		if d.p.Has(name) && d.p.Get(name) == "" {
			d.used[name] = true
		}
		return nil
	}
	if !d.p.Has(name) {
		return nil
	}
	d.used[name] = true
	text, wrong := d.p.Get(name), error(nil)
	switch value.Kind() {
	case reflect.String:
		value.SetString(text)
	case reflect.Bool:
		var parsed bool
		parsed, wrong = strconv.ParseBool(strings.ToLower(text))
		value.SetBool(parsed)
	case reflect.Int:
		var parsed int
		parsed, wrong = strconv.Atoi(text)
		value.SetInt(int64(parsed))
	default:
		panic("query: no parameter is a " + value.Type().String())
	}
	if wrong != nil {
		return Errorf("InvalidParameterValue", http.StatusBadRequest, "Value (%s) for parameter %s is invalid.", text, name)
	}
	return nil
}
