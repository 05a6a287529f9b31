// Package workload creates what a spec runs in the cluster: namespaces, service accounts, and pods of epi-probe, which use
// the AWS SDK like any workload.
package workload

import (
	"context"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
	"sigs.k8s.io/e2e-framework/klient/wait"

	"github.com/podidentity/epi/framework"
)

// defaultAccount is the service account of pods that name none.
const defaultAccount = "default"

// NewNamespace creates a namespace for the spec and waits until pods can be created in it. At the end it is deleted with
// its content, without a wait. In a disposable cluster only its pods are deleted.
func NewNamespace(ctx context.Context, env *framework.Env) string {
	env.T.Helper()
	return NewNamespaceNamed(ctx, env, env.NewName())
}

// NewNamespaceNamed creates a namespace with a name that the caller got from Env.NewName.
func NewNamespaceNamed(ctx context.Context, env *framework.Env, name string) string {
	env.T.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: env.Labels()}}
	if err := env.Resources.Create(ctx, object); err != nil {
		env.T.Fatalf("create namespace: %v", err)
	}
	env.T.Cleanup("namespace "+name, func(ctx context.Context) error {
		env.Left(name)
		if env.Disposable {
			return env.Clientset.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		}
		err := env.Resources.Delete(ctx, object, resources.WithDeletePropagation(string(metav1.DeletePropagationBackground)))
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	env.Entered(name)
	// The controller manager creates each namespace's default service account a moment later.
	last := error(nil)
	err := wait.For(func(ctx context.Context) (bool, error) {
		last = env.Resources.Get(ctx, defaultAccount, name, &corev1.ServiceAccount{})
		return last == nil, nil
	}, poll(ctx, env.Timeouts.ServiceAccountVisible)...)
	if err != nil {
		env.T.Fatalf("wait for the default service account of namespace %s: %v; last seen: %v", name, err, last)
	}
	return name
}

// NewServiceAccount creates a service account, which is deleted with its namespace. Annotations are merged.
func NewServiceAccount(ctx context.Context, env *framework.Env, namespace, name string, annotations ...map[string]string) string {
	env.T.Helper()
	object := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: env.Labels(), Annotations: map[string]string{}}}
	for _, more := range annotations {
		maps.Copy(object.Annotations, more)
	}
	if err := env.Resources.Create(ctx, object); err != nil {
		env.T.Fatalf("create service account %s/%s: %v", namespace, name, err)
	}
	return name
}

func poll(ctx context.Context, timeout time.Duration) []wait.Option {
	return []wait.Option{wait.WithContext(ctx), wait.WithTimeout(timeout), wait.WithInterval(100 * time.Millisecond), wait.WithImmediate()}
}
