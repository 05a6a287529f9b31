package policy

import (
	"fmt"
	"testing"
)

// values are those of one condition key in a request; nil means that the key is absent.
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

		{sets + ": an empty string is an empty set", `{"ForAllValues:StringEquals":{"k:x":"a"}}`, values{""}, true},
		{sets + ": an empty string is an empty set", `{"ForAnyValue:StringEquals":{"k:x":["","a"]}}`, values{""}, false},
		{sets + ": an empty string is an empty set, negated too", `{"ForAnyValue:StringNotEquals":{"k:x":"a"}}`, values{""}, false},
		{sets + ": an empty string among others is a value", `{"ForAllValues:StringEquals":{"k:x":"a"}}`, values{"a", ""}, false},
		{sets + ": of one value", `{"ForAnyValue:StringEquals":{"k:x":"a"}}`, values{"a"}, true},
		{sets + ": of numbers", `{"ForAllValues:NumericLessThan":{"k:x":"10"}}`, values{"1", "9.5"}, true},
		{sets + ": of numbers", `{"ForAnyValue:NumericGreaterThan":{"k:x":"10"}}`, values{"1", "9.5"}, false},
		{sets + ": of dates", `{"ForAnyValue:DateLessThan":{"k:x":"2026-01-01"}}`, values{"2027", "2025"}, true},
		{sets + ": of addresses", `{"ForAllValues:IpAddress":{"k:x":["10.0.0.0/8","192.0.2.0/24"]}}`, values{"10.0.0.1", "192.0.2.1"}, true},
		{sets + ": of addresses, negated", `{"ForAllValues:NotIpAddress":{"k:x":"10.0.0.0/8"}}`, values{"192.0.2.1", "10.0.0.1"}, false},
		{sets + ": of ARNs", `{"ForAllValues:ArnLike":{"k:x":"arn:aws:s3:::b*"}}`, values{"arn:aws:s3:::b1", "arn:aws:s3:::c"}, false},
		{sets + ": of ARNs, negated", `{"ForAnyValue:ArnNotEquals":{"k:x":"arn:aws:s3:::b"}}`, values{"arn:aws:s3:::b", "arn:aws:s3:::c"}, true},
		{sets + ": of booleans", `{"ForAllValues:Bool":{"k:x":"true"}}`, values{"true", "false"}, false},
		{sets + ": of bytes", `{"ForAnyValue:BinaryEquals":{"k:x":"YQ=="}}`, values{"Yg==", "YQ=="}, true},
		{sets + ": ignoring case", `{"ForAnyValue:StringEqualsIgnoreCase":{"k:x":"RED"}}`, values{"blue", "red"}, true},
		{sets + ": ignoring case, negated", `{"ForAllValues:StringNotEqualsIgnoreCase":{"k:x":"RED"}}`, values{"blue", "red"}, false},
		{sets + ": negated like", `{"ForAllValues:StringNotLike":{"k:x":["a*","b*"]}}`, values{"c", "d"}, true},
		{sets + ": negated like", `{"ForAnyValue:StringNotLike":{"k:x":["a*","b*"]}}`, values{"ax", "bx"}, false},
		{sets + " with IfExists", `{"ForAnyValue:StringLikeIfExists":{"k:x":"a*"}}`, nil, true},
		{sets + " with IfExists", `{"ForAnyValue:StringLikeIfExists":{"k:x":"a*"}}`, values{"b"}, false},
		{sets + " with IfExists", `{"ForAllValues:StringLikeIfExists":{"k:x":"a*"}}`, values{"b"}, false},
		{"reference_policies_condition_examples-multi-valued-context-keys: Null closes the hole of ForAllValues", `{"ForAllValues:StringEquals":{"k:x":"a"},"Null":{"k:x":"false"}}`, nil, false},
		{"reference_policies_condition_examples-multi-valued-context-keys: Null closes the hole of ForAllValues", `{"ForAllValues:StringEquals":{"k:x":"a"},"Null":{"k:x":"false"}}`, values{"a"}, true},

		{operators + " negated and absent: Numeric", `{"NumericNotEquals":{"k:x":"1"}}`, nil, true},
		{operators + " negated and absent: Date", `{"DateNotEquals":{"k:x":"2026"}}`, nil, true},
		{operators + " negated and absent: IP address", `{"NotIpAddress":{"k:x":"10.0.0.0/8"}}`, nil, true},
		{operators + " negated and absent: ARN", `{"ArnNotLike":{"k:x":"arn:aws:s3:::b"}}`, nil, true},
		{operators + " negated and absent: ignoring case", `{"StringNotEqualsIgnoreCase":{"k:x":"a"}}`, nil, true},
		{operators + " absent: Date", `{"DateLessThan":{"k:x":"2026"}}`, nil, false},
		{operators + " absent: Binary", `{"BinaryEquals":{"k:x":"YQ=="}}`, nil, false},
		{operators + " absent: IP address", `{"IpAddress":{"k:x":"10.0.0.0/8"}}`, nil, false},
		{operators + " absent: ARN", `{"ArnEquals":{"k:x":"arn:aws:s3:::b"}}`, nil, false},
		{operators + " absent: like anything", `{"StringLike":{"k:x":"*"}}`, nil, false},
		{operators + " IfExists: Numeric", `{"NumericLessThanIfExists":{"k:x":"1"}}`, nil, true},
		{operators + " IfExists: Date", `{"DateGreaterThanIfExists":{"k:x":"2026"}}`, nil, true},
		{operators + " IfExists: Bool", `{"BoolIfExists":{"k:x":"true"}}`, nil, true},
		{operators + " IfExists: Bool, present", `{"BoolIfExists":{"k:x":"true"}}`, values{"false"}, false},
		{operators + " IfExists: Binary", `{"BinaryEqualsIfExists":{"k:x":"YQ=="}}`, nil, true},
		{operators + " IfExists: ARN", `{"ArnLikeIfExists":{"k:x":"arn:aws:s3:::b"}}`, nil, true},
		{operators + " IfExists: other conditions still count", `{"StringEqualsIfExists":{"k:x":"a"},"StringEquals":{"k:y":"b"}}`, nil, false},
		{operators + " Null: either", `{"Null":{"k:x":["true","false"]}}`, nil, true},
		{operators + " Null: an empty string is a value", `{"Null":{"k:x":"false"}}`, values{""}, true},
		{operators + " Null: neither true nor false", `{"Null":{"k:x":"yes"}}`, nil, false},
		{multiple + ": NOR for numbers", `{"NumericNotEquals":{"k:x":["1","2"]}}`, values{"2.0"}, false},
		{multiple + ": NOR for dates", `{"DateNotEquals":{"k:x":["2025","2026"]}}`, values{"2026-01-01"}, false},
		{multiple + ": NOR for addresses", `{"NotIpAddress":{"k:x":["10.0.0.0/8","192.0.2.0/24"]}}`, values{"192.0.2.1"}, false},
		{multiple + ": NOR for ARNs", `{"ArnNotLike":{"k:x":["arn:aws:s3:::a","arn:aws:s3:::b*"]}}`, values{"arn:aws:s3:::bc"}, false},
		{multiple + ": alternatives of numbers", `{"NumericLessThan":{"k:x":["1","10"]}}`, values{"5"}, true},
		{multiple + ": keys are all required", `{"StringEquals":{"k:x":"a","k:y":"b"}}`, values{"a"}, false},

		{"reference_policies_elements_condition_operators, catalogue: bare listing", `{"StringEquals":{"k:x":""}}`, values{""}, true},
		{"a bare listing is not one without a prefix", `{"StringEquals":{"k:x":""}}`, nil, false},
		{operators + " String: a star in the request is no wildcard", `{"StringLike":{"k:x":"a"}}`, values{"*"}, false},
		{operators + " String: one character is one, not one byte", `{"StringLike":{"k:x":"caf?"}}`, values{"café"}, true},
		{operators + " Numeric: larger than any machine word", `{"NumericGreaterThan":{"k:x":"99999999999999999999"}}`, values{"100000000000000000000"}, true},
		{operators + " Numeric: negative", `{"NumericLessThan":{"k:x":"-1.5"}}`, values{"-1.50001"}, true},
		{operators + " Numeric: no wildcards", `{"NumericEquals":{"k:x":"1*"}}`, values{"10"}, false},
		{operators + " Numeric: zero has no sign", `{"NumericEquals":{"k:x":"0"}}`, values{"-0.0"}, true},
		{operators + " Date: epoch against epoch", `{"DateLessThanEquals":{"k:x":1577836801}}`, values{"1577836801"}, true},
		{operators + " Date: fractions", `{"DateGreaterThan":{"k:x":"2020-01-01T00:00:00Z"}}`, values{"2020-01-01T00:00:00.001Z"}, true},
		{operators + " Date: minutes", `{"DateEquals":{"k:x":"2020-01-01T00:00Z"}}`, values{"2020-01-01T01:00:00+01:00"}, true},
		{operators + " Date: W3C month", `{"DateGreaterThanEquals":{"k:x":"2020-02"}}`, values{"2020-02-01"}, true},
		{"W3C NOTE-datetime: a time has a zone", `{"DateGreaterThan":{"k:x":"2020"}}`, values{"2021-01-01T00:00:00"}, false},
		{operators + " Boolean: not a boolean", `{"Bool":{"k:x":"true"}}`, values{"1"}, false},
		{operators + " Binary: not base64", `{"BinaryEquals":{"k:x":"YQ=="}}`, values{"a"}, false},
		{operators + " IP address: not an address", `{"IpAddress":{"k:x":"0.0.0.0/0"}}`, values{"localhost"}, false},
		{operators + " IP address: a range is not its first address", `{"IpAddress":{"k:x":"10.0.0.7/8"}}`, values{"10.200.0.1"}, true},
		{operators + " IP address: IPv4 is not IPv6", `{"IpAddress":{"k:x":"::/0"}}`, values{"10.0.0.1"}, false},
		{operators + " ARN: wildcards in each component", `{"ArnLike":{"k:x":"arn:*:e?s:*:123*:cluster/*"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, true},
		{operators + " ARN: a star does not leave its component", `{"ArnLike":{"k:x":"arn:aws:eks:*:cluster/*"}}`, values{"arn:aws:eks:us-west-2:123456789012:cluster/blue"}, false},
		{operators + " ARN: not an ARN", `{"ArnNotLike":{"k:x":"arn:aws:eks:*:*:*"}}`, values{"blue"}, true},

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
