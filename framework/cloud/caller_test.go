package cloud_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
)

func TestACallerMayDoWhatItsPoliciesAllow(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	caller := cloud.NewCaller(t.Context(), env, cloud.Allow([]string{"*"}, "eks:ListPodIdentityAssociations"))

	_, err := caller.EKS.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{ClusterName: &env.ClusterName})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = caller.EKS.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &env.ClusterName})
	g.Expect(err).To(BeRefusedWith("AccessDeniedException", 403))
	f.removeAll()
}

func TestARoleElsewhereIsOfTheSecondAccount(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	role := cloud.NewRoleElsewhere(t.Context(), env, cloud.TrustAccount(env))
	g.Expect(role.ARN).To(HavePrefix("arn:aws:iam::210987654321:role/"))
	g.Expect(role.ID).To(HavePrefix("AROA"))
	role.SetTrust(t.Context(), env, cloud.TrustService("ec2.amazonaws.com", "sts:AssumeRole"))
	_, err := env.STS.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: &env.Name})
	g.Expect(err).To(BeRefusedWith("AccessDenied", 403))

	f.removeAll()
	_, err = cloud.Elsewhere(env).IAM.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role.Name})
	g.Expect(err).To(BeRefusedWith("NoSuchEntity", 404))
}

func TestSendSpeaksAsTheWireDoes(t *testing.T) {
	env, _ := awsEnvironment(t, "")
	association := "/clusters/epi/pod-identity-associations"
	for name, row := range map[string]struct {
		request cloud.Request
		status  int
		code    string
	}{
		"as documented":       {cloud.Request{Service: "eks", Method: "GET", Path: association}, 200, ""},
		"no such cluster":     {cloud.Request{Service: "eks", Method: "GET", Path: "/clusters/other/pod-identity-associations"}, 404, "ResourceNotFoundException"},
		"not signed":          {cloud.Request{Service: "eks", SignedFor: "-", Method: "GET", Path: association}, 403, "MissingAuthenticationTokenException"},
		"for another service": {cloud.Request{Service: "eks", SignedFor: "nothing", Method: "GET", Path: association}, 403, "InvalidSignatureException"},
		"another body":        {cloud.Request{Service: "eks", Method: "POST", Path: association, Body: "{}", Signed: "{ }"}, 403, "InvalidSignatureException"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			answer := cloud.Send(t.Context(), env, row.request)
			g.Expect(answer.Status).To(Equal(row.status))
			g.Expect(answer.Code).To(Equal(row.code))
			g.Expect(answer.ContentType).To(Equal("application/json"))
		})
	}
}

func TestARequestThatIsOneTooManyIsSentAgain(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	_, err := env.Control.AddFault(t.Context(), control.Fault{Service: "eks", Count: 2, Error: &control.Refusal{Kind: control.Throttling}})
	g.Expect(err).NotTo(HaveOccurred())
	answer := cloud.Send(t.Context(), env, cloud.Request{Service: "eks", Method: "GET", Path: "/clusters/epi/pod-identity-associations"})
	g.Expect(answer.Status).To(Equal(200))
	f.removeAll()
}

func TestAnAnswerReportsItsFormAndNotItsContents(t *testing.T) {
	g := NewWithT(t)
	env, f := awsEnvironment(t, "")
	association := cloud.Associate(t.Context(), env, "ns", "reader", cloud.NewRole(t.Context(), env))
	answer := cloud.Send(t.Context(), env, cloud.Request{Service: "eks", Method: "GET", Path: "/clusters/epi/pod-identity-associations?namespace=ns"})
	g.Expect(answer.Members()).To(Equal(map[string]string{"associations": "array", "nextToken": "null"}))
	answer = cloud.Send(t.Context(), env, cloud.Request{Service: "eks", Method: "GET", Path: "/clusters/epi/pod-identity-associations/" + association.ID})
	g.Expect(answer.Members()).To(HaveKeyWithValue("association.associationArn", "string"))
	g.Expect(answer.Members()).To(HaveKeyWithValue("association.createdAt", "number"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		g.Expect(fmt.Sprintf(verb, answer)).To(Equal(`status 200, Content-Type "application/json", error code ""`))
	}
	f.removeAll()
}
