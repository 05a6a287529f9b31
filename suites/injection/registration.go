package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook's registration", func() {
	It("admits pods while the webhook does not answer, and calls it again for pods that others changed", Covers("OPS-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)

			Expect(workload.WebhookRegistrations(ctx, env)).To(ConsistOf(MatchFields(IgnoreExtras, Fields{
				"FailurePolicy":      PointTo(Equal(admissionregistrationv1.Ignore)),
				"TimeoutSeconds":     PointTo(BeNumerically("<=", 10)),
				"ReinvocationPolicy": PointTo(Equal(admissionregistrationv1.IfNeededReinvocationPolicy)),
			})))
		})
})
