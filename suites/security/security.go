// Package security has the specs of attacks (SEC): no pod gets credentials of another.
package security

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/matchers"
	"github.com/podidentity/epi/framework/probe"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

// world is a pod to send requests from, which has no identity, and two tenants of the same namespace with roles of their
// own.
type world struct {
	pod        *workload.Probe
	namespace  string
	alice, bob *workload.Tenant
}

func start(ctx context.Context, env *framework.Env) world {
	GinkgoHelper()
	namespace := workload.NewNamespace(ctx, env)
	return world{
		namespace: namespace,
		alice:     workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env)),
		bob:       workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env)),
		pod:       workload.Start(ctx, env, workload.NewPod(env, namespace, "")),
	}
}

const (
	// siblings is the number of pods of one service account that send requests at the same time.
	siblings    = 8
	halfASecond = 500 * time.Millisecond
	// briefLife is the lifetime of credentials. They are not served with 15 seconds or less left, so after 12 seconds all
	// are new.
	briefLife = 27 * time.Second
	// afterwards is the time between two requests. untilEnd is the number of requests that take longer than that time in
	// all.
	afterwards, untilEnd = 3 * time.Second, 6
)

// podName is short, so that AWS does not shorten it in the name of the session.
func podName(n int) string { return fmt.Sprintf("pod%d", n) }

// identified also asks AWS for the identity of the credentials.
func identified(request probe.Request) probe.Request {
	request.Identify = true
	return request
}

var _ = Describe("Credentials", func() {
	It("are those of the token, whoever presents it", Covers("SEC-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			victim := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))
			thief := workload.NewTenant(ctx, env, namespace, cloud.NewRole(ctx, env))

			By("presenting a stolen token from a pod that has an identity of its own")
			pod := workload.Start(ctx, env, workload.NewPod(env, namespace, thief.Association.ServiceAccount))
			answers := pod.Ask(ctx, identified(thief.AgentRequest()), identified(victim.AgentRequest()))

			Expect(answers[0][0]).To(GrantCredentials())
			Expect(answers[0][0].Identity.ARN).To(ContainSubstring(":assumed-role/" + thief.Association.Role.Name + "/"))
			Expect(answers[1][0]).To(GrantCredentials())
			Expect(answers[1][0].Identity.ARN).To(ContainSubstring(":assumed-role/"+victim.Association.Role.Name+"/"),
				"the token is all that counts: it has to be kept like a password")
		})

	It("are each pod's own, also under one service account", Covers("SEC-06"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			sibling := workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, w.namespace, w.alice.Association.ServiceAccount))

			By("asking as two pods of one service account")
			answers := w.pod.Ask(ctx, w.alice.AgentRequest(), workload.AgentRequest(sibling))

			Expect(answers[0][0]).To(GrantCredentials())
			Expect(answers[1][0]).To(GrantOthersThan(answers[0][0]))
		})

	It("are each pod's own when many ask at the same time for the first time", Covers("SEC-06"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			if env.Control != nil { // longer calls to EKS Auth overlap more
				cloud.AddFault(ctx, env, control.Fault{Association: w.alice.Association.ID, Latency: &control.Latency{Fixed: control.Duration(halfASecond)}})
			}
			var requests []probe.Request
			for n := range siblings {
				pod := workload.NewUnscheduledPod(ctx, env, w.namespace, w.alice.Association.ServiceAccount, func(pod *corev1.Pod) { pod.GenerateName, pod.Name = "", podName(n) })
				requests = append(requests, identified(workload.AgentRequest(workload.NewToken(ctx, env, pod))))
			}
			requests = append(requests, identified(w.bob.AgentRequest()))

			By("asking at once as eight pods of one service account and one of another, and once more")
			for range 2 {
				seen := map[string]bool{}
				for n, answer := range w.pod.AskTogether(ctx, requests...) {
					Expect(answer[0]).To(GrantCredentials())
					seen[answer[0].Credentials.AccessKeyID] = true
					if n == siblings {
						Expect(answer[0].Identity.ARN).To(ContainSubstring(":assumed-role/" + w.bob.Association.Role.Name + "/"))
						continue
					}
					Expect(answer[0].Identity.ARN).To(And(ContainSubstring(":assumed-role/"+w.alice.Association.Role.Name+"/"), ContainSubstring("-"+podName(n)+"-")),
						"the session of pod %s", podName(n))
				}
				Expect(seen).To(HaveLen(len(requests)), "credentials that differ")
			}
		})

	It("are each pod's own when those of many are fetched anew at the same time", Covers("SEC-06"), Needs(clusters.EmulatorControl),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			for _, fault := range []control.Fault{
				{Latency: &control.Latency{Fixed: control.Duration(halfASecond)}}, {Life: control.Duration(briefLife)},
			} {
				fault.Association = w.alice.Association.ID
				cloud.AddFault(ctx, env, fault)
			}
			var requests []probe.Request
			for n := range siblings {
				pod := workload.NewUnscheduledPod(ctx, env, w.namespace, w.alice.Association.ServiceAccount, func(pod *corev1.Pod) { pod.GenerateName, pod.Name = "", podName(n) })
				request := identified(workload.AgentRequest(workload.NewToken(ctx, env, pod)))
				request.Times, request.Every = untilEnd, afterwards
				requests = append(requests, request)
			}

			By("asking as eight pods of one service account at once, again and again until the first credentials have ended")
			for n, answers := range w.pod.AskTogether(ctx, requests...) {
				seen := map[string]bool{}
				for _, answer := range answers {
					Expect(answer).To(GrantCredentials())
					Expect(answer.Identity.ARN).To(ContainSubstring("-"+podName(n)+"-"), "the session of pod %s", podName(n))
					seen[answer.Credentials.AccessKeyID] = true
				}
				Expect(len(seen)).To(BeNumerically(">", 1), "how often pod %s got credentials that differ", podName(n))
			}
		})

	It("are not mixed up between namespaces", Covers("SEC-08"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			name := w.alice.Association.ServiceAccount
			elsewhere := workload.NewTenantNamed(ctx, env, workload.NewNamespace(ctx, env), name, cloud.NewRole(ctx, env))
			without := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, without, name)
			unassociated := workload.NewToken(ctx, env, workload.NewUnscheduledPod(ctx, env, without, name))

			By("asking as three service accounts of one name, of which two have an association")
			answers := w.pod.Ask(ctx, identified(w.alice.AgentRequest()), identified(elsewhere.AgentRequest()), workload.AgentRequest(unassociated))

			for i, tenant := range []*workload.Tenant{w.alice, elsewhere} {
				Expect(answers[i][0]).To(GrantCredentials())
				Expect(answers[i][0].Identity.ARN).To(ContainSubstring(":assumed-role/" + tenant.Association.Role.Name + "/"))
			}
			Expect(answers[2][0]).To(RefuseWith(http.StatusNotFound, `ResourceNotFoundException`))
		})

	It("are not for a token of another audience", Covers("SEC-02"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)

			By("presenting the pod's tokens for STS and for the API server, after its right one")
			Expect(w.pod.AskOnce(ctx, w.alice.AgentRequest())).To(GrantCredentials())
			for _, audience := range []string{"sts.amazonaws.com", workload.APIServer} {
				token := workload.NewToken(ctx, env, w.alice.Pod, audience)
				Expect(w.pod.AskOnce(ctx, workload.AgentRequest(token))).To(RefuseWith(http.StatusBadRequest, `InvalidTokenException|audience`), "audience "+audience)
			}
		})

	It("are not for a forged token, even of a pod that just had some", Covers("SEC-03"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			genuine := w.alice.Token
			nothing := func(_, _ map[string]any) {}
			bobs := w.bob.Pod
			forgeries := map[string]workload.Token{
				"signed by another key":   workload.Forge(env, genuine, nothing),
				"with the algorithm none": workload.Forge(env, genuine, func(header, _ map[string]any) { header["alg"] = "none" }),
				"with the claims of another pod under its signature": workload.Tamper(env, genuine, func(claims map[string]any) {
					claims["sub"] = "system:serviceaccount:" + bobs.Namespace + ":" + bobs.Spec.ServiceAccountName
					claims["kubernetes.io"] = map[string]any{
						"namespace": bobs.Namespace, "serviceaccount": map[string]any{"name": bobs.Spec.ServiceAccountName, "uid": "0"},
						"pod": map[string]any{"name": bobs.Name, "uid": string(bobs.UID)},
					}
				}),
				"of another cluster's issuer": workload.Forge(env, genuine, func(_, claims map[string]any) { claims["iss"] = "https://issuer.example" }),
				"without its signature":       genuine[:strings.LastIndexByte(string(genuine), '.')+1],
			}

			By("presenting the genuine token, then forgeries of it")
			Expect(w.pod.AskOnce(ctx, w.alice.AgentRequest())).To(GrantCredentials())
			for what, token := range forgeries {
				Expect(w.pod.AskOnce(ctx, workload.AgentRequest(token))).To(RefuseWith(http.StatusBadRequest, ``), "a token "+what)
			}
		})

	It("are not for a request that a pod was tricked into", Covers("SEC-07"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			// A server can be made to send a request to an address, without the attacker's headers. A browser can be made
			// to send one under a name that was resolved to the agent.
			bare := probe.Request{URL: workload.CredentialsURL}
			rebound := w.alice.AgentRequest()
			rebound.Header = map[string]string{"Host": "rebound.example", "Origin": "http://rebound.example"}

			preflight, scripted := w.alice.AgentRequest(), w.alice.AgentRequest()
			scripted.Header = map[string]string{"Origin": "http://rebound.example"}
			preflight.Method, preflight.Header = http.MethodOptions, map[string]string{
				"Origin": "http://rebound.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization",
			}

			By("asking properly, then without a header of one's own, then under a foreign name")
			answers := w.pod.Ask(ctx, w.alice.AgentRequest(), bare, rebound)

			Expect(answers[0][0]).To(GrantCredentials())
			Expect(answers[1][0]).To(GrantNothing(), "a request without a token")
			Expect(answers[2][0]).To(GrantNothing(), "a request under a foreign name")

			By("asking as the script of a page does, which a browser lets read what the answer's headers allow")
			for _, answer := range append(answers, w.pod.Ask(ctx, scripted, preflight)...) {
				Expect(answer[0].Failure).To(BeNil())
				for name := range answer[0].Header {
					Expect(name).NotTo(HavePrefix("Access-Control-"))
				}
			}
		})

	It("are not given outside the node's own addresses", Covers("SEC-05"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			w := start(ctx, env)
			node := w.pod.Pod.Status.HostIP
			at := func(url string, header map[string]string) probe.Request {
				return probe.Request{URL: url, Token: string(w.alice.Token), Header: header, Timeout: time.Second}
			}

			By("asking at the agent's own address, then at the address of the node, under its name and under the agent's")
			Expect(w.pod.AskOnce(ctx, w.alice.AgentRequest())).To(GrantCredentials())
			for _, answers := range w.pod.AskTogether(ctx,
				at("http://"+node+"/v1/credentials", nil), at("http://"+node+"/v1/credentials", map[string]string{"Host": "169.254.170.23"})) {
				Expect(answers[0]).To(GrantNothing())
			}
			Expect(w.pod.AskOnce(ctx, w.alice.AgentRequest())).To(GrantCredentials(), "the agent's own address, afterwards")
		})
})
