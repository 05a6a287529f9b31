package policy

import (
	"fmt"
	"testing"
)

// decideRequest is the request that the benchmarks and the allocation test decide.
func decideRequest() *Request {
	context := Context{}
	context.Set("aws:PrincipalTag/eks-cluster-name", "epi")
	context.Set("aws:PrincipalTag/kubernetes-namespace", "default")
	context.Set("aws:PrincipalArn", session.RoleARN)
	context.Set("aws:SecureTransport", "true")
	context.Set("aws:SourceIp", "10.0.3.7")
	context.Set("aws:CurrentTime", "2026-08-23T14:15:00Z")
	context.Set("s3:ExistingObjectTag/team", "blue")
	return &Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/epi/default/test.txt", Context: context}
}

// decidePolicies are 10 policies of 5 statements. Nine have wildcards, variables and conditions of several families, and
// none of their statements applies. last is the body of the tenth policy's fifth statement.
func decidePolicies(t testing.TB, last string) *Policies {
	policies := &Policies{}
	for i := range 9 {
		policies.Identity = append(policies.Identity, Named{fmt.Sprintf("p%d", i), mustParse(t, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*"],"Resource":"*"},
			{"Effect":"Allow","Action":["s3:Put*","s3:*Tagging"],"Resource":"arn:aws:s3:::logs/*","Condition":{"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}},
			{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
			{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/${aws:PrincipalTag/kubernetes-namespace}/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}},
			{"Effect":"Deny","Action":"s3:*Object","Resource":"arn:aws:s3:::*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalTag/kubernetes-namespace":["default","hoge"]},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}}]}`)})
	}
	policies.Identity = append(policies.Identity, Named{"last", mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:*","Resource":"*"},
		{"Effect":"Allow","Action":"sqs:*","Resource":"*"},
		{"Effect":"Allow","Action":"sns:*","Resource":"*"},
		{"Effect":"Allow","Action":["s3:ListBucket","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::b"},
		{`+last+`}]}`)})
	return policies
}

const (
	benchAllow = `"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/team":["red","blue"]}}`
	benchDeny  = `"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/*","Condition":{"StringLike":{"s3:ExistingObjectTag/team":"b*"}}`
	benchOther = `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/hoge/*"`
)

// BenchmarkDecide decides over 10 policies of 5 statements each, which are parsed once. The last statement decides.
func BenchmarkDecide(b *testing.B) {
	for _, variant := range []struct {
		name, last        string
		allowed, explicit bool
	}{
		{"allow", benchAllow, true, false},
		{"explicit-deny", benchDeny, false, true},
		{"implicit-deny", benchOther, false, false},
	} {
		b.Run(variant.name, func(b *testing.B) {
			policies, request := decidePolicies(b, variant.last), decideRequest()
			b.ReportAllocs()
			for b.Loop() {
				if decision := Evaluate(request, policies); decision.Allowed != variant.allowed || decision.Explicit != variant.explicit {
					b.Fatal(decision.Explain())
				}
			}
		})
	}
}

// TestDecideAllocations bounds what BenchmarkDecide measures: a decision makes 10 allocations at most. One of them is for
// the action in lower case.
func TestDecideAllocations(t *testing.T) {
	for name, last := range map[string]string{
		"allow": benchAllow, "explicit deny": benchDeny, "implicit deny": benchOther,
		"a star beyond its colon":  `"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:*:x:*"`,
		"numbers, dates, networks": `"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"NumericLessThan":{"aws:SourceIp":"1.5"},"DateEquals":{"aws:CurrentTime":"2026-08-23"},"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`,
	} {
		policies, request := decidePolicies(t, last), decideRequest()
		if allocations := testing.AllocsPerRun(100, func() { Evaluate(request, policies) }); allocations > 10 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(decidePolicies(b, benchAllow).Identity[0].Document.Text())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
