package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/cloud"
	"github.com/podidentity/epi/framework/workload"
)

// fixture is a test as what the framework makes its fixtures in.
type fixture struct{ *testing.T }

var _ framework.T = fixture{}

func (f fixture) Report(name string, value any) { f.Logf("%s: %v", name, value) }

func (f fixture) Blamef(format string, args ...any) { f.Helper(); f.Fatalf(format, args...) }

func (f fixture) Cleanup(what string, remove func(context.Context) error) {
	f.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(f.Context()), time.Minute)
		defer cancel()
		if err := remove(ctx); err != nil {
			f.Errorf("remove %s: %v", what, err)
		}
	})
}

// Two clusters of one region, which eksctl makes: pods of the same namespace, service account and role are kept apart by
// the session tag eks-cluster-name (ABAC-09, of which the suites know the second cluster by its tokens alone).
func TestTwoClustersKeepTheirPodsApart(t *testing.T) {
	if os.Getenv("EPI_TEST_TWO_CLUSTERS") == "" {
		t.Skip("it makes two clusters, which takes about 8 minutes: set EPI_TEST_TWO_CLUSTERS=1, after make build")
	}
	program, err := filepath.Abs("../../bin/epi")
	if err != nil {
		t.Fatal(err)
	}
	e := &end{program: program, name: "two-eks", out: t.Output(), errs: t.Output()}
	t.Cleanup(func() {
		if err := e.epi(context.WithoutCancel(t.Context()), nil, "cloud", "down", "--name", e.name); err != nil {
			t.Error(err)
		}
	})
	if err := e.epi(t.Context(), nil, "cloud", "up", "--name", e.name); err != nil {
		t.Fatal(err)
	}
	region, err := load(e.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range variables(region) {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // the kubeconfigs' tokens are signed by them
		}
	}
	first, second := clusterIn(t, e, region, "two-eks-a"), clusterIn(t, e, region, "two-eks-b")
	if first.ClusterARN == second.ClusterARN || first.Config.Host == second.Config.Host {
		t.Fatalf("the clusters are one: %s, %s", first.ClusterARN, second.ClusterARN)
	}

	bucket := cloud.NewBucket(t.Context(), first)
	role := cloud.NewRole(t.Context(), first, cloud.OwnPrefix(bucket))
	const namespace, account = "tenant", "app"
	pods := map[*framework.Env]*workload.Probe{}
	for _, env := range []*framework.Env{first, second} {
		bucket.Put(t.Context(), keyOf(env, namespace), []byte(env.ClusterName))
		workload.NewNamespaceNamed(t.Context(), env, namespace)
		workload.NewServiceAccount(t.Context(), env, namespace, account)
		association := cloud.Associate(t.Context(), env, namespace, account, role)
		pods[env] = workload.Start(t.Context(), env, workload.AwaitAssociation(t.Context(), env, association))
	}
	for env, pod := range pods {
		for _, of := range []*framework.Env{first, second} {
			got := pod.Download(bucket.Name, keyOf(of, namespace))(t.Context())
			switch {
			case of == env && (got.Failure != nil || string(got.Body) != env.ClusterName):
				t.Errorf("a pod of %s reads its own object: %q, %v", env.ClusterName, got.Body, got.Failure)
			case of != env && (got.Failure == nil || got.Failure.Status != http.StatusForbidden):
				t.Errorf("a pod of %s reads the object of %s: %q, %v", env.ClusterName, of.ClusterName, got.Body, got.Failure)
			}
		}
	}
}

// keyOf is the object of a cluster's namespace.
func keyOf(env *framework.Env, namespace string) string {
	return env.ClusterName + "/" + namespace + "/test.txt"
}

// clusterIn makes an EKS cluster in the region, and an environment of it, which is removed at the end.
func clusterIn(t *testing.T, e *end, region *clusters.Environment, name string) *framework.Env {
	t.Helper()
	t.Cleanup(func() {
		if err := e.epi(context.WithoutCancel(t.Context()), variables(region), "down", "--name", name); err != nil {
			t.Error(err)
		}
	})
	if err := e.epi(t.Context(), variables(region), inRegion(region, "up", name)...); err != nil {
		t.Fatal(err)
	}
	environment, err := load(name)
	if err != nil {
		t.Fatal(err)
	}
	env, err := framework.New(t.Context(), environment, framework.Options{Run: "two-clusters", T: fixture{t}})
	if err != nil {
		t.Fatal(err)
	}
	return env
}
