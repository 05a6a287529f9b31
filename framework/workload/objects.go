package workload

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"

	"github.com/podidentity/epi/framework"
)

// Create creates an object in a namespace of the spec, such as a Deployment. It is deleted with the namespace, or at the
// end of the spec if the namespace stays.
func Create(ctx context.Context, env *framework.Env, object k8s.Object) {
	env.T.Helper()
	if err := env.Resources.Create(ctx, object); err != nil {
		env.T.Fatalf("create %T %s/%s: %v", object, object.GetNamespace(), object.GetName(), err)
	}
	if !env.Disposable {
		return
	}
	env.T.Cleanup(fmt.Sprintf("%T %s", object, object.GetName()), func(ctx context.Context) error {
		err := env.Resources.Delete(ctx, object, resources.WithDeletePropagation(string(metav1.DeletePropagationBackground)))
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// Pods returns the current pods of a namespace.
func Pods(ctx context.Context, env *framework.Env, namespace string) []corev1.Pod {
	env.T.Helper()
	var list corev1.PodList
	if err := env.Resources.WithNamespace(namespace).List(ctx, &list); err != nil {
		env.T.Fatalf("list pods of namespace %s: %v", namespace, err)
	}
	return list.Items
}
