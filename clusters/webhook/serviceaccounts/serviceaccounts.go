// Package serviceaccounts has the annotations of a cluster's service accounts. It watches only their metadata, so that a
// lookup during an admission is one in memory.
package serviceaccounts

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Source lists, watches and gets the metadata of service accounts. Client implements it.
type Source interface {
	cache.ListerWatcher
	// Get returns one service account. Its error says if there is none.
	Get(ctx context.Context, namespace, name string) (*metav1.PartialObjectMetadata, error)
}

// Accounts are the service accounts of a cluster. They are safe for concurrent use.
type Accounts struct {
	source   Source
	informer cache.SharedInformer
	grace    time.Duration
	missing  prometheus.Counter
	log      *slog.Logger
}

// New makes Accounts. Run fills them. During the grace, unless it is 0, they ask the source for an account that the watch
// has not reported yet. New registers the counter pod_identity_webhook_missing_sa_count of lookups without an account.
func New(source Source, grace time.Duration, registerer prometheus.Registerer, log *slog.Logger) (*Accounts, error) {
	informer := cache.NewSharedInformer(source, &metav1.PartialObjectMetadata{}, 0)
	if err := informer.SetTransform(annotationsOnly); err != nil {
		return nil, fmt.Errorf("watch service accounts: %w", err)
	}
	missing := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pod_identity_webhook_missing_sa_count",
		Help: "Pods whose service account was not known when they were created.",
	})
	registerer.MustRegister(missing)
	return &Accounts{source: source, informer: informer, grace: grace, missing: missing, log: log}, nil
}

// annotationsOnly removes everything else before an object is stored.
func annotationsOnly(object any) (any, error) {
	account, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil // a tombstone of a transformed object
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: account.Namespace, Name: account.Name, ResourceVersion: account.ResourceVersion, Annotations: account.Annotations,
	}}, nil
}

// Run watches until ctx ends, and retries while the API server does not answer.
func (a *Accounts) Run(ctx context.Context) { a.informer.RunWithContext(ctx) }

// Synced says whether all accounts are known that existed when Run began.
func (a *Accounts) Synced() bool { return a.informer.HasSynced() }

// WaitSynced waits for Synced, for the given time at most, and returns the result.
func (a *Accounts) WaitSynced(ctx context.Context, atMost time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	return cache.WaitForCacheSync(ctx.Done(), a.informer.HasSynced)
}

// Annotations of a service account, which must not be changed. It also says whether the account is known.
func (a *Accounts) Annotations(namespace, name string) (map[string]string, bool) {
	object, found, err := a.informer.GetStore().GetByKey(namespace + "/" + name)
	account, ok := object.(*metav1.PartialObjectMetadata)
	if !ok || !found || err != nil {
		return nil, false
	}
	return account.Annotations, true
}

// Await is Annotations that asks the source for an unknown account, within the grace.
func (a *Accounts) Await(ctx context.Context, namespace, name string) map[string]string {
	if annotations, known := a.Annotations(namespace, name); known {
		return annotations
	}
	if a.grace > 0 {
		ctx, cancel := context.WithTimeout(ctx, a.grace)
		defer cancel()
		account, err := a.source.Get(ctx, namespace, name)
		if err == nil {
			return account.Annotations
		}
		a.log.WarnContext(ctx, "Service account is not known", "namespace", namespace, "serviceAccount", name, "grace", a.grace.String(), "error", err)
	}
	a.missing.Inc()
	return nil
}

// Any says whether any account has the annotation. It checks all of them.
func (a *Accounts) Any(annotation string) bool {
	for _, object := range a.informer.GetStore().List() {
		if account, ok := object.(*metav1.PartialObjectMetadata); ok && account.Annotations[annotation] != "" {
			return true
		}
	}
	return false
}

// None has no service accounts. It is for a webhook that cannot reach the API server.
type None struct{}

// Run does nothing.
func (None) Run(context.Context) {}

// Synced is true, because there is nothing to read.
func (None) Synced() bool { return true }

// WaitSynced is true at once.
func (None) WaitSynced(context.Context, time.Duration) bool { return true }

// Annotations are never known.
func (None) Annotations(string, string) (map[string]string, bool) { return nil, false }

// Await returns nothing and does not wait.
func (None) Await(context.Context, string, string) map[string]string { return nil }

// Any is false.
func (None) Any(string) bool { return false }
