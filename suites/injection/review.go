package injection

import (
	"encoding/json"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/matchers"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

const (
	contentType = "application/json"
	// counted is the time within which the webhook counts a request.
	counted = 15 * time.Second
)

var _ = Describe("The webhook's endpoint", func() {
	It("answers a review in its own version and with its own uid", Covers("INJ-12"), Needs(clusters.WebhookInCluster),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)
			pod := workload.NewPod(env, association.Namespace, account)

			for _, version := range []string{admissionv1.SchemeGroupVersion.String(), admissionv1beta1.SchemeGroupVersion.String()} {
				uid := types.UID("uid-of-" + version)
				reply := workload.AskWebhook(ctx, env, contentType, creation(version, uid, association.Namespace, encode(pod)))

				Expect(reply).To(AnswerWith(http.StatusOK))
				Expect(answer(reply.Body)).To(MatchFields(IgnoreExtras, Fields{
					"TypeMeta": Equal(metav1.TypeMeta{APIVersion: version, Kind: "AdmissionReview"}),
					"Response": PointTo(MatchFields(IgnoreExtras, Fields{
						"UID": Equal(uid), "Allowed": BeTrue(), "PatchType": PointTo(Equal(admissionv1.PatchTypeJSONPatch)), "Patch": Not(BeEmpty()),
					})),
				}), "a review of "+version)
			}
		})

	It("refuses what is no review", Covers("INJ-12"), Needs(clusters.WebhookInCluster),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)

			By("sending a review, the same review as plain text, and an object that is no review")
			review := creation(admissionv1.SchemeGroupVersion.String(), "review", "nowhere", encode(workload.NewPod(env, "nowhere", account)))
			good := workload.AskWebhook(ctx, env, contentType, review)
			Expect(good).To(AnswerWith(http.StatusOK))
			Expect(answer(good.Body).Response).To(PointTo(HaveField("Allowed", BeTrue())))
			Expect(workload.AskWebhook(ctx, env, "text/plain", review)).To(AnswerWith(http.StatusUnsupportedMediaType))

			reply := workload.AskWebhook(ctx, env, contentType, []byte("{}"))
			Expect(reply).To(AnswerWith(http.StatusOK))
			Expect(answer(reply.Body).Response).To(PointTo(MatchFields(IgnoreExtras, Fields{
				"Allowed": BeFalse(), "Result": PointTo(MatchFields(IgnoreExtras, Fields{"Message": Equal("bad content")})),
			})))
		})

	It("reports its health and its metrics", Covers("OPS-03"), Needs(clusters.WebhookInCluster),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("asking for a pod whose service account is not there: a series may appear with what it counts")
			workload.AskWebhook(ctx, env, contentType, creation(admissionv1.SchemeGroupVersion.String(), "missing", association.Namespace,
				encode(workload.NewPod(env, association.Namespace, "not-there"))))

			health := workload.WebhookHealth(ctx, env)
			Expect(health).To(AnswerWith(http.StatusOK))
			Expect(health.Body).To(Equal("ok"))

			Eventually(func() string { return workload.WebhookMetrics(ctx, env).Body }).WithContext(ctx).Within(counted).
				Should(MatchRegexp(`(?m)^pod_identity_webhook_missing_sa_count(\{.*\})? `))
			metrics := workload.WebhookMetrics(ctx, env)
			Expect(metrics).To(AnswerWith(http.StatusOK))
			for _, series := range []string{
				`http_request_count\{code="200",path="/mutate",verb="POST"\}`,
				`http_request_latencies_count\{path="/mutate",verb="POST"\}`,
				`http_request_duration_microseconds_count\{path="/mutate",verb="POST"\}`,
				`pod_identity_webhook_pod_count\{method="container_credentials"\}`,
				`pod_identity_webhook_used`,
			} {
				Expect(metrics.Body).To(MatchRegexp(`(?m)^`+series+` [1-9]`), "counted once at least")
			}
		})
})

// creation is a review, in a version of the API, of the creation of a pod, which is JSON.
func creation(version string, uid types.UID, namespace string, pod []byte) []byte {
	return encode(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: version, Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: uid, Namespace: namespace, Operation: admissionv1.Create,
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: runtime.RawExtension{Raw: pod},
		},
	})
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	Expect(err).NotTo(HaveOccurred())
	return data
}

func answer(body string) admissionv1.AdmissionReview {
	GinkgoHelper()
	var review admissionv1.AdmissionReview
	Expect(json.Unmarshal([]byte(body), &review)).To(Succeed(), body)
	return review
}
