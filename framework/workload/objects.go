package workload

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/framework"
)

// Create creates an object in a namespace of the spec, such as a Deployment; it goes with that.
func Create(ctx context.Context, env *framework.Env, object k8s.Object) {
	env.T.Helper()
	if err := env.Resources.Create(ctx, object); err != nil {
		env.T.Fatalf("create %T %s/%s: %v", object, object.GetNamespace(), object.GetName(), err)
	}
}

// Pods of a namespace, as they are now.
func Pods(ctx context.Context, env *framework.Env, namespace string) []corev1.Pod {
	env.T.Helper()
	var list corev1.PodList
	if err := env.Resources.WithNamespace(namespace).List(ctx, &list); err != nil {
		env.T.Fatalf("list pods of namespace %s: %v", namespace, err)
	}
	return list.Items
}
