package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("serves the pods that Deployments, StatefulSets, DaemonSets and Jobs make", Covers("INJ-01"),
		SpecTimeout(2*time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			By("creating one of each, whose pods are never scheduled")
			kinds := map[string]k8s.Object{
				"ReplicaSet":  &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: selects("deployment"), Template: template(env, "deployment")}},
				"StatefulSet": &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Selector: selects("statefulset"), Template: template(env, "statefulset")}},
				"DaemonSet":   &appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Selector: selects("daemonset"), Template: template(env, "daemonset")}},
				"Job":         job(env),
			}
			for _, object := range kinds {
				object.SetNamespace(association.Namespace)
				object.SetName("made")
				workload.Create(ctx, env, object)
			}

			made := func() map[string]string {
				found := map[string]string{}
				for _, pod := range workload.Pods(ctx, env, association.Namespace) {
					if owner := metav1.GetControllerOf(&pod); owner != nil {
						found[owner.Kind] = workload.Variable(pod.Spec.Containers[0], workload.CredentialsVariable)
					}
				}
				return found
			}
			Eventually(made).WithContext(ctx).Within(env.Timeouts.PodsMade).Should(HaveLen(len(kinds)), "pods by the kind of their owner")
			for owner, value := range made() {
				Expect(value).To(Equal(workload.CredentialsURL), "pod of a "+owner)
			}
		})
})

func selects(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

// template of pods that are never scheduled.
func template(env *framework.Env, name string) corev1.PodTemplateSpec {
	pod := workload.NewPod(env, "", account, workload.NeverScheduled())
	pod.Labels["app"] = name
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}
}

func job(env *framework.Env) *batchv1.Job {
	template := template(env, "job")
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.Job{Spec: batchv1.JobSpec{Template: template}}
}
