package eks

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// bundle registers blue anew, with the agent as a bundled add-on.
func (f *fixture) bundle(t *testing.T) {
	t.Helper()
	cluster := f.service.Clusters()[slices.IndexFunc(f.service.Clusters(), func(c Cluster) bool { return c.Name == "blue" })]
	cluster.Addons = []string{agent}
	if err := f.service.RegisterCluster(cluster); err != nil {
		t.Fatal(err)
	}
}

// A bundled agent is an add-on like any other until a client creates it. From then on the client's request decides, as in
// every document that begins with a cluster without the add-on.
func TestBundledAddonIsThereAndCanBeCreatedOnce(t *testing.T) {
	for name, change := range map[string]func(*awseks.CreateAddonInput){
		"as the seed does":  func(in *awseks.CreateAddonInput) { in.AddonVersion = aws.String("v1.0.0-eksbuild.1") },
		"without a version": func(*awseks.CreateAddonInput) {},
		"overwrite":         func(in *awseks.CreateAddonInput) { in.ResolveConflicts = types.ResolveConflictsOverwrite },
		"none":              func(in *awseks.CreateAddonInput) { in.ResolveConflicts = types.ResolveConflictsNone },
		"configured":        func(in *awseks.CreateAddonInput) { in.ConfigurationValues = aws.String(`{"podLabels":{"a":"b"}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.bundle(t)
			before := f.describeAddon(t, agent)
			if before == nil || before.Status != types.AddonStatusActive || *before.AddonVersion != "v1.3.10-eksbuild.1" || *before.NamespaceConfig.Namespace != "kube-system" {
				t.Fatalf("before: %+v", before)
			}
			list, err := f.client.ListAddons(t.Context(), &awseks.ListAddonsInput{ClusterName: aws.String("blue")})
			if err != nil || !slices.Equal(list.Addons, []string{agent}) {
				t.Errorf("listed %+v, %v", list, err)
			}
			made := f.createAddon(t, change)
			if made.Status != types.AddonStatusCreating || *made.AddonArn == *before.AddonArn {
				t.Errorf("created %+v", made)
			}
			f.settle()
			if got := f.describeAddon(t, agent); got.Status != types.AddonStatusActive || *got.AddonVersion != *made.AddonVersion {
				t.Errorf("after: %+v", got)
			}
			in := &awseks.CreateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}
			change(in)
			if _, err := f.client.CreateAddon(t.Context(), in); !isInUse(err) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func isInUse(err error) bool {
	_, ok := errors.AsType[*types.ResourceInUseException](err)
	return ok
}

func TestBundledAddonIsAsAnyOther(t *testing.T) {
	cluster, name := aws.String("blue"), aws.String(agent)
	for what, do := range map[string]func(*fixture, *testing.T) error{
		"update": func(f *fixture, t *testing.T) error {
			_, err := f.client.UpdateAddon(t.Context(), &awseks.UpdateAddonInput{ClusterName: cluster, AddonName: name, AddonVersion: aws.String("v1.2.0-eksbuild.1")})
			return err
		},
		"tag": func(f *fixture, t *testing.T) error {
			_, err := f.client.TagResource(t.Context(), &awseks.TagResourceInput{ResourceArn: f.describeAddon(t, agent).AddonArn, Tags: map[string]string{"a": "b"}})
			return err
		},
	} {
		f := newFixture(t)
		f.bundle(t)
		if err := do(f, t); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		f.settle()
		// A client that has changed the add-on knows that it exists.
		if _, err := f.client.CreateAddon(t.Context(), &awseks.CreateAddonInput{ClusterName: cluster, AddonName: name}); !isInUse(err) {
			t.Errorf("create after %s: %v", what, err)
		}
	}
	f := newFixture(t)
	f.bundle(t)
	if _, err := f.client.DeleteAddon(t.Context(), &awseks.DeleteAddonInput{ClusterName: cluster, AddonName: name}); err != nil {
		t.Fatal(err)
	}
	f.settle()
	if got := f.describeAddon(t, agent); got != nil {
		t.Errorf("after the deletion: %+v", got)
	}
	f.bundle(t) // the cluster is reported again
	if got := f.describeAddon(t, agent); got != nil {
		t.Errorf("deleted, and the cluster is reported again: %+v", got)
	}
	f.createAddon(t, nil)
}

func TestBundledAddonOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	during := func(do func(*fixture)) {
		kept, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		table, err := kept.Table("eks")
		if err != nil {
			t.Fatal(err)
		}
		do(newFixtureWith(t, Options{Table: table}))
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var before *types.Addon
	during(func(f *fixture) {
		f.register(t)
		f.bundle(t)
		before = f.describeAddon(t, agent)
	})
	during(func(f *fixture) {
		if after := f.describeAddon(t, agent); after == nil || *after.AddonArn != *before.AddonArn || !after.CreatedAt.Equal(*before.CreatedAt) {
			t.Errorf("%+v, before %+v", after, before)
		}
		f.createAddon(t, nil)
	})
	during(func(f *fixture) {
		if _, err := f.client.CreateAddon(t.Context(), &awseks.CreateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}); !isInUse(err) {
			t.Errorf("created, and again after a restart: %v", err)
		}
	})
}

func TestClusterWithAnAddonThatIsNotOffered(t *testing.T) {
	f := newFixture(t)
	cluster := f.service.Clusters()[0]
	cluster.Addons = []string{"nginx"}
	if err := f.service.RegisterCluster(cluster); err == nil {
		t.Error("taken")
	}
}
