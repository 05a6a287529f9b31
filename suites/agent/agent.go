// Package agent has the specs of the agent's HTTP endpoint (AGT): which requests get credentials, in
// which form, and which are refused with which text.
package agent

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	invalidAddress = `^Access Denied. Called agent through invalid address`
)

// outOfTime are times that make a token invalid. The agent allows no leeway: the clocks of a node and its cluster are
// synchronized, and EKS Auth also refuses a token that just expired.
var outOfTime = []struct {
	claim string
	from  time.Duration
	says  string
}{
	{"exp", -time.Hour, "token is expired"},
	{"exp", -time.Minute, "token is expired"},
	{"exp", -3 * time.Second, "token is expired"},
	{"nbf", 20 * time.Second, "token is not valid yet"},
	{"nbf", time.Minute, "token is not valid yet"},
	{"nbf", time.Hour, "token is not valid yet"},
}

// strangeHosts are no addresses of the agent: what a page can rebind, and neighbours of the addresses.
var strangeHosts = []string{
	"evil.example", "evil.example:80", "localhost", "127.0.0.1", "169.254.170.2", "169.254.170.231", "1169.254.170.23",
	"169.254.170.23.evil.example", "evil.example.169.254.170.23", "x169.254.170.23", "169.254.170.23.", "169.254.169.254",
	"169.254.170.23,evil.example", "evil.example,169.254.170.23", "user@169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::2]", "[fd00:ec2::231]", "[::1]",
}

// start makes a pod to send requests from, and a tenant whose token it may send. The pod itself has no identity.
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
			Expect(answer.Credentials.Expiration).To(BeTemporally("~", workload.NewSession(ctx, env, tenant.Pod).Expires, time.Minute),
				"when the credentials end, beside those that EKS Auth gives for another token of the pod")
			Expect(answer.Identity.ARN).To(ContainSubstring(":assumed-role/"+tenant.Association.Role.Name+"/"), "whose AWS says that the credentials are")
		})

	It("answers the account of the target role, if there is one", Covers("AGT-01"), Needs(clusters.SecondAccount),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace, serviceAccount := workload.NewNamespace(ctx, env), "reader"
			workload.NewServiceAccount(ctx, env, namespace, serviceAccount)
			source := cloud.NewRole(ctx, env)
			target := cloud.NewRoleElsewhere(ctx, env, cloud.TrustRole(source, cloud.ExternalID(env, namespace, serviceAccount)))
			source.Put(ctx, env, cloud.Allow([]string{target.ARN}, "sts:AssumeRole", "sts:TagSession"))
			cloud.Associate(ctx, env, namespace, serviceAccount, source, cloud.WithTarget(target))
			stranger := workload.NewUnscheduledPod(ctx, env, namespace, serviceAccount)
			session := workload.NewSession(ctx, env, stranger) // waits until EKS Auth knows association and roles
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, ""))

			By("asking for the credentials of an association whose target role is in another account")
			answer := pod.AskOnce(ctx, workload.AgentRequest(workload.NewToken(ctx, env, stranger)))

			Expect(answer).To(GrantCredentials())
			Expect(answer.Credentials.AccountID).To(Equal(env.SecondAccount.ID))
			Expect(answer.Credentials.Expiration).To(BeTemporally("~", session.Expires, time.Minute),
				"when the credentials end, which is sooner than without a target role")
		})

	It("refuses a request without a token, and one whose token it cannot read", Covers("AGT-02"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			authorized := func(value string) probe.Request {
				return probe.Request{URL: workload.CredentialsURL, Header: map[string]string{"Authorization": value}}
			}

			By("asking with the token, then leaving the Authorization header out, then empty, then with what is no token, or not a token alone")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
			answers := pod.Ask(ctx, probe.Request{URL: workload.CredentialsURL}, authorized(""), authorized("garbage"), authorized("aaa.bbb.ccc"),
				workload.AgentRequest("Bearer "+tenant.Token), workload.AgentRequest("bearer "+tenant.Token), workload.AgentRequest("BEARER "+tenant.Token),
				workload.AgentRequest("Bearer"+tenant.Token), workload.AgentRequest("Token "+tenant.Token), workload.AgentRequest(`"`+tenant.Token+`"`),
				workload.AgentRequest(tenant.Token+".x"), workload.AgentRequest(tenant.Token[:strings.LastIndexByte(string(tenant.Token), '.')]))

			for _, missing := range answers[:2] {
				Expect(missing[0]).To(RefuseWith(http.StatusBadRequest, `^Service account token cannot be empty$`))
				Expect(missing[0].Header["Content-Type"]).To(HavePrefix("text/plain"))
			}
			for i, unreadable := range answers[2:] {
				Expect(unreadable[0]).To(RefuseWith(http.StatusBadRequest, `^Service account token cannot be parsed`), "unreadable token %d", i+1)
				Expect(unreadable[0].RepeatsToken).To(BeFalse(), "whether the refusal repeats the token")
			}
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials(), "the token itself")
		})

	It("refuses a token outside its time, without asking EKS Auth", Covers("AGT-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)

			By("presenting a token that is in its time, then tokens that have expired or are not valid yet")
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials())
			for _, row := range outOfTime {
				outside := workload.Forge(env, tenant.Token, func(_, claims map[string]any) { claims[row.claim] = time.Now().Add(row.from).Unix() })
				answer := pod.AskOnce(ctx, workload.AgentRequest(outside))
				Expect(answer).To(RefuseWith(http.StatusBadRequest, `^Service account token failed basic claim validations: .*`+row.says),
					"a token whose %s is %s from now", row.claim, row.from)
				Expect(answer.RepeatsToken).To(BeFalse(), "whether the refusal repeats the token")
				if env.Control != nil {
					Expect(cloud.SessionCalls(ctx, env, string(outside))).To(BeEmpty(), "EKS Auth was asked all the same")
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
			var strange []probe.Request
			for _, host := range strangeHosts {
				strange = append(strange, under(host))
			}
			for i, answer := range pod.Ask(ctx, strange...) {
				Expect(answer[0]).To(RefuseWith(http.StatusForbidden, invalidAddress), "Host: %s", strangeHosts[i])
			}

			By("naming no host, and naming a strange one with a token that would be refused as well")
			nameless, without, garbage, forwarded := tenant.AgentRequest(), under("evil.example"), under("evil.example"), under("evil.example")
			nameless.WithoutHost = true
			without.Token, garbage.Token = "", "garbage"
			for _, header := range []string{"X-Forwarded-Host", "X-Original-Host", "X-Host"} {
				forwarded.Header[header] = "169.254.170.23"
			}
			forwarded.Header["Forwarded"] = "host=169.254.170.23"
			for i, answer := range pod.Ask(ctx, nameless, without, garbage, forwarded) {
				Expect(answer[0]).To(RefuseWith(http.StatusForbidden, invalidAddress), []string{"no Host", "no token", "no readable token", "the agent's address as the host that a proxy was asked for"}[i])
			}
		})

	It("answers on its path alone", Covers("AGT-05"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, tenant := start(ctx, env)
			at := func(path string) probe.Request {
				return probe.Request{URL: "http://169.254.170.23" + path, Token: string(tenant.Token)}
			}

			By("asking on its path, then for other paths with the same token")
			Expect(pod.AskOnce(ctx, at("/v1/credentials"))).To(GrantCredentials())
			for _, answer := range pod.Ask(ctx, at("/"), at("/v1"), at("/v1/credentials/"), at("/v1/credentials/x"), at("/v1/credential"), at("/v1/credentialss"),
				at("/V1/credentials"), at("/v1/Credentials"), at("/V1/CREDENTIALS"), at("/v2/credentials"), at("/credentials"), at("/metrics"), at("/healthz"), at("/readyz")) {
				Expect(answer[0]).To(RefuseWith(http.StatusNotFound, ``))
			}

			By("asking for paths that are cleaned to the right one by whoever cleans, to which a server may lead on")
			for _, answer := range pod.Ask(ctx, at("//v1/credentials"), at("/v1//credentials"), at("/v1/./credentials"), at("/v1/x/../credentials"), at("/v1/credentials;a=b")) {
				Expect(answer[0].Failure).To(BeNil())
				Expect(answer[0]).To(GrantNothing())
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
			Expect(pod.AskOnce(ctx, tenant.AgentRequest())).To(GrantCredentials()) // without the wait of twenty requests
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
