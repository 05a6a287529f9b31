package eksauth

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/requirement"
)

var _ = Describe("AssumeRoleForPodIdentity on the wire", func() {
	It("is a signed POST of the token, answered with JSON", Covers("AUT-01"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)
			request := request(env, pod)

			reply := cloud.Send(ctx, env, request)
			Expect(reply.Status).To(Equal(http.StatusOK))
			Expect(reply.ContentType).To(HavePrefix("application/json"))

			By("leaving the signature out, and signing something else")
			changed, unsigned, elsewhere, method := request, request, request, request
			changed.Signed = request.Body + " "
			unsigned.SignedFor = "-"
			elsewhere.SignedFor = "eks"
			method.Method = http.MethodPut
			Expect(cloud.Send(ctx, env, changed).Status).To(Equal(http.StatusForbidden), "another body than the one that was signed")
			Expect(cloud.Send(ctx, env, unsigned).Status).To(Equal(http.StatusForbidden), "no signature")
			Expect(cloud.Send(ctx, env, elsewhere).Status).To(refusal, "a signature for the service eks")
			Expect(cloud.Send(ctx, env, method).Status).To(refusal, "PUT in place of POST")
		})

	It("is answered with every documented member", Covers("AUT-02"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)

			reply := cloud.Send(ctx, env, request(env, pod))

			Expect(reply.Members()).To(And(
				HaveKeyWithValue("subject.namespace", "string"),
				HaveKeyWithValue("subject.serviceAccount", "string"),
				HaveKeyWithValue("audience", "string"),
				HaveKeyWithValue("podIdentityAssociation.associationArn", "string"),
				HaveKeyWithValue("podIdentityAssociation.associationId", "string"),
				HaveKeyWithValue("assumedRoleUser.arn", "string"),
				HaveKeyWithValue("assumedRoleUser.assumeRoleId", "string"),
				HaveKeyWithValue("credentials.accessKeyId", "string"),
				HaveKeyWithValue("credentials.secretAccessKey", "string"),
				HaveKeyWithValue("credentials.sessionToken", "string"),
				HaveKeyWithValue("credentials.expiration", "number"),
			))
		})
})

// refusal is a status of a caller's mistake.
var refusal = And(BeNumerically(">=", http.StatusBadRequest), BeNumerically("<", http.StatusInternalServerError))

// request for the session of a pod, as
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html has it.
func request(env *framework.Env, pod pod) cloud.Request {
	return cloud.Request{
		Service: "eks-auth", Method: http.MethodPost,
		Path: "/clusters/" + env.ClusterName + "/assume-role-for-pod-identity",
		Body: `{"token": "` + string(pod.token) + `"}`,
	}
}
