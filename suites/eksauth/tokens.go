package eksauth

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
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("A token", func() {
	It("is refused unless the cluster signed it as it is, for Pod Identity and for a pod", Covers("AUT-09"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)
			refused := BeRefusedWith("InvalidTokenException", http.StatusBadRequest)
			header := func(name string, value any) func(map[string]any, map[string]any) {
				return func(header, _ map[string]any) { header[name] = value }
			}

			By("asking with tokens that the cluster gave for something else")
			Expect(asking(env, &env.Clients, workload.NewToken(ctx, env, pod.Pod, "sts.amazonaws.com"))(ctx)).To(refused, "for STS")
			Expect(asking(env, &env.Clients, workload.NewUnboundToken(ctx, env, pod.Namespace, account))(ctx)).To(refused, "bound to no pod")

			By("asking with tokens that the cluster did not give")
			for what, token := range map[string]workload.Token{
				"signed by another key":                 workload.Forge(env, pod.token, header("typ", "JWT")),
				"signed by another key, and so it says": workload.Forge(env, pod.token, header("kid", "another")),
				"signed by none":                        workload.Forge(env, pod.token, header("alg", "none")),
				"changed after it was signed":           workload.Tamper(env, pod.token, func(claims map[string]any) { claims["jti"] = "another" }),
				"without its signature":                 pod.token[:strings.LastIndexByte(string(pod.token), '.')+1],
				"that is no token":                      "token",
			} {
				Expect(asking(env, &env.Clients, token)(ctx)).To(refused, what)
			}
		})

	It("is refused where the cluster is not its issuer, or it is not its time yet", Covers("AUT-09"), Needs(clusters.EmulatorControl),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			cluster := cloud.NewUnbackedCluster(ctx, env, cloud.NewRole(ctx, env))
			refused := BeRefusedWith("InvalidTokenException", http.StatusBadRequest)

			Expect(askingIn(env, cluster, nil)(ctx)).To(Succeed())
			Expect(askingIn(env, cluster, map[string]any{"iss": "https://other.example.com"})(ctx)).To(refused)
			Expect(askingIn(env, cluster, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})(ctx)).To(refused)
			Expect(askingIn(env, cluster, map[string]any{"exp": nil})(ctx)).To(refused, "without an end")
		})

	It("is refused from the second on in which it expires", Covers("AUT-08"), Needs(clusters.EmulatorControl),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			cluster := cloud.NewUnbackedCluster(ctx, env, cloud.NewRole(ctx, env))
			issued := time.Now().Add(-time.Hour).Unix()
			ending := func(at time.Time) map[string]any {
				return map[string]any{"iat": issued, "nbf": issued, "exp": at.Unix()}
			}

			Expect(askingIn(env, cluster, ending(time.Now().Add(time.Minute)))(ctx)).To(Succeed())
			Expect(askingIn(env, cluster, ending(time.Now()))(ctx)).To(BeRefusedWith("ExpiredTokenException", http.StatusBadRequest))
		})

	It("of a cluster that is there is refused after it expired", Covers("AUT-08"), Slow(12*time.Minute),
		SpecTimeout(13*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod, _ := associated(ctx, env)

			Eventually(asking(env, &env.Clients, pod.token)).WithContext(ctx).Within(workload.TokenLife + time.Minute).ProbeEvery(5 * time.Second).
				Should(BeRefusedWith("ExpiredTokenException", http.StatusBadRequest))
		})
})

// askingIn sends EKS Auth a token of an unbacked cluster. The error is EKS Auth's.
func askingIn(env *framework.Env, cluster *cloud.UnbackedCluster, changes map[string]any) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := assume(ctx, &env.Clients, cluster.Name, workload.Token(cluster.Token(env, changes)))
		return err
	}
}
