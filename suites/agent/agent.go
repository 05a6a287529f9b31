// Package agent asks what the agent answers over HTTP: to whom it gives credentials and in which
// form, and whom it refuses with which words.
package agent

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// start makes a pod to ask from, and a tenant whose token it may present. The pod itself is nobody's.
func start(ctx context.Context, env *framework.Env) (*workload.Probe, *workload.Tenant) {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	tenant := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
	return workload.Start(ctx, env, workload.NewPod(env, namespace, "")), tenant
}

var _ = Describe("The agent", func() {
	It("gives the token's credentials in the form that SDKs read", Covers("AGT-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)

			By("asking with the raw token as the Authorization header")
			request := tenant.AgentRequest()
			request.Identify = true
			answer := pod.AskOnce(ctx, request)

			Expect(answer).To(GrantCredentials())
			Expect(answer.Header["Content-Type"]).To(HavePrefix("application/json"))
			Expect(answer.Body).To(And(
				MatchRegexp(`"Expiration": ?"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)"`), // RFC 3339
				MatchRegexp(`"SecretAccessKey": ?"`), MatchRegexp(`"Token": ?"`)))
			Expect(answer.Credentials.AccountID).To(Equal(env.AccountID))
			Expect(answer.Credentials.Expiration).To(BeTemporally(">", time.Now()))
			Expect(answer.Identity.ARN).To(ContainSubstring(":assumed-role/"+tenant.Association.Role.Name+"/"), "whose AWS says that the credentials are")
		})

	It("refuses a request without a token, and one whose token it cannot read", Covers("AGT-02"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			authorized := func(value string) probe.Request {
				return probe.Request{URL: workload.CredentialsURL, Header: map[string]string{"Authorization": value}}
			}

			By("leaving the Authorization header out, then empty, then with what is no token")
			answers := pod.Ask(ctx, probe.Request{URL: workload.CredentialsURL}, authorized(""), authorized("garbage"), authorized("aaa.bbb.ccc"),
				workload.AgentRequest("Bearer "+tenant.Token))

			for _, missing := range answers[:2] {
				Expect(missing[0]).To(RefuseWith(http.StatusBadRequest, `^Service account token cannot be empty$`))
				Expect(missing[0].Header["Content-Type"]).To(HavePrefix("text/plain"))
			}
			for _, unreadable := range answers[2:] {
				Expect(unreadable[0]).To(RefuseWith(http.StatusBadRequest, `^Service account token cannot be parsed`))
			}
		})

	It("refuses a token outside its time, without asking EKS Auth", Covers("AGT-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			outside := map[string]workload.Token{}
			for what, change := range map[string]func(claims map[string]any){
				"token is expired":       func(claims map[string]any) { claims["exp"] = time.Now().Add(-time.Minute).Unix() },
				"token is not valid yet": func(claims map[string]any) { claims["nbf"] = time.Now().Add(time.Hour).Unix() },
			} {
				outside[what] = workload.Forge(env, tenant.Token, func(_, claims map[string]any) { change(claims) })
			}

			By("presenting a token that has expired, and one that is not valid yet")
			for what, token := range outside {
				Expect(pod.AskOnce(ctx, workload.AgentRequest(token))).To(
					RefuseWith(http.StatusBadRequest, `^Service account token failed basic claim validations: .*`+what))
				if env.Control != nil {
					Expect(cloud.SessionCalls(ctx, env, string(token))).To(BeEmpty(), "EKS Auth was asked all the same")
				}
			}
		})

	It("refuses a request that names another host, whatever its token", Covers("AGT-04"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			under := func(host string) probe.Request {
				request := tenant.AgentRequest()
				request.Header = map[string]string{"Host": host}
				return request
			}

			By("naming the agent's own addresses, with brackets and port")
			for _, answer := range pod.Ask(ctx, under("169.254.170.23"), under("169.254.170.23:80"), under("fd00:ec2::23"), under("[fd00:ec2::23]:80")) {
				Expect(answer[0]).To(GrantCredentials())
			}

			By("naming what a page could have rebound to the agent, and addresses that are nearly its own")
			for _, answer := range pod.Ask(ctx, under("evil.example"), under("evil.example:80"), under("localhost"), under("169.254.170.2"),
				under("169.254.170.23.evil.example"), under("[fd00:ec2::254]")) {
				Expect(answer[0]).To(RefuseWith(http.StatusForbidden, `^Access Denied. Called agent through invalid address`))
			}
		})

	It("answers on its path alone", Covers("AGT-05"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			at := func(path string) probe.Request {
				return probe.Request{URL: "http://169.254.170.23" + path, Token: string(tenant.Token)}
			}

			By("asking for other paths with a token that would be good")
			for _, answer := range pod.Ask(ctx, at("/"), at("/v1"), at("/v1/credentials/"), at("/v1/credentials/x"), at("/v2/credentials"), at("/metrics"), at("/healthz")) {
				Expect(answer[0]).To(RefuseWith(http.StatusNotFound, ``))
			}
			Expect(pod.AskOnce(ctx, at("/v1/credentials?a=b"))).To(GrantCredentials())
		})

	It("answers every method alike, over connections that are kept", Covers("AGT-15", "AGT-16"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			by := func(method string) probe.Request {
				request := tenant.AgentRequest()
				request.Method = method
				return request
			}
			kept := tenant.AgentRequest()
			kept.KeepAlive, kept.Times = true, 20

			By("asking with five methods, then twenty times over one connection")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials()) // not twenty waits for nobody
			answers := pod.Ask(ctx, kept, by(http.MethodPost), by(http.MethodPut), by(http.MethodDelete), by(http.MethodOptions), by(http.MethodHead))

			for i, answer := range answers[0] {
				Expect(answer).To(GrantTheSameAs(answers[0][0]))
				Expect(answer.Reused).To(Equal(i > 0), "request %d of one connection", i+1)
			}
			for _, answer := range answers[1:5] {
				Expect(answer[0]).To(GrantTheSameAs(answers[0][0]))
			}
			Expect(answers[5][0].Status).To(Equal(http.StatusOK), "HEAD, whose answer has no body")
		})
})
