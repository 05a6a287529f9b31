package injection

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework"
	. "github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/workload"
)

var _ = Describe("The webhook", func() {
	It("skips the containers that the pod's annotation names, and no others", Covers("INJ-06"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			for annotation, want := range map[string][]string{
				"main":                     {initial, sidecar, second},
				"init,second":              {sidecar, workload.Main},
				`"main","sidecar"`:         {initial, second}, // quoted, as comma-separated values may be
				"init,sidecar,main,second": {},
				"sec,mai,nobody":           {initial, sidecar, workload.Main, second}, // beginnings of names
				`main,"second`:             {initial, sidecar, workload.Main, second}, // cannot be parsed
			} {
				pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account,
					append(everyKind(), withAnnotation(workload.SkipContainers, annotation))...))

				Expect(injectedContainers(pod)).To(Equal(want), "annotation %q", annotation)
				Expect(tokenVolumes(pod)).To(HaveLen(1), "annotation %q", annotation)
			}
		})

	It("does not see pods with the label that keeps them from it", Covers("INJ-16"),
		SpecTimeout(time.Minute), func(ctx SpecContext) {
			env := framework.From(ctx)
			association := associate(ctx, env)
			workload.AwaitAssociation(ctx, env, association)

			for _, value := range []string{"true", "false", ""} {
				pod := workload.Admit(ctx, env, workload.NewPod(env, association.Namespace, account, withLabel(workload.SkipWebhook, value)))
				Expect(workload.Injected(pod)).To(BeEmpty(), "label with the value %q", value)
			}
		})
})

// injectedContainers are the names of those with both variables and the mount. The name of one with only a part of them has
// a question mark.
func injectedContainers(pod *corev1.Pod) []string {
	names := []string{}
	for _, container := range workload.Containers(pod) {
		parts := len(tokenMounts(container))
		for _, name := range []string{workload.CredentialsVariable, workload.TokenFileVariable} {
			parts += len(values(container, name))
		}
		switch parts {
		case 0:
		case 3:
			names = append(names, container.Name)
		default:
			names = append(names, container.Name+"?")
		}
	}
	return names
}
