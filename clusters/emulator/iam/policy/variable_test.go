package policy

import "testing"

// TestMissingVariables: "the value is effectively null. There is no equal or like value" and "Inverted condition operators
// like StringNotEquals or StringNotLike do match against a null value"; "the resource that includes a policy variable with
// no value will not match any resource" (reference_policies_variables, "Policy variables with no value"). Each row is
// decided as an Allow and as a Deny: the page does not distinguish them. Another place of the page says that a variable
// without a value "might cause the entire statement to be invalid". Only the section above says how.
func TestMissingVariables(t *testing.T) {
	const missing = "${aws:PrincipalTag/team}"
	tests := []struct {
		name, body string
		context    Context
		applies    bool
	}{
		{"resource", `"Action":"s3:*","Resource":"arn:aws:s3:::b/` + missing + `/*"`, nil, false},
		{"resource, after a star", `"Action":"s3:*","Resource":"arn:aws:s3:::*` + missing + `"`, nil, false},
		{"one resource of two", `"Action":"s3:*","Resource":["arn:aws:s3:::b/` + missing + `","arn:aws:s3:::b/*"]`, nil, true},
		{"resource with wildcards before the fifth colon", `"Action":"s3:*","Resource":"arn:aws:s3:*:*:b/` + missing + `"`, nil, false},
		{"NotResource excepts nothing", `"Action":"s3:*","NotResource":"arn:aws:s3:::b/` + missing + `/*"`, nil, true},
		{"StringEquals", `"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:x":"` + missing + `"}}`, Context{"k:x": {"red"}}, false},
		{"StringEquals, with an empty key", `"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:x":"` + missing + `"}}`, Context{"k:x": {""}}, false},
		{"StringEquals, one value of two", `"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:x":["` + missing + `","red"]}}`, Context{"k:x": {"red"}}, true},
		{"StringEqualsIgnoreCase", `"Action":"s3:*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"k:x":"` + missing + `"}}`, Context{"k:x": {"red"}}, false},
		{"StringLike", `"Action":"s3:*","Resource":"*","Condition":{"StringLike":{"k:x":"*` + missing + `*"}}`, Context{"k:x": {"red"}}, false},
		{"ArnLike", `"Action":"s3:*","Resource":"*","Condition":{"ArnLike":{"k:x":"arn:aws:s3:::` + missing + `*"}}`, Context{"k:x": {"arn:aws:s3:::b"}}, false},
		{"StringNotEquals: the page's example", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringNotEquals":{"s3:ExistingObjectTag/Team":"` + missing + `"}}`, Context{"s3:existingobjecttag/team": {"red"}}, true},
		{"StringNotEquals: neither has a value", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringNotEquals":{"s3:ExistingObjectTag/Team":"` + missing + `"}}`, nil, true},
		{"StringNotEquals: another value is the key's", `"Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"k:x":["` + missing + `","red"]}}`, Context{"k:x": {"red"}}, false},
		{"StringNotLike", `"Action":"s3:*","Resource":"*","Condition":{"StringNotLike":{"k:x":"` + missing + `*"}}`, Context{"k:x": {"red"}}, true},
		{"StringNotEqualsIgnoreCase", `"Action":"s3:*","Resource":"*","Condition":{"StringNotEqualsIgnoreCase":{"k:x":"` + missing + `"}}`, Context{"k:x": {"red"}}, true},
		{"ArnNotEquals", `"Action":"s3:*","Resource":"*","Condition":{"ArnNotEquals":{"k:x":"arn:aws:s3:::` + missing + `"}}`, Context{"k:x": {"arn:aws:s3:::b"}}, true},
		{"ForAllValues", `"Action":"s3:*","Resource":"*","Condition":{"ForAllValues:StringEquals":{"k:x":"` + missing + `"}}`, Context{"k:x": {"red"}}, false},
		{"ForAnyValue, negated", `"Action":"s3:*","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"k:x":"` + missing + `"}}`, Context{"k:x": {"red"}}, true},
		{"a default is a value", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'k'}"`, nil, true},
		{"a key with several values has none", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:TagKeys}"`, Context{"aws:tagkeys": {"k", "l"}}, false},
		{"a key with several values takes the default", `"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:TagKeys, 'k'}"`, Context{"aws:tagkeys": {"x", "y"}}, true},
		{"a key that is present and empty has none", `"Action":"s3:*","Resource":"arn:aws:s3:::b/k${k:x}"`, Context{"k:x": {}}, false},
		{"an empty value is a value", `"Action":"s3:*","Resource":"arn:aws:s3:::b/k${k:x}"`, Context{"k:x": {""}}, true},
	}
	request := func(context Context) *Request {
		return &Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: context}
	}
	allowAll := Named{"all", mustParse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*"`))}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			allow := Named{"p", mustParse(t, statement(`"Effect":"Allow",`+test.body))}
			if decision := Evaluate(request(test.context), &Policies{Identity: []Named{allow}}); decision.Allowed != test.applies {
				t.Errorf("as an Allow: %s", decision.Explain())
			}
			deny := Named{"p", mustParse(t, statement(`"Effect":"Deny",`+test.body))}
			if decision := Evaluate(request(test.context), &Policies{Identity: []Named{allowAll, deny}}); decision.Explicit != test.applies {
				t.Errorf("as a Deny: %s", decision.Explain())
			}
		})
	}
}

// TestWhereVariablesWork: reference_policies_variables, "Where you can use policy variables". They are refused in actions,
// principals and the names of keys: see TestParseErrors.
func TestWhereVariablesWork(t *testing.T) {
	context := Context{"k:x": {"v"}, "k:number": {"10"}, "k:date": {"2026-01-01"}, "k:truth": {"true"}, "k:ip": {"10.0.0.1"}, "k:bytes": {"dg=="}, "k:arn": {"arn:aws:s3:::v"}}
	tests := []struct {
		name, body string
		want       bool
	}{
		{"Resource", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${k:x}"`, true},
		{"NotResource", `"Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/${k:x}"`, false},
		{"Resource: key names compare without regard to case", `"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${K:X}"`, true},
		{"StringEquals", `"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:x":"${k:x}"}}`, true},
		{"StringNotEquals", `"Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"k:x":"${k:x}"}}`, false},
		{"StringEqualsIgnoreCase", `"Action":"s3:*","Resource":"*","Condition":{"StringEqualsIgnoreCase":{"k:arn":"ARN:aws:s3:::${k:x}"}}`, true},
		{"StringLike", `"Action":"s3:*","Resource":"*","Condition":{"StringLike":{"k:arn":"*${k:x}"}}`, true},
		{"ArnEquals", `"Action":"s3:*","Resource":"*","Condition":{"ArnEquals":{"k:arn":"arn:aws:s3:::${k:x}"}}`, true},
		{"not with Numeric", `"Action":"s3:*","Resource":"*","Condition":{"NumericEquals":{"k:number":"${k:number}"}}`, false},
		{"not with Bool", `"Action":"s3:*","Resource":"*","Condition":{"Bool":{"k:truth":"${k:truth}"}}`, false},
		{"not with Binary", `"Action":"s3:*","Resource":"*","Condition":{"BinaryEquals":{"k:bytes":"${k:bytes}"}}`, false},
		{"not with IpAddress", `"Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"k:ip":"${k:ip}"}}`, false},
		{"not with Null", `"Action":"s3:*","Resource":"*","Condition":{"Null":{"k:none":"${k:truth}"}}`, false},
		{"an escape in a condition", `"Action":"s3:*","Resource":"*","Condition":{"StringLike":{"k:x":"${*}"}}`, false},
		{"text that is no variable is text", `"Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"k:x":"${"}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			decision := Evaluate(&Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/v", Context: context},
				&Policies{Identity: []Named{{"p", mustParse(t, statement(`"Effect":"Allow",`+test.body))}}})
			if decision.Allowed != test.want {
				t.Errorf("allowed = %v, want %v", decision.Allowed, test.want)
			}
		})
	}
}
