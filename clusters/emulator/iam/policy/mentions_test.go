package policy

import (
	"slices"
	"testing"
)

// TestContextKeys: a decision depends on these keys and no others. FuzzEvaluate checks it for any policies.
func TestContextKeys(t *testing.T) {
	for name, test := range map[string]struct {
		statement string
		want      []string
	}{
		"none":                     {`"Action":"s3:*","Resource":"*"`, nil},
		"condition":                {`"Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`, []string{"aws:securetransport"}},
		"each once":                {`"Action":"*","Resource":"*","Condition":{"StringLike":{"aws:UserAgent":"a*"},"StringNotLike":{"AWS:useragent":"b*"}}`, []string{"aws:useragent"}},
		"operators without values": {`"Action":"*","Resource":"*","Condition":{"Null":{"aws:TagKeys":"true"},"ForAllValues:StringEquals":{"aws:CalledVia":"x"}}`, []string{"aws:calledvia", "aws:tagkeys"}},
		"variable of a resource":   {`"Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/Team}/*"`, []string{"aws:principaltag/team"}},
		"a star beyond its colon":  {`"Action":"*","Resource":"arn:aws:s3:*:x:b/${aws:username, 'x'}"`, []string{"aws:username"}},
		"variables of a value":     {`"Action":"*","Resource":"*","Condition":{"StringEquals":{"k:x":["a","${k:y}${k:z, 'd'}"]}}`, []string{"k:x", "k:y", "k:z"}},
		"of an ARN":                {`"Action":"*","Resource":"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:role/*"},"ArnEquals":{"aws:SourceArn":"arn:aws:iam::1:role/${aws:userid}"}}`, []string{"aws:principalaccount", "aws:principalarn", "aws:sourcearn", "aws:userid"}},
		"escapes are text":         {`"Action":"*","NotResource":"arn:aws:s3:::b/${*}${$}"`, nil},
	} {
		document := mustParse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Deny",`+test.statement+`}}`)
		if got := document.ContextKeys(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
	one := Named{"one", mustParse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Null":{"k:x":"true"}}}}`)}
	all := &Policies{Identity: []Named{one}, Boundary: &one, Session: []Named{one}, Resource: &one}
	if got := slices.Collect(all.ContextKeys()); len(got) != 4 {
		t.Errorf("keys of four policies: %q", got)
	}
	for range all.ContextKeys() {
		break
	}
}

// mentioned returns the context without the keys that no policy names.
func mentioned(context Context, policies *Policies) Context {
	filtered := Context{}
	for key := range policies.ContextKeys() {
		if values, ok := context[key]; ok {
			filtered[key] = values
		}
	}
	return filtered
}
