package agent

import (
	"fmt"
	"net/http"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// documented are the errors of AssumeRoleForPodIdentity, each with its status and the side at fault:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
var documented = []struct {
	code   string
	status int
	fault  string
}{
	{"AccessDeniedException", 400, "client"},
	{"ExpiredTokenException", 400, "client"},
	{"InvalidParameterException", 400, "client"},
	{"InvalidRequestException", 400, "client"},
	{"InvalidTokenException", 400, "client"},
	{"ResourceNotFoundException", 404, "client"},
	{"ThrottlingException", 429, "client"},
	{"InternalServerException", 500, "server"},
	{"ServiceUnavailableException", 503, "server"},
}

const (
	// serverTimeout is the time that the agent's server has for an answer.
	serverTimeout = 30 * time.Second
	// refusal is a fault with an error of EKS Auth.
	refusal = "no session today"
)

var _ = Describe("The agent, where EKS Auth gives no credentials,", func() {
	It("passes the refusal of an account without association on", Covers("AGT-06"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			token := workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, pod.Pod.Namespace, "default"))

			By("presenting the token of a service account that has an association, and of one of the same namespace that has none")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
			Expect(pod.AskOnce(ctx, workload.AgentRequest(token))).To(
				RefuseWith(http.StatusNotFound, `^\[[^]]+\]: \(ResourceNotFoundException\): .+, fault: client$`))
		})

	It("passes each documented error on with its status, code and text", Covers("AGT-06"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			var requests []probe.Request
			for _, failure := range documented {
				tenant := workload.NewTenant(ctx, env, namespace, role)
				cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID,
					Error: &control.Refusal{Code: failure.code, Status: failure.status, Message: refusal}})
				request := tenant.AgentRequest()
				request.Timeout = serverTimeout
				requests = append(requests, request)
			}
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			By("asking for the credentials of ten accounts, of which EKS Auth refuses nine, each in another way")
			granted := workload.NewTenant(ctx, env, namespace, role).AgentRequest()
			granted.Timeout = serverTimeout
			requests = append(requests, granted)
			answers := pod.AskTogether(ctx, requests...)
			Expect(answers[len(documented)][0]).To(GrantCredentials())
			for i, answer := range answers[:len(documented)] {
				Expect(answer[0]).To(RefuseWith(documented[i].status, fmt.Sprintf(`^\[[0-9a-f-]{36}\]: \(%s\): %s, fault: %s$`,
					documented[i].code, regexp.QuoteMeta(refusal), documented[i].fault)))
				Expect(answer[0].Header["Content-Type"]).To(HavePrefix("text/plain"))
			}
		})

	It("answers 500 in bounded time when there is no answer", Covers("AGT-07"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, role := workload.NewNamespace(ctx, env), cloud.NewRole(ctx, env)
			var requests []probe.Request
			var faults []*cloud.Fault
			for _, hang := range []time.Duration{0, time.Minute} {
				tenant := workload.NewTenant(ctx, env, namespace, role)
				faults = append(faults, cloud.AddFault(ctx, env, control.Fault{Association: tenant.Association.ID, Outage: &control.Outage{Hang: control.Duration(hang)}}))
				request := tenant.AgentRequest()
				request.Timeout = serverTimeout
				requests = append(requests, request)
			}
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			By("asking for an account whose connection EKS Auth ends, and for one that it lets hang")
			answers := pod.AskTogether(ctx, requests...)

			for i, what := range []string{"a connection that ends", "silence"} {
				Expect(answers[i][0]).To(RefuseWith(http.StatusInternalServerError, ``), what)
				AddReportEntry("answered "+what+" after", answers[i][0].Took.Round(10*time.Millisecond).String())
			}

			By("asking when EKS Auth answers again")
			for _, fault := range faults {
				fault.Remove(ctx)
			}
			for _, answer := range pod.AskTogether(ctx, requests...) {
				Expect(answer[0]).To(GrantCredentials())
			}
		})
})
