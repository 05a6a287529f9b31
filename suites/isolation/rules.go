package isolation

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The instance metadata service", func() {
	It("wants a session token that it gave, for the time that it gave it", Covers("IMDS-01"), Needs(clusters.IMDS, clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "", workload.OnHostNetwork()))

			By("asking from the host's network for tokens of all lives, and for metadata with and without one")
			Expect(pod.MetadataRules(ctx)).To(MatchFields(IgnoreExtras, Fields{
				"Failure":        BeNil(),
				"PutTTL1":        Equal(http.StatusOK),
				"PutTTL21600":    Equal(http.StatusOK),
				"PutTTL0":        Equal(http.StatusBadRequest),
				"PutTTL21601":    Equal(http.StatusBadRequest),
				"PutNoTTL":       Equal(http.StatusBadRequest),
				"GetWithToken":   Equal(http.StatusOK),
				"GetWithout":     Equal(http.StatusUnauthorized),
				"GetWithOther":   Equal(http.StatusUnauthorized),
				"GetWithExpired": Equal(http.StatusUnauthorized),
			}))
		})

	It("gives no session token through a proxy", Covers("IMDS-05"), Needs(clusters.IMDS, clusters.HostNetworkPods),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			pod := workload.Start(ctx, env, workload.NewPod(env, workload.NewNamespace(ctx, env), "", workload.OnHostNetwork()))

			By("asking for one without and with X-Forwarded-For")
			Expect(pod.MetadataRules(ctx)).To(And(HaveField("PutTTL21600", http.StatusOK), HaveField("PutForwarded", http.StatusForbidden)))
		})
})
