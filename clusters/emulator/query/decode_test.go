package query

import (
	"errors"
	"reflect"
	"testing"
)

type filter struct {
	Name   string
	Values []string `query:"Value"`
}

type decoded struct {
	VpcID    string `query:"VpcId"`
	Max      *int
	Enabled  *struct{ Value bool }
	Filters  []filter `query:"Filter"`
	DeepList []struct{ Tags []struct{ Key, Value string } }
}

// TestDecode: lists and structures as in https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html.
func TestDecode(t *testing.T) {
	five := 5
	for _, test := range []struct {
		name       string
		parameters Parameters
		infix      string
		want       decoded
		code       string
	}{
		{"nothing", Parameters{"Action": {"X"}, "Version": {"1"}}, "", decoded{}, ""},
		{"values", Parameters{"VpcId": {"vpc-1"}, "Max": {"5"}, "Enabled.Value": {"true"}}, "", decoded{VpcID: "vpc-1", Max: &five, Enabled: &struct{ Value bool }{true}}, ""},
		{"lists", Parameters{"Filter.1.Name": {"a"}, "Filter.1.Value.1": {"x"}, "Filter.1.Value.2": {"y"}, "Filter.2.Name": {"b"}}, "", decoded{Filters: []filter{{"a", []string{"x", "y"}}, {Name: "b"}}}, ""},
		{"lists of Query", Parameters{"DeepList.member.1.Tags.member.1.Key": {"k"}, "DeepList.member.1.Tags.member.1.Value": {""}}, ".member", decoded{DeepList: []struct{ Tags []struct{ Key, Value string } }{{[]struct{ Key, Value string }{{"k", ""}}}}}, ""},
		{"an empty list", Parameters{"Filter": {""}}, "", decoded{}, ""},
		{"unknown", Parameters{"VpcName": {"x"}}, "", decoded{}, "UnknownParameter"},
		{"unknown in a member", Parameters{"Filter.1.Name": {"a"}, "Filter.1.Vale.1": {"x"}}, "", decoded{}, "UnknownParameter"},
		{"a gap", Parameters{"Filter.2.Name": {"a"}}, "", decoded{}, "UnknownParameter"},
		{"from 0", Parameters{"Filter.0.Name": {"a"}}, "", decoded{}, "UnknownParameter"},
		{"a list of the other protocol", Parameters{"Filter.member.1.Name": {"a"}}, "", decoded{}, "UnknownParameter"},
		{"a structure for a value", Parameters{"VpcId.1": {"a"}}, "", decoded{}, "UnknownParameter"},
		{"no number", Parameters{"Max": {"five"}}, "", decoded{}, "InvalidParameterValue"},
		{"no boolean", Parameters{"Enabled.Value": {"yes"}}, "", decoded{}, "InvalidParameterValue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got decoded
			err := test.parameters.Decode(&got, test.infix)
			refusal, _ := errors.AsType[*Error](err)
			switch {
			case test.code == "" && (err != nil || !reflect.DeepEqual(got, test.want)):
				t.Errorf("got %+v, %v", got, err)
			case test.code != "" && (refusal == nil || refusal.Code != test.code):
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("Filter.1.Name", "x", "Filter.1.Value.1", "5")
	f.Add("Filter.", "x", "..", "")
	f.Add("Max", "99999999999999999999", "Enabled", "true")
	f.Fuzz(func(t *testing.T, name, value, other, second string) {
		var got decoded
		p := Parameters{name: {value}, other: {second}}
		err := p.Decode(&got, "")
		if err == nil && name == "VpcId" && name != other && got.VpcID != value {
			t.Errorf("%q became %q", value, got.VpcID)
		}
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Errorf("%v is no answer", err)
		}
	})
}
