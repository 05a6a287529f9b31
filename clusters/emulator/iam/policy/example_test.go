package policy_test

import (
	"fmt"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// This policy gives each namespace its own prefix, by the session's tag.
func ExampleEvaluate() {
	document, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject",
		"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/kubernetes-namespace}/*"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	session := policy.Principal{
		AccountID: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/reader/eks-blue-pod-1", RoleARN: "arn:aws:iam::123456789012:role/reader",
	}
	context := policy.Context{}
	context.Set("aws:PrincipalTag/kubernetes-namespace", "team-a")
	for _, key := range []string{"team-a/object", "team-b/object"} {
		request := &policy.Request{Principal: session, Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket/" + key, Context: context}
		fmt.Println(key, policy.Evaluate(request, &policy.Policies{Identity: []policy.Named{{Name: "prefix", Document: document}}}).Allowed)
	}
	// Output:
	// team-a/object true
	// team-b/object false
}
