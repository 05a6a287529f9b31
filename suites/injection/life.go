package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("follows associations that come and go", Covers("INJ-10"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)
			admit := func() []string {
				return workload.Injected(workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account)))
			}

			By("deleting the association")
			cloud.Dissociate(ctx, env, association)
			Eventually(admit).WithContext(ctx).Within(env.Timeouts.AssociationVisible).Should(BeEmpty(), "new pods")

			By("making it again")
			again := cloud.Associate(ctx, env, association.Namespace, account, association.Role)
			Expect(workload.Injected(workload.AwaitAssociation(ctx, env, again))).NotTo(BeEmpty())
		})

	It("leaves alone pods that were there before their association", Covers("INJ-11"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			namespace := workload.NewNamespace(ctx, env)
			workload.NewServiceAccount(ctx, env, namespace, account)
			pod := workload.NewUnscheduledPod(ctx, env, namespace, account)

			By("associating the service account")
			workload.AwaitAssociation(ctx, env, cloud.Associate(ctx, env, namespace, account, cloud.NewRole(ctx, env)))

			By("changing the pod")
			pod.Labels["changed"] = "true"
			pod, err := env.Clientset.CoreV1().Pods(namespace).Update(ctx, pod, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "a label of the pod is changed")
			Expect(pod.Labels).To(HaveKey("changed"))
			Expect(workload.Injected(pod)).To(BeEmpty())
		})

	It("gives ephemeral containers nothing", Covers("INJ-11"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)
			pod := workload.NewUnscheduledPod(ctx, env, association.Namespace, account)
			Expect(workload.Injected(pod)).NotTo(BeEmpty())

			By("adding an ephemeral container, as kubectl debug does")
			pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				Name: "debugger", Image: env.ProbeImage, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			}}}
			pod, err := env.Clientset.CoreV1().Pods(pod.Namespace).UpdateEphemeralContainers(ctx, pod.Name, pod, metav1.UpdateOptions{})
			Expect(err).NotTo(HaveOccurred(), "an ephemeral container is added")
			Expect(pod.Spec.EphemeralContainers).To(HaveLen(1))
			Expect(pod.Spec.EphemeralContainers[0].Env).To(BeEmpty())
			Expect(pod.Spec.EphemeralContainers[0].VolumeMounts).To(BeEmpty())
		})
})
