package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	const grammar = "reference_policies_grammar"
	tests := []struct {
		source, text, want string
	}{
		{grammar, ``, "not valid JSON: the text ends too early (line 1, column 1)"},
		{grammar, `{"Version":"2012-10-17","Statement":[`, "not valid JSON: the text ends too early (line 1, column 38)"},
		{grammar, `[]`, "Syntax errors in policy.: the document must be an object (line 1, column 1)"},
		{grammar, "{\n  \"Version\": \"2012-10-18\"}", "The policy must contain a valid version string: 2012-10-17 or 2008-10-17 (Version, line 2, column 14)"},
		{grammar, `{"Version":"2012-10-17"}`, "Missing required field Statement (line 1, column 1)"},
		{grammar, `{"Statement":[]}`, "Syntax errors in policy.: there is no statement (Statement, line 1, column 14)"},
		{grammar, `{"Statement":{},"version":"2012-10-17"}`, "Unknown field version (version, line 1, column 17)"},
		{grammar + " notes: no duplicate keys", `{"Statement":{"Effect":"Allow","Effect":"Deny"}}`, `duplicate key "Effect" (line 1, column 32)`},
		{grammar, `{"Statement":{"Action":"s3:*","Resource":"*"}}`, "Missing required field Effect (statement 1, Effect, line 1, column 14)"},
		{grammar, "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"},\n{\"Sid\":\"Two\",\"Effect\":\"allow\"}]}", `Invalid effect: "allow"; it must be Allow or Deny (statement 2 "Two", Effect, line 2, column 23)`},
		{grammar, `{"Statement":{"Effect":"Allow","Resource":"*"}}`, "Policy statement must contain actions. (statement 1, Action, line 1, column 14)"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","NotAction":"s3:*"}}`, "Action and NotAction exclude each other"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"GetObject"}}`, "Actions/Conditions must be prefaced by a vendor"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":[]}}`, "Action must not be empty (statement 1, Action, line 1, column 41)"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":[1]}}`, "Action must be a string or a list of strings"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"b/*"}}`, `Resource b/* must be in ARN format or "*".`},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3"}}`, `Resource arn:aws:s3 must be in ARN format or "*".`},
		{grammar + " notes", `{"Statement":{"Sid":"a b","Effect":"Allow","Action":"s3:*"}}`, "Statement IDs (SID) must be alpha-numeric"},
		{grammar + " notes", `{"Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:*"},{"Sid":"a","Effect":"Allow","Action":"s3:*"}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Colour":"red"}}`, "Unknown field Colour (statement 1, Colour, line 1, column 48)"},
		{"reference_policies_elements_condition_operators", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringSame":{"a:b":"c"}}}}`, "Invalid Condition type : StringSame. (statement 1, Condition.StringSame, line 1, column 61)"},
		{"reference_policies_elements_condition_operators: any but Null", `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"NullIfExists":{"a:b":"true"}}}}`, "Invalid Condition type : NullIfExists."},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"a:b":[]}}}}`, "a condition key needs a value"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":{"a:b":{}}}}}`, "a condition value must be a string, a number or a boolean"},
		{grammar, `{"Statement":{"Effect":"Allow","Action":"s3:*","Condition":{"StringEquals":"a"}}}`, "StringEquals must be an object of keys"},
		{"reference_policies_elements_principal: no partial wildcard", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:iam::123456789012:role/*"}}}`, `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/*"`},
		{"reference_policies_elements_principal: a session is named in full", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/reader"}}}`, `Invalid principal in policy`},
		{"reference_policies_elements_principal", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":{"Person":"ann"}}}`, `Invalid principal in policy: "Person":"ann" (statement 1, Principal.Person, line 1, column 70)`},
		{"reference_policies_elements_principal", `{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"ann"}}`, `Principal must be "*" or an object`},
		{"bounded", `{"Statement":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "nested too deep"},
		{"bounded", strings.Repeat(" ", maxText+1), "longer than"},
		{"one value", statement(`"Effect":"Allow","Action":"s3:*"`) + "x", "text after the policy's closing brace"},
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

func TestKinds(t *testing.T) {
	// What each kind of policy may not contain: reference_policies_grammar, "Policy grammar notes".
	tests := []struct {
		body, identity, trust string
	}{
		{`"Effect":"Allow","Action":"s3:*","Resource":"*"`, "", "Missing required field Principal"},
		{`"Effect":"Allow","Action":"s3:*"`, "must contain resources", "Missing required field Principal"},
		{`"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"`, "should not specify a principal", ""},
		{`"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"`, "should not specify a principal", "prohibited field Resource"},
		{`"Effect":"Allow","Action":"s3:*","Principal":"*"`, "should not specify a principal", "only specify STS AssumeRole actions"},
		{`"Effect":"Deny","Action":"sts:AssumeRole","NotPrincipal":{"AWS":"123456789012"}`, "should not specify a principal", "may not specify NotPrincipal"},
	}
	for _, test := range tests {
		document := mustParse(t, statement(test.body))
		for kind, check := range map[string]struct {
			err  error
			want string
		}{"identity": {document.CheckIdentity(), test.identity}, "trust": {document.CheckTrust(), test.trust}} {
			if check.want == "" && check.err != nil || check.want != "" && (check.err == nil || !strings.Contains(check.err.Error(), check.want)) {
				t.Errorf("%s of %s: got %v, want %q", kind, test.body, check.err, check.want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(statement(`"Sid":"One","Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/x, 'y'}/*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["a",1,true]}}`)))
	f.Add([]byte(statement(`"Effect":"Deny","NotPrincipal":{"AWS":["123456789012"]},"NotAction":"*","NotResource":"*","Condition":{"Null":{"a:b":true}}`)))
	f.Add([]byte(`{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"pods.eks.amazonaws.com"}}]}`))
	f.Add([]byte(`{"Statement":[[[[`))
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
		request := &Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: Context{"aws:tagkeys": {"a"}}}
		named := Named{"p", document}
		decision := Evaluate(request, &Policies{Identity: []Named{named}, Resource: &named})
		if decision.Allowed && (decision.Statement == nil || decision.Statement.Deny) {
			t.Fatalf("allowed without an allowing statement: %s", text)
		}
	})
}
