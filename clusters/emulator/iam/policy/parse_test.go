package policy

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	const (
		grammar   = "reference_policies_grammar"
		notes     = "reference_policies_grammar, notes"
		operators = "reference_policies_elements_condition_operators"
		resource  = "reference_policies_elements_resource"
		who       = "reference_policies_elements_principal"
		variables = "reference_policies_variables"
		vendor    = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: "
	)
	tests := []struct {
		source, text, want string
	}{
		{"JSON", ``, "not valid JSON: the text ends too early (line 1, column 1)"},
		{"JSON", `{"Version":"2012-10-17","Statement":[`, "not valid JSON: the text ends too early (line 1, column 38)"},
		{"JSON", "{\n\"Statement\": {\n  Effect\n}}", "not valid JSON: "},
		{"JSON", statement(`"Effect":"Allow","Action":"s3:*"`) + "x", "text after the policy's closing brace (line 1, column 72)"},
		{"JSON: bounded", `{"Statement":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested too deep (line 1, column 30)"},
		{"JSON: bounded", strings.Repeat(" ", maxText+1), "longer than"},
		{grammar, `[]`, "Syntax errors in policy.: the document must be an object (line 1, column 1)"},
		{grammar, `"policy"`, "Syntax errors in policy.: the document must be an object (line 1, column 1)"},

		{grammar + ": Version", "{\n  \"Version\": \"2012-10-18\"}", "The policy must contain a valid version string: 2012-10-17 or 2008-10-17 (Version, line 2, column 14)"},
		{grammar + ": Version", `{"Version":20121017}`, "valid version string: 2012-10-17 or 2008-10-17 (Version, line 1, column 12)"},
		{grammar + ": Version", `{"Version":["2012-10-17"]}`, "valid version string"},
		{grammar + ": Id", `{"Id":{},"Statement":[]}`, "Syntax errors in policy.: Id must be a string (Id, line 1, column 7)"},
		{grammar + ": Statement", `{"Version":"2012-10-17"}`, "Missing required field Statement (line 1, column 1)"},
		{grammar + ": Statement", `{"Statement":[]}`, "Syntax errors in policy.: there is no statement (Statement, line 1, column 14)"},
		{grammar + ": Statement", `{"Statement":"Allow"}`, "Syntax errors in policy.: a statement must be an object (statement 1, Statement, line 1, column 14)"},
		{grammar + ": Statement", `{"Statement":[{"Effect":"Allow","Action":"s3:*"},null]}`, "Syntax errors in policy.: a statement must be an object (statement 2, Statement, line 1, column 50)"},
		{grammar, `{"Statement":{},"version":"2012-10-17"}`, "Unknown field version (version, line 1, column 17)"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Colour":"red"}}`, "Unknown field Colour (statement 1, Colour, line 1, column 48)"},
		{grammar, `{"Statement":{"Effect":"Allow","action":"s3:*"}}`, "Unknown field action (statement 1, action, line 1, column 32)"},

		{notes + ": no duplicate keys", `{"Version":"2012-10-17","Version":"2012-10-17"}`, `duplicate key "Version" (Version, line 1, column 25)`},
		{notes + ": no duplicate keys", `{"Statement":{"Effect":"Allow","Effect":"Deny"}}`, `duplicate key "Effect" (statement 1, Effect, line 1, column 32)`},
		{notes + ": no duplicate keys", `{"Statement":{"Sid":"A","Effect":"Allow","Action":"s3:*","Condition":{"Bool":{"a:b":"true"},"Bool":{"c:d":"true"}}}}`, `duplicate key "Bool" (statement 1 "A", Condition.Bool, line 1, column 93)`},
		{notes + ": no duplicate keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"Bool":{"a:b":"true","a:b":"true"}}}}`, `duplicate key "a:b" (statement 1, Condition.Bool.a:b, line 1, column 82)`},
		{notes + ": no duplicate keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"*","AWS":"*"}}}`, `duplicate key "AWS" (statement 1, Principal.AWS, line 1, column 71)`},

		{grammar + ": Sid", `{"Statement":{"Sid":7,"Effect":"Allow","Action":"s3:*"}}`, "Syntax errors in policy.: Sid must be a string (statement 1, Sid, line 1, column 21)"},
		{notes + ": Sid", `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:*"},{"Effect":"Allow","Action":"s3:*","Sid":"a"}]}`, `Statement IDs (SID) in a single policy must be unique. (statement 2 "a", Sid, line 1, column 100)`},
		{grammar + ": Effect", `{"Statement":{"Action":"s3:*","Resource":"*"}}`, "Missing required field Effect (statement 1, Effect, line 1, column 14)"},
		{grammar + ": Effect", "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},\n{\"Sid\":\"Two\",\"Effect\":\"allow\"}]}", `Invalid effect: "allow"; it must be Allow or Deny (statement 2 "Two", Effect, line 2, column 23)`},
		{grammar + ": Effect", `{"Statement":{"Effect":true,"Action":"s3:*"}}`, `Invalid effect: "true"; it must be Allow or Deny (statement 1, Effect, line 1, column 24)`},

		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Resource":"*"}}`, "Policy statement must contain actions. (statement 1, Action, line 1, column 14)"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":[]}}`, "Policy statement must contain actions. (statement 1, Action, line 1, column 41)"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*"}}`, "Action and NotAction exclude each other (statement 1, NotAction, line 1, column 48)"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":["s3:*",1]}}`, "Syntax errors in policy.: Action must be a string or a list of strings (statement 1, Action, line 1, column 49)"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":{"s3":"*"}}}`, "Action must be a string or a list of strings"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":[["s3:*"]]}}`, "Action must be a string or a list of strings"},
		{grammar + ": Action", `{"Statement":{"Effect":"Allow","Action":null}}`, "Action must be a string or a list of strings"},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":"GetObject"}}`, vendor + `"GetObject" (statement 1, Action, line 1, column 41)`},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","NotAction":["s3:*","Get*"]}}`, vendor + `"Get*" (statement 1, NotAction, line 1, column 52)`},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":""}}`, vendor + `""`},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":":GetObject"}}`, vendor},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":"s3:"}}`, vendor},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":"s3:Get:Object"}}`, `Actions/Condition can contain only one colon.: "s3:Get:Object" (statement 1, Action, line 1, column 41)`},
		{notes + ": action_string", `{"Statement":{"Effect":"Allow","Action":"a a:Get"}}`, "Vendor a a is not valid"},
		{notes + ": the service has no wildcard", `{"Statement":{"Effect":"Allow","Action":"s?:Get*"}}`, "Vendor s? is not valid"},
		{variables + ": not in Action", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:${aws:username}"}}`, "only one colon"},

		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":[]}}`, "Policy statement must contain resources. (statement 1, Resource, line 1, column 59)"},
		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","NotResource":"*"}}`, "Resource and NotResource exclude each other"},
		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":{"Arn":"*"}}}`, "Resource must be a string or a list of strings"},
		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"b/*"}}`, `Resource b/* must be in ARN format or "*". (statement 1, Resource, line 1, column 59)`},
		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":""}}`, `Resource  must be in ARN format or "*".`},
		{grammar + ": Resource", "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"NotResource\":[\"*\",\n\"arn:aws:s3\"]}}", `Resource arn:aws:s3 must be in ARN format or "*". (statement 1, NotResource, line 2, column 1)`},
		{grammar + ": Resource", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3::b/k"}}`, `must be in ARN format or "*".`},
		{"reference-arns: partition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:s3:::b/k:x:y"}}`, `Partition "s3" is not valid for resource "arn:s3:::b/k:x:y".`},
		{"reference-arns: partition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn::s3:::b"}}`, `Partition "" is not valid for resource "arn::s3:::b".`},
		{resource + ": no wildcard in the service", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:*:*:*:*"}}`, "Resource vendor must be fully qualified and cannot contain regexes."},
		{resource + ": no wildcard in the service", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s?:::b"}}`, "Resource vendor must be fully qualified"},
		{resource + ": a service is needed", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws::::b"}}`, "Resource vendor must be fully qualified"},
		{resource + ": a service is needed", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws"}}`, "Resource vendor must be fully qualified"},

		{grammar + ": Condition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":[]}}`, "Syntax errors in policy.: Condition must be an object (statement 1, Condition, line 1, column 60)"},
		{grammar + ": Condition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":"a"}}}`, "StringEquals must be an object of keys (statement 1, Condition.StringEquals, line 1, column 76)"},
		{grammar + ": Condition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"a:b":[]}}}}`, "a condition key needs a value (statement 1, Condition.StringEquals.a:b, line 1, column 83)"},
		{grammar + ": Condition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"a:b":{}}}}}`, "a condition value must be a string, a number or a boolean"},
		{grammar + ": Condition", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"a:b":["c",null]}}}}`, "a condition value must be a string, a number or a boolean (statement 1, Condition.StringEquals.a:b, line 1, column 88)"},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringSame":{"a:b":"c"}}}}`, "Invalid Condition type : StringSame. (statement 1, Condition.StringSame, line 1, column 61)"},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"":{"a:b":"c"}}}}`, "Invalid Condition type : ."},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"IfExists":{"a:b":"c"}}}}`, "Invalid Condition type : IfExists."},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"ForSomeValues:StringEquals":{"a:b":"c"}}}}`, "Invalid Condition type : ForSomeValues:StringEquals."},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"ForAnyValue::StringEquals":{"a:b":"c"}}}}`, "Invalid Condition type : ForAnyValue::StringEquals."},
		{operators, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"BoolNotEquals":{"a:b":"true"}}}}`, "Invalid Condition type : BoolNotEquals."},
		{operators + ": any but Null", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"NullIfExists":{"a:b":"true"}}}}`, "Invalid Condition type : NullIfExists."},
		{operators + ": Null has no set", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"ForAllValues:Null":{"a:b":"true"}}}}`, "Invalid Condition type : ForAllValues:Null."},
		{operators + ": Date", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}}}`, `The policy failed legacy parsing: "tomorrow" is not a date (statement 1, Condition.DateLessThan.aws:CurrentTime, line 1, column 95)`},
		{operators + ": Date, no wildcards", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-*"}}}}`, "is not a date"},
		{"reference_policies_condition-keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"prefix":"c"}}}}`, vendor + `"prefix" (statement 1, Condition.StringEquals.prefix, line 1, column 77)`},
		{"reference_policies_condition-keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{":prefix":"c"}}}}`, vendor + `":prefix"`},
		{"reference_policies_condition-keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"s 3:prefix":"c"}}}}`, vendor + `"s 3:prefix"`},
		{"reference_policies_condition-keys", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"s3:":"c"}}}}`, `Invalid condition key : "s3:"`},
		{"reference_policies_condition-keys: a tag has a name", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"aws:PrincipalTag/":"c"}}}}`, `Invalid condition key : "aws:PrincipalTag/"`},
		{"reference_policies_condition-keys: no wildcards", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"aws:Principal*":"c"}}}}`, `Invalid condition key : "aws:Principal*"`},
		{variables + ": not in a key's name", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"aws:PrincipalTag/${aws:username}":"c"}}}}`, "Invalid condition key"},

		{who + ": no partial wildcard", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:iam::123456789012:role/*"}}}`, `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/*" (statement 1, Principal.AWS, line 1, column 67)`},
		{who + ": no partial wildcard", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:iam::*:root"}}}`, "Invalid principal in policy"},
		{who + ": a session is named in full", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/reader"}}}`, "Invalid principal in policy"},
		{who + ": a session is named in full", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/reader/*"}}}`, "Invalid principal in policy"},
		{who + ": no groups", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:iam::123456789012:group/all"}}}`, "Invalid principal in policy"},
		{who + ": twelve digits", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":["123456789012","12345678901"]}}}`, `Invalid principal in policy: "AWS":"12345678901" (statement 1, Principal.AWS, line 1, column 83)`},
		{who + ": services", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"Service":"eks"}}}`, `Invalid principal in policy: "SERVICE":"eks"`},
		{who + ": services", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"Service":"*.amazonaws.com"}}}`, "Invalid principal in policy"},
		{who + ": identity providers", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"Federated":""}}}`, `Invalid principal in policy: "FEDERATED":""`},
		{who, `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"Person":"ann"}}}`, `Invalid principal in policy: "PERSON":"ann" (statement 1, Principal.Person, line 1, column 70)`},
		{who, `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":[]}}}`, "Invalid principal in policy: AWS is empty (statement 1, Principal.AWS, line 1, column 67)"},
		{who, `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"ann"}}`, `Principal must be "*" or an object (statement 1, Principal, line 1, column 60)`},
		{who, `{"Statement":{"Effect":"Allow","Action":"s3:*","NotPrincipal":{}}}`, `NotPrincipal must be "*" or an object`},
		{who, `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"*","NotPrincipal":"*"}}`, "Principal and NotPrincipal exclude each other"},
		{variables + ": not in Principal", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:iam::123456789012:user/${aws:username}"}}}`, "Invalid principal in policy"},
	}
	for _, test := range tests {
		t.Run(test.source+" "+test.want, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if _, ok := errors.AsType[*ParseError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	// Documents that the grammar and the pages of its elements allow, and that may look wrong.
	tests := []struct{ source, text string }{
		{"reference_policies_grammar: a single statement without brackets", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`},
		{"reference_policies_grammar: blocks in any order", `{"Statement":[{"Resource":["*"],"Action":["*"],"Effect":"Allow"}],"Id":"an id","Version":"2012-10-17"}`},
		{"reference_policies_grammar: quotation marks are optional for numbers and booleans", statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericEquals":{"a:b":[1,2.5,-3]},"Bool":{"a:b":true}}`)},
		{"reference_policies_grammar, sid_string: some services allow spaces", statement(`"Sid":"Allow get requests","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"`)},
		{"reference_policies_elements_action: any case", statement(`"Effect":"Allow","Action":["S3:GETOBJECT","*:*","service-prefix:action-name"],"Resource":"*"`)},
		{"reference_policies_elements_condition_operators: every operator with a set and IfExists", statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:ArnNotLikeIfExists":{"a:b":"arn:aws:s3:::b"},"ForAnyValue:BinaryEqualsIfExists":{"a:b":"dg=="}}`)},
		{"id_roles_providers_create_oidc: keys of an identity provider", statement(`"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/A"},"Condition":{"StringEquals":{"oidc.eks.us-west-2.amazonaws.com/id/A:sub":"system:serviceaccount:ns:sa"}}`)},
		{"id_tags: keys of tags may hold spaces and colons", statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/Cost Center: x@y.z=1+2":"v"}}`)},
		{"reference-arns: partitions", statement(`"Effect":"Allow","Action":"*","Resource":["arn:aws-us-gov:s3:::b","arn:aws-cn:s3:::b","arn:*:s3:::b","arn:aws*:s3:::b"]`)},
		{"reference_policies_elements_principal: all forms", statement(`"Effect":"Allow","Action":"*","Resource":"*","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:root","arn:aws:iam::123456789012:user/path/ann","arn:aws:sts::123456789012:federated-user/bob","AIDAABCDEFGHIJKLMNOP"],"Service":"pods.eks.amazonaws.com","Federated":"cognito-identity.amazonaws.com","CanonicalUser":"79a59d"}`)},
	}
	for _, test := range tests {
		if _, err := Parse([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", test.source, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(statement(`"Sid":"One","Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/x, 'y'}/*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a",1,true]}}`)))
	f.Add([]byte(statement(`"Effect":"Deny","NotPrincipal":{"AWS":["123456789012"]},"NotAction":"*","NotResource":"*","Condition":{"Null":{"a:b":true}}`)))
	f.Add([]byte(`{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"pods.eks.amazonaws.com"}}]}`))
	f.Add([]byte(`{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":["arn:aws:iam::123456789012:role/a\u0062", "AROAKEPTKEPTKEPT"],"Service":"a.amazonaws.com"}}]}`))
	f.Add([]byte(`{"Statement":[[[[`))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","Effect":"Allow"}}`))
	f.Add([]byte(statement(`"Effect":"Allow","Action":"eks:*","Resource":["arn:aws:eks:*","arn:aws:eks:us-*:1:x","arn:*:iam::*:role/${aws:userid}"],"Condition":{"DateLessThan":{"a:b":"2026-08-23T14:15Z"},"IpAddress":{"a:b":"::ffff:10.0.0.0/104"},"ArnLike":{"a:b":"arn:aws:*:${a:b}:*"}}`)))
	f.Add([]byte(statement(`"Sid":"\u0041 b","Effect":"Deny","NotPrincipal":"*","Action":"s3:*","NotResource":"arn:aws:s3:::b/${*}"`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		document, err := Parse(text)
		if err != nil {
			e, ok := errors.AsType[*ParseError](err)
			if !ok || e.Line < 1 || e.Column < 1 || e.Problem == "" {
				t.Fatalf("error %v has no position or problem", err)
			}
			return
		}
		if len(document.Statements) == 0 {
			t.Fatal("a policy without statements")
		}
		again, err := Parse([]byte(document.Text()))
		if err != nil || !reflect.DeepEqual(again, document) {
			t.Fatalf("read again it is another document (%v)", err)
		}
		_, _, _ = document.CheckIdentity(), document.CheckTrust(), document.CheckResource()
		same := func(id string) string { return id }
		document.Bind(same)
		if shown := document.Shown(same); shown != document.Text() {
			t.Fatalf("%s is shown as %s", text, shown)
		}
		document.Bind(func(string) string { return "AROAGONEGONEGONE" })
		if gone, err := Parse([]byte(document.Shown(same))); err != nil || len(gone.Statements) != len(document.Statements) {
			t.Fatalf("%s without its principals is shown as %s: %v", text, document.Shown(same), err)
		}
		request := &Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: Context{"aws:tagkeys": {"a"}, "a:b": {"1", "2026-08-23", "10.0.0.1", "arn:aws:s3:::b"}}}
		named := Named{"p", document}
		decision := Evaluate(request, &Policies{Identity: []Named{named}, Resource: &named})
		if decision.Allowed && (decision.Statement == nil || decision.Statement.Deny) {
			t.Fatalf("allowed without an allowing statement: %s", text)
		}
	})
}
