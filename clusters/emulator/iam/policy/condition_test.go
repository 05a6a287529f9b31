package policy

import (
	"fmt"
	"testing"
)

// values of one condition key in a request; nil means that the key is absent.
type values []string

func TestConditions(t *testing.T) {
	const (
		operators = "reference_policies_elements_condition_operators"
		sets      = "reference_policies_multi-value-conditions"
		multiple  = "reference_policies_condition-logic-multiple-context-keys-or-values"
	)
	tests := []struct {
		source    string
		condition string
		request   values
		want      bool
	}{
		{operators + " String", `{"StringEquals":{"k:x":"Red"}}`, values{"Red"}, true},
		{operators + " String: case sensitive", `{"StringEquals":{"k:x":"Red"}}`, values{"red"}, false},
		{operators + " String: absent key", `{"StringEquals":{"k:x":"Red"}}`, nil, false},
		{operators + " String: no wildcards", `{"StringEquals":{"k:x":"R*"}}`, values{"Red"}, false},
		{operators + " String: no wildcards", `{"StringEquals":{"k:x":"R*"}}`, values{"R*"}, true},
		{operators + " String: negated", `{"StringNotEquals":{"k:x":"Red"}}`, values{"Blue"}, true},
		{operators + " String: negated", `{"StringNotEquals":{"k:x":"Red"}}`, values{"Red"}, false},
		{operators + " Important: a negated operator is true of an absent key", `{"StringNotEquals":{"k:x":"Red"}}`, nil, true},
		{operators + " String: ignoring case", `{"StringEqualsIgnoreCase":{"k:x":"Red"}}`, values{"rED"}, true},
		{operators + " String: ignoring case", `{"StringNotEqualsIgnoreCase":{"k:x":"Red"}}`, values{"rED"}, false},
		{operators + " String: multi-character wildcard", `{"StringLike":{"k:x":"home/*"}}`, values{"home/a/b"}, true},
		{operators + " String: single-character wildcard", `{"StringLike":{"k:x":"h?me"}}`, values{"home"}, true},
		{operators + " String: single-character wildcard", `{"StringLike":{"k:x":"h?me"}}`, values{"hme"}, false},
		{operators + " String: like is case sensitive", `{"StringLike":{"k:x":"Home*"}}`, values{"home"}, false},
		{operators + " String: the example's empty prefix", `{"StringLike":{"k:x":["","home/"]}}`, values{""}, true},
		{operators + " Important: StringNotLike and an absent key", `{"StringNotLike":{"k:x":"a*"}}`, nil, true},
		{operators + " String: negated like", `{"StringNotLike":{"k:x":"a*"}}`, values{"abc"}, false},
		{multiple + ": values are alternatives", `{"StringEquals":{"k:x":["Red","Blue"]}}`, values{"Blue"}, true},
		{multiple + ": NOR for a negated operator", `{"StringNotEquals":{"k:x":["Red","Blue"]}}`, values{"Blue"}, false},
		{multiple + ": operators are all required", `{"StringLike":{"k:x":"R*"},"StringNotEquals":{"k:x":"Red"}}`, values{"Red"}, false},
		{multiple + ": operators are all required", `{"StringLike":{"k:x":"R*"},"StringNotEquals":{"k:x":"Red"}}`, values{"Rot"}, true},

		{operators + " Numeric", `{"NumericEquals":{"k:x":"10"}}`, values{"10.0"}, true},
		{operators + " Numeric: quotation marks are optional (reference_policies_grammar)", `{"NumericLessThanEquals":{"k:x":10}}`, values{"10"}, true},
		{operators + " Numeric", `{"NumericLessThan":{"k:x":"10"}}`, values{"9.99"}, true},
		{operators + " Numeric: not by text", `{"NumericLessThan":{"k:x":"10"}}`, values{"9"}, true},
		{operators + " Numeric", `{"NumericGreaterThan":{"k:x":"10"}}`, values{"10"}, false},
		{operators + " Numeric", `{"NumericGreaterThanEquals":{"k:x":"10"}}`, values{"10"}, true},
		{operators + " Numeric", `{"NumericNotEquals":{"k:x":"10"}}`, values{"11"}, true},
		{operators + " Numeric: absent", `{"NumericLessThan":{"k:x":"10"}}`, nil, false},
		{"not a number matches nothing", `{"NumericLessThan":{"k:x":"10"}}`, values{"nine"}, false},
		{"not a number matches nothing", `{"NumericLessThan":{"k:x":"ten"}}`, values{"9"}, false},

		{operators + " Date", `{"DateGreaterThan":{"k:x":"2020-01-01T00:00:01Z"}}`, values{"2020-01-01T00:00:02Z"}, true},
		{operators + " Date: epoch", `{"DateLessThan":{"k:x":"1577836801"}}`, values{"2020-01-01T00:00:00Z"}, true},
		{operators + " Date: zone", `{"DateEquals":{"k:x":"2020-01-01T01:00:00+01:00"}}`, values{"2020-01-01T00:00:00Z"}, true},
		{operators + " Date: W3C day", `{"DateGreaterThanEquals":{"k:x":"2020-01-01"}}`, values{"2020-01-01T00:00:00Z"}, true},
		{operators + " Date", `{"DateLessThanEquals":{"k:x":"2020-01-01"}}`, values{"2020-01-01T00:00:01Z"}, false},
		{operators + " Date", `{"DateNotEquals":{"k:x":"2020-01-01"}}`, values{"2020-01-02"}, true},

		{operators + " Boolean", `{"Bool":{"k:x":"false"}}`, values{"false"}, true},
		{operators + " Boolean: quotation marks are optional (reference_policies_grammar)", `{"Bool":{"k:x":true}}`, values{"true"}, true},
		{operators + " Boolean", `{"Bool":{"k:x":"true"}}`, values{"false"}, false},
		{operators + " Boolean: absent", `{"Bool":{"k:x":"false"}}`, nil, false},

		{operators + " Binary", `{"BinaryEquals":{"k:x":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, values{"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}, true},
		{operators + " Binary", `{"BinaryEquals":{"k:x":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}}`, values{"QmluYXJ5"}, false},

		{operators + " IP address", `{"IpAddress":{"k:x":"203.0.113.0/24"}}`, values{"203.0.113.255"}, true},
		{operators + " IP address", `{"IpAddress":{"k:x":"203.0.113.0/24"}}`, values{"203.0.114.0"}, false},
		{operators + " IP address: default prefix /32", `{"IpAddress":{"k:x":"203.0.113.7"}}`, values{"203.0.113.7"}, true},
		{operators + " IP address: IPv6", `{"IpAddress":{"k:x":["203.0.113.0/24","2001:DB8:1234:5678::/64"]}}`, values{"2001:db8:1234:5678::1"}, true},
		{operators + " IP address", `{"NotIpAddress":{"k:x":"203.0.113.0/24"}}`, values{"203.0.113.1"}, false},
		{operators + " IP address", `{"NotIpAddress":{"k:x":"203.0.113.0/24"}}`, values{"198.51.100.1"}, true},
		{"an address seen through an IPv4-mapped IPv6 socket", `{"IpAddress":{"k:x":"203.0.113.0/24"}}`, values{"::ffff:203.0.113.1"}, true},

		{operators + " ARN: components apart", `{"ArnLike":{"k:x":"arn:aws:someservice:*:111122223333:finance/*"}}`, values{"arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"}, false},
		{operators + " ARN: StringLike crosses components", `{"StringLike":{"k:x":"arn:aws:someservice:*:111122223333:finance/*"}}`, values{"arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"}, true},
		{operators + " ARN: equals is like", `{"ArnEquals":{"k:x":"arn:aws:eks:*:*:cluster/*"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, true},
		{operators + " ARN: case sensitive", `{"ArnEquals":{"k:x":"arn:aws:eks:*:*:cluster/Blue"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, false},
		{operators + " ARN: the resource may hold colons", `{"ArnLike":{"k:x":"arn:aws:logs:*:*:log-group:*"}}`, values{"arn:aws:logs:r:1:log-group:a:b"}, true},
		{operators + " ARN: each component is required", `{"ArnLike":{"k:x":"*"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, false},
		{operators + " ARN: negated", `{"ArnNotLike":{"k:x":"arn:aws:eks:*:*:cluster/*"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, false},
		{operators + " Important: ArnNotLike and an absent key", `{"ArnNotEquals":{"k:x":"arn:aws:eks:*:*:cluster/*"}}`, nil, true},

		{operators + " IfExists: absent", `{"StringLikeIfExists":{"k:x":"t1.*"}}`, nil, true},
		{operators + " IfExists: present", `{"StringLikeIfExists":{"k:x":"t1.*"}}`, values{"m5.large"}, false},
		{operators + " IfExists: negated", `{"StringNotEqualsIfExists":{"k:x":"a"}}`, nil, true},
		{operators + " IfExists: of another family", `{"IpAddressIfExists":{"k:x":"10.0.0.0/8"}}`, nil, true},
		{operators + " Null: key must not exist", `{"Null":{"k:x":"true"}}`, nil, true},
		{operators + " Null: key must not exist", `{"Null":{"k:x":"true"}}`, values{"v"}, false},
		{operators + " Null: key must exist", `{"Null":{"k:x":"false"}}`, values{"v"}, true},
		{operators + " Null: key must exist", `{"Null":{"k:x":false}}`, nil, false},
		{operators + " Null: exists and its value is not null", `{"Null":{"k:x":"false"}}`, values{}, false},

		{sets + " ForAllValues", `{"ForAllValues:StringEquals":{"k:x":["PostDateTime","Message","Tags"]}}`, values{"PostDateTime", "Tags"}, true},
		{sets + " ForAllValues", `{"ForAllValues:StringEquals":{"k:x":["PostDateTime","Message","Tags"]}}`, values{"PostDateTime", "UserName"}, false},
		{sets + " ForAllValues: empty set", `{"ForAllValues:StringEquals":{"k:x":"a"}}`, values{}, true},
		{sets + " ForAllValues: absent", `{"ForAllValues:StringEquals":{"k:x":"a"}}`, nil, true},
		{sets + " ForAnyValue", `{"ForAnyValue:StringLike":{"k:x":["ID","Post*"]}}`, values{"Message", "PostDateTime"}, true},
		{sets + " ForAnyValue", `{"ForAnyValue:StringLike":{"k:x":["ID","Post*"]}}`, values{"UserName"}, false},
		{sets + " ForAnyValue: empty set", `{"ForAnyValue:StringLike":{"k:x":"*"}}`, values{}, false},
		{sets + " ForAnyValue: absent", `{"ForAnyValue:StringLike":{"k:x":"*"}}`, nil, false},
		{sets + " ForAnyValue: absent, negated too", `{"ForAnyValue:StringNotEquals":{"k:x":"a"}}`, nil, false},
		{sets + " ForAllValues negated", `{"ForAllValues:StringNotEquals":{"k:x":["a","b"]}}`, values{"c", "a"}, false},
		{sets + " ForAllValues negated", `{"ForAllValues:StringNotEquals":{"k:x":["a","b"]}}`, values{"c", "d"}, true},
		{sets + " ForAnyValue negated", `{"ForAnyValue:StringNotEquals":{"k:x":["a","b"]}}`, values{"c", "a"}, true},
		{sets + " ForAnyValue negated", `{"ForAnyValue:StringNotEquals":{"k:x":["a","b"]}}`, values{"a", "b"}, false},

		{"reference_policies_variables: key names are case-insensitive", `{"StringEquals":{"K:X":"Red"}}`, values{"Red"}, true},
	}
	for _, test := range tests {
		t.Run(test.source+" "+test.condition+fmt.Sprintf(" %q", []string(test.request)), func(t *testing.T) {
			document := mustParse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":`+test.condition+`}}`)
			context := Context{}
			if test.request != nil {
				context.Set("k:x", test.request...)
			}
			decision := Evaluate(&Request{
				Principal: user, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: context,
			}, &Policies{Identity: []Named{{"p", document}}})
			if decision.Allowed != test.want {
				t.Errorf("allowed = %v, want %v (%s)", decision.Allowed, test.want, decision.Explain())
			}
		})
	}
}
