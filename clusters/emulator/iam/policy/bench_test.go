package policy

import (
	"fmt"
	"testing"
)

// BenchmarkDecide decides over 10 policies of 5 statements each, parsed once; the last one allows.
func BenchmarkDecide(b *testing.B) {
	var policies Policies
	for i := range 9 {
		policies.Identity = append(policies.Identity, Named{fmt.Sprintf("p%d", i), mustParse(b, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*"],"Resource":"*"},
			{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"},
			{"Effect":"Deny","Action":"s3:Delete*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
			{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/${aws:PrincipalTag/kubernetes-namespace}/*"},
			{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalTag/kubernetes-namespace":["default","hoge"]}}}]}`)})
	}
	policies.Identity = append(policies.Identity, Named{"last", mustParse(b, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iam:*","Resource":"*"},
		{"Effect":"Allow","Action":"sqs:*","Resource":"*"},
		{"Effect":"Allow","Action":"sns:*","Resource":"*"},
		{"Effect":"Allow","Action":"eks:*","Resource":"*"},
		{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/eks-cluster-name}/${aws:PrincipalTag/kubernetes-namespace}/*"}]}`)})
	context := Context{}
	context.Set("aws:PrincipalTag/eks-cluster-name", "epi")
	context.Set("aws:PrincipalTag/kubernetes-namespace", "default")
	context.Set("aws:SecureTransport", "false")
	request := &Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/epi/default/test.txt", Context: context}
	b.ReportAllocs()
	for b.Loop() {
		if decision := Evaluate(request, &policies); !decision.Allowed {
			b.Fatal(decision.Explain())
		}
	}
}
