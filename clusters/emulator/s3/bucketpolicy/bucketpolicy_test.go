package bucketpolicy

import (
	"errors"
	"strings"
	"testing"
)

const bucket = "amzn-s3-demo-bucket"

func statementWith(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + elements + `}]}`
}

// AWS has no list of the texts with which S3 answers MalformedPolicy. These are the ones that users quote.
func TestMalformed(t *testing.T) {
	const arn = `"arn:aws:s3:::` + bucket + `/*"`
	for _, test := range []struct{ text, message, code string }{
		{``, "Policies must be valid JSON and the first byte must be '{'", "MalformedPolicy"},
		{`[]`, "Policies must be valid JSON and the first byte must be '{'", "MalformedPolicy"},
		{statementWith(`"Action":"s3:GetObject","Resource":` + arn), "Missing required field Principal", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject"`), "Missing required field Resource", "MalformedPolicy"},
		{statementWith(`"Principal":{"AWS":"somebody"},"Action":"s3:GetObject","Resource":` + arn), "Invalid principal in policy", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::another/*"`), "Policy has invalid resource", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":"*"`), "Policy has invalid resource", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `-2/*"`), "Policy has invalid resource", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `?/*"`), "Policy has invalid resource", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"ec2:RunInstances","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:ListObjects","Resource":"arn:aws:s3:::` + bucket + `"`), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:HeadObject","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":["s3:GetObject","s3:HeadBucket"],"Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:ListObjectsV2","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:Lisst*","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject?","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","NotAction":"s3:HeadObject","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"*:*","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"*:GetObject","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3*:GetObject","Resource":` + arn), "Policy has invalid action", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:ListAllMyBuckets","Resource":` + arn), "Action does not apply to any resource(s) in statement", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject*","Resource":"arn:aws:s3:::` + bucket + `"`), "Action does not apply to any resource(s) in statement", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":` + arn + `,"Condition":{"StringEquals":{"s3:prefixes":"a"}}`), "Policy has an invalid condition key", "MalformedPolicy"},
		{statementWith(`"Principal":{"Service":"pod.eks.amazonaws.com"},"Action":"s3:GetObject","Resource":` + arn), "Invalid principal in policy", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:ListBucket","Resource":` + arn), "Action does not apply to any resource(s) in statement", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":["s3:ListBucket","s3:GetObject"],"Resource":"arn:aws:s3:::` + bucket + `"`), "Action does not apply to any resource(s) in statement", "MalformedPolicy"},
		{statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":` + arn + `,"Sid":"` + strings.Repeat("x", MaxSize) + `"`), "Policy exceeds the maximum allowed document size.", "PolicyTooLarge"},
	} {
		_, err := Parse(bucket, test.text)
		refused, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(refused.Message, test.message) || refused.Code() != test.code {
			t.Errorf("%.120s: %v", test.text, err)
		}
	}
	for _, text := range []string{
		statementWith(`"Principal":"*","Action":["s3:ListBucket","s3:GetObject"],"Resource":["arn:aws:s3:::` + bucket + `",` + arn + `]`),
		statementWith(`"Principal":"*","Action":["s3:ListBucket","s3:GetObject"],"Resource":"arn:aws:s3:::` + bucket + `*"`),
		statementWith(`"Principal":"*","Action":["S3:getobject","s3:*ObjectTagging","s3:PutObjectVersion*","s3:BypassGovernanceRetention"],"Resource":` + arn),
		statementWith(`"Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::` + bucket + `"`),
		statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":` + arn + `,"Condition":{"StringEquals":{"s3:ExistingObjectTag/a/b":"a","S3:PREFIX":"b","s3:x-amz-acl":"c"}}`),
		statementWith(`"Principal":{"AWS":"123456789012"},"Action":"s3:*","Resource":"arn:aws:s3:::` + bucket + `"`),
		statementWith(`"Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"*","Resource":` + arn),
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:root"},"NotAction":"s3:GetObject","Resource":` + arn + `}}`,
	} {
		if parsed, err := Parse(bucket, text); err != nil || parsed.Text() != text {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The rows of access-control-block-public-access, "The meaning of public", and its examples.
func TestPublic(t *testing.T) {
	everyone := func(condition string) string {
		return `"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `/*","Condition":{` + condition + `}`
	}
	for _, test := range []struct {
		elements string
		public   bool
	}{
		{everyone(``), true},
		{strings.Replace(everyone(``), `"*"`, `{"AWS":["123456789012","*"]}`, 1), true},
		{strings.Replace(everyone(``), `"*"`, `{"AWS":"arn:aws:iam::123456789012:root"}`, 1), false},
		{strings.Replace(everyone(``), `"*"`, `{"Service":"cloudtrail.amazonaws.com"}`, 1), false},
		{everyone(`"StringLike":{"aws:SourceVpc":"vpc-*"}`), true},
		{everyone(`"StringEquals":{"aws:SourceVpc":"vpc-91237329"}`), false},
		{everyone(`"StringLike":{"AWS:sourcevpc":"vpc-91237329"}`), false},
		{everyone(`"StringEqualsIfExists":{"aws:SourceVpc":"vpc-91237329"}`), true},
		{everyone(`"StringNotEquals":{"aws:SourceVpc":"vpc-91237329"}`), true},
		{everyone(`"StringEquals":{"aws:SourceAccount":["123456789012","${aws:PrincipalAccount}"]}`), true},
		{everyone(`"StringEquals":{"aws:PrincipalOrgID":"o-1"}`), false},
		{everyone(`"StringEquals":{"aws:Referer":"http://example.com"}`), true},
		{everyone(`"IpAddress":{"aws:SourceIp":"54.240.143.0/24"}`), false},
		{everyone(`"IpAddress":{"aws:SourceIp":["54.240.143.7"]}`), false},
		{everyone(`"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}`), true},
		{everyone(`"IpAddress":{"aws:SourceIp":"2001:db8::/31"}`), true},
		{everyone(`"IpAddress":{"aws:SourceIp":"2001:db8::/32"}`), false},
		{everyone(`"StringLike":{"aws:userid":"AROAEXAMPLEID:*"}`), false},
		{everyone(`"StringLike":{"aws:userid":"*"}`), true},
	} {
		parsed, err := Parse(bucket, statementWith(test.elements))
		if err != nil {
			t.Fatalf("%s: %v", test.elements, err)
		}
		if parsed.Public != test.public {
			t.Errorf("%s: public is %t", test.elements, parsed.Public)
		}
	}
	denying, err := Parse(bucket, strings.Replace(statementWith(everyone(``)), "Allow", "Deny", 1))
	if err != nil || denying.Public {
		t.Errorf("a denial is public: %v", err)
	}
}

// FuzzParse reads policies of any form. An accepted policy is about the bucket only.
func FuzzParse(f *testing.F) {
	f.Add(statementWith(`"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + bucket + `/*"`))
	f.Add(statementWith(`"Principal":{"AWS":["*"]},"Action":["s3:*"],"Resource":["arn:aws:s3:::` + bucket + `"],"Condition":{"Bool":{"aws:SecureTransport":false}}`))
	f.Add(`{"Statement":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(bucket, text)
		if err != nil {
			if refused, ok := errors.AsType[*Error](err); !ok || refused.Message == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for i := range parsed.Named.Document.Statements {
			for _, resource := range parsed.Named.Document.Statements[i].Resources() {
				if resource != "arn:aws:s3:::"+bucket && !strings.HasPrefix(resource, "arn:aws:s3:::"+bucket+"/") && resource != "arn:aws:s3:::"+bucket+"*" {
					t.Fatalf("%q is about %s", text, resource)
				}
			}
		}
	})
}
