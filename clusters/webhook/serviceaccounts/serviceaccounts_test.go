package serviceaccounts

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fcache "k8s.io/client-go/tools/cache/testing"
)

// cluster is a Source. The test sets its watch and its answers.
type cluster struct {
	*fcache.FakeControllerSource
	answer *metav1.PartialObjectMetadata
	asked  int
}

func (c *cluster) Get(context.Context, string, string) (*metav1.PartialObjectMetadata, error) {
	if c.asked++; c.answer == nil {
		return nil, errors.New("not found")
	}
	return c.answer, nil
}

// namespace of all service accounts.
const namespace = "ns"

func account(name, role string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Annotations: map[string]string{"role": role},
		Labels: map[string]string{"big": "label"}, UID: "u",
	}}
}

func start(t *testing.T, c *cluster, grace time.Duration) *Accounts {
	t.Helper()
	c.FakeControllerSource = fcache.NewFakeControllerSource()
	c.Add(account("old", "1"))
	accounts, err := New(c, grace, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		accounts.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	if !accounts.WaitSynced(t.Context(), 10*time.Second) || !accounts.Synced() {
		t.Fatal("not synced within 10 s")
	}
	return accounts
}

// eventually polls until an account has the role; "" for none.
func eventually(t *testing.T, accounts *Accounts, name, role string) {
	t.Helper()
	var last string
	for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
		if last = accounts.Await(t.Context(), namespace, name)["role"]; last == role {
			return
		}
	}
	t.Fatalf("%s/%s has the role %q, want %q", namespace, name, last, role)
}

func TestAnnotationsFollowTheCluster(t *testing.T) {
	c := &cluster{}
	accounts := start(t, c, 0)
	if got := accounts.Await(t.Context(), "ns", "old")["role"]; got != "1" {
		t.Errorf("an account that was there from the start has the role %q", got)
	}
	if accounts.Await(t.Context(), "other", "old") != nil || accounts.Await(t.Context(), "ns", "new") != nil {
		t.Error("an account that is not there has annotations")
	}
	if n := testutil.ToFloat64(accounts.missing); n != 2 || c.asked != 0 {
		t.Errorf("%v lookups are counted as missing, and %d were asked for without a grace", n, c.asked)
	}
	c.Add(account("new", "2"))
	eventually(t, accounts, "new", "2")
	c.Modify(account("old", "3"))
	eventually(t, accounts, "old", "3")
	if !accounts.Any("role") || accounts.Any("big") {
		t.Error("Any does not look at annotations")
	}
	c.Delete(account("old", "3"))
	eventually(t, accounts, "old", "")
}

// The source is asked for a new service account, within the grace.
func TestGrace(t *testing.T) {
	c := &cluster{answer: account("late", "4")}
	accounts := start(t, c, time.Second)
	if got := accounts.Await(t.Context(), "ns", "late")["role"]; got != "4" {
		t.Errorf("got the role %q", got)
	}
	accounts.Await(t.Context(), "ns", "old")
	if c.asked != 1 {
		t.Errorf("asked %d times, want once: what is known is not asked for", c.asked)
	}
	c.answer = nil
	if got := accounts.Await(t.Context(), "ns", "never"); got != nil || testutil.ToFloat64(accounts.missing) != 1 {
		t.Errorf("got %v, and %v missing", got, testutil.ToFloat64(accounts.missing))
	}
}

func TestOnlyAnnotationsAreKept(t *testing.T) {
	kept, err := annotationsOnly(account("a", "1"))
	if got := kept.(*metav1.PartialObjectMetadata); err != nil || got.Labels != nil || got.UID != "" || got.Annotations["role"] != "1" || got.Namespace != "ns" || got.Name != "a" {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// BenchmarkAnnotations: a lookup among many accounts.
func BenchmarkAnnotations(b *testing.B) {
	c := &cluster{FakeControllerSource: fcache.NewFakeControllerSource()}
	accounts, err := New(c, 0, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := accounts.informer.GetStore().Add(account(name, "1")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, known := accounts.Annotations("ns", "b"); !known {
			b.Fatal("not found")
		}
	}
}
