package eks

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// The service accounts of the add-on adot.
const (
	logs    = "adot-col-container-logs"
	metrics = "adot-col-prom-metrics"
	traces  = "adot-col-otlp-ingest"
)

// collectors requests the add-on adot with associations: service account, role, and so on.
func collectors(pairs ...string) func(*awseks.CreateAddonInput) {
	return func(in *awseks.CreateAddonInput) {
		in.AddonName, in.PodIdentityAssociations = aws.String("adot"), associations(pairs...)
		in.NamespaceConfig = &types.AddonNamespaceConfigRequest{Namespace: aws.String("kube-system")}
	}
}

func associations(pairs ...string) []types.AddonPodIdentityAssociations {
	list := []types.AddonPodIdentityAssociations{}
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, types.AddonPodIdentityAssociations{ServiceAccount: &pair[0], RoleArn: &pair[1]})
	}
	return list
}

// owners are the service accounts in kube-system with associations. A "!" follows those whose association an add-on owns.
func (f *fixture) owners(t *testing.T) string {
	t.Helper()
	list, err := f.client.ListPodIdentityAssociations(t.Context(), &awseks.ListPodIdentityAssociationsInput{ClusterName: aws.String("blue"), Namespace: aws.String("kube-system")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range list.Associations {
		a, _ := f.service.Association("blue", "kube-system", *a.ServiceAccount)
		name := strings.TrimPrefix(a.ServiceAccount, "adot-col-") + "=" + a.RoleARN[strings.LastIndex(a.RoleARN, "/")+1:]
		if a.OwnerARN != "" {
			name += "!"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (f *fixture) updateAddon(t *testing.T, list []types.AddonPodIdentityAssociations) error {
	t.Helper()
	_, err := f.client.UpdateAddon(t.Context(), &awseks.UpdateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String("adot"), PodIdentityAssociations: list})
	f.settle()
	return err
}

// TestAddonOwnsAssociations: https://docs.aws.amazon.com/eks/latest/userguide/update-addon-role.html and
// remove-addon-role.html. That an owned association cannot be changed directly is in
// https://docs.aws.amazon.com/eks/latest/eksctl/pod-identity-associations.html.
func TestAddonOwnsAssociations(t *testing.T) {
	f, ctx := newFixture(t), t.Context()
	made := f.createAddon(t, collectors(logs, good, traces, good))
	f.settle()
	if len(made.PodIdentityAssociations) != 2 || f.owners(t) != "container-logs=epi-bucket-user! otlp-ingest=epi-bucket-user!" {
		t.Fatalf("made %v: %s", made.PodIdentityAssociations, f.owners(t))
	}
	a, ok := f.service.Association("blue", "kube-system", logs)
	if !ok || a.OwnerARN != *made.AddonArn || a.ARN != made.PodIdentityAssociations[0] {
		t.Errorf("got %+v", a)
	}

	// It cannot be changed directly.
	_, err := f.client.DeletePodIdentityAssociation(ctx, &awseks.DeletePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: &a.ID})
	if _, invalid := errors.AsType[*types.InvalidRequestException](err); !invalid {
		t.Errorf("delete: %v", err)
	}
	_, err = f.client.UpdatePodIdentityAssociation(ctx, &awseks.UpdatePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: &a.ID, RoleArn: aws.String(otherARN)})
	if _, invalid := errors.AsType[*types.InvalidRequestException](err); !invalid {
		t.Errorf("update: %v", err)
	}
	described, err := f.client.DescribePodIdentityAssociation(ctx, &awseks.DescribePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: &a.ID})
	if err != nil || *described.Association.OwnerArn != *made.AddonArn {
		t.Errorf("described %+v, %v", described, err)
	}

	if err := f.updateAddon(t, nil); err != nil || f.owners(t) != "container-logs=epi-bucket-user! otlp-ingest=epi-bucket-user!" {
		t.Errorf("no list: %s, %v", f.owners(t), err)
	}
	if err := f.updateAddon(t, associations(logs, otherARN, metrics, good)); err != nil || f.owners(t) != "container-logs=other! prom-metrics=epi-bucket-user!" {
		t.Errorf("another list: %s, %v", f.owners(t), err)
	}
	if b, _ := f.service.Association("blue", "kube-system", logs); b.ID != a.ID {
		t.Errorf("the association was made anew: %s and %s", a.ID, b.ID)
	}
	if err := f.updateAddon(t, associations()); err != nil || f.owners(t) != "" {
		t.Errorf("empty list: %s, %v", f.owners(t), err)
	}
}

func TestDeleteAddonWithAssociations(t *testing.T) {
	for _, test := range []struct {
		preserve bool
		want     string
	}{{false, ""}, {true, "container-logs=epi-bucket-user"}} {
		f := newFixture(t)
		f.createAddon(t, collectors(logs, good))
		f.settle()
		if _, err := f.client.DeleteAddon(t.Context(), &awseks.DeleteAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String("adot"), Preserve: test.preserve}); err != nil {
			t.Fatal(err)
		}
		f.settle()
		if got := f.owners(t); got != test.want {
			t.Errorf("preserve %v: left %q, want %q", test.preserve, got, test.want)
		}
		if !test.preserve {
			continue
		}
		a, _ := f.service.Association("blue", "kube-system", logs)
		if _, err := f.client.DeletePodIdentityAssociation(t.Context(), &awseks.DeletePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: &a.ID}); err != nil {
			t.Errorf("a preserved association cannot be deleted: %v", err)
		}
	}
}

// TestAddonAllOrNothing: an add-on is not created, and changes no association, if one of its associations cannot be
// created.
func TestAddonAllOrNothing(t *testing.T) {
	f := newFixture(t)
	f.create(t, "kube-system", metrics)
	in := &awseks.CreateAddonInput{ClusterName: aws.String("blue")}
	collectors(logs, good, metrics, good)(in)
	_, err := f.client.CreateAddon(t.Context(), in)
	if taken, ok := errors.AsType[*types.ResourceInUseException](err); !ok || *taken.AddonName != "adot" {
		t.Errorf("got %v", err)
	}
	if f.describeAddon(t, "adot") != nil || f.owners(t) != "prom-metrics=epi-bucket-user" {
		t.Errorf("left %s", f.owners(t))
	}

	f.createAddon(t, collectors(logs, good))
	f.settle()
	if err := f.updateAddon(t, associations(logs, otherARN, metrics, good)); err == nil || f.owners(t) != "container-logs=epi-bucket-user! prom-metrics=epi-bucket-user" {
		t.Errorf("update: %v, left %s", err, f.owners(t))
	}
	if err := f.updateAddon(t, associations(metrics, good)); err == nil || f.owners(t) != "container-logs=epi-bucket-user! prom-metrics=epi-bucket-user" {
		t.Errorf("update: %v, left %s", err, f.owners(t))
	}
}

// TestAddonWriteFails: a failed write is answered with 500 and changes nothing.
func TestAddonWriteFails(t *testing.T) {
	kept := &table{}
	f := newFixtureWith(t, Options{Table: kept})
	f.register(t)
	f.createAddon(t, collectors(logs, good))
	f.settle()
	kept.fail = true
	for _, request := range [][3]string{
		{"POST", "/clusters/blue/addons", `{"addonName":"coredns"}`},
		{"POST", "/clusters/blue/addons/adot/update", `{"addonVersion":"v0.141.0-eksbuild.1"}`},
		{"POST", "/clusters/blue/addons/adot/update", `{"podIdentityAssociations":[]}`},
		{"DELETE", "/clusters/blue/addons/adot", ``},
		{"DELETE", "/clusters/blue/addons/adot?preserve=true", ``},
	} {
		if status, code, text := f.send(t, request[0], request[1], request[2]); status != 500 || code != codeServer || strings.Contains(text, "secret") {
			t.Errorf("%v: got %d %s %s", request, status, code, text)
		}
	}
	if got := f.describeAddon(t, "adot"); got.Status != types.AddonStatusActive || *got.AddonVersion != "v0.141.0-eksbuild.1" {
		t.Errorf("changed: %+v", got)
	}
	if f.describeAddon(t, "coredns") != nil || f.owners(t) != "container-logs=epi-bucket-user!" {
		t.Errorf("left %s", f.owners(t))
	}
}

func TestRestartFindsAddons(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	start := func() (*fixture, func()) {
		kept, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		table, err := kept.Table("eks")
		if err != nil {
			t.Fatal(err)
		}
		return newFixtureWith(t, Options{Table: table}), func() {
			if err := kept.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	f, stop := start()
	f.register(t)
	made := f.createAddon(t, collectors(logs, good))
	f.createAddon(t, nil)
	f.settle()
	if err := f.updateAddon(t, associations(logs, otherARN)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.DeleteAddon(t.Context(), &awseks.DeleteAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String(agent)}); err != nil {
		t.Fatal(err)
	}
	before, at := f.describeAddon(t, "adot"), f.now
	stop()

	f, stop = start()
	defer stop()
	f.now = at
	if got := f.describeAddon(t, agent); got == nil || got.Status != types.AddonStatusDeleting {
		t.Errorf("what was being deleted: %+v", got)
	}
	f.now = at.Add(time.Second)
	after := f.describeAddon(t, "adot")
	if after == nil || *after.AddonArn != *made.AddonArn || !after.ModifiedAt.Equal(*before.ModifiedAt) || !slices.Equal(after.PodIdentityAssociations, made.PodIdentityAssociations) {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if f.describeAddon(t, agent) != nil || f.owners(t) != "container-logs=other!" {
		t.Errorf("left %s", f.owners(t))
	}
	list, err := f.client.ListUpdates(t.Context(), &awseks.ListUpdatesInput{Name: aws.String("blue"), AddonName: aws.String("adot")})
	if err != nil || len(list.UpdateIds) != 1 {
		t.Errorf("updates %+v, %v", list, err)
	}
}

// TestUpdateReportsAssociations: as EKS was seen to answer (hashicorp/terraform-provider-aws issue 30645).
func TestUpdateReportsAssociations(t *testing.T) {
	f := newFixture(t)
	f.createAddon(t, collectors())
	f.settle()
	out, err := f.client.UpdateAddon(t.Context(), &awseks.UpdateAddonInput{ClusterName: aws.String("blue"), AddonName: aws.String("adot"), PodIdentityAssociations: associations(logs, good)})
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"serviceAccount":"` + logs + `","roleArn":"` + good + `","namespace":"kube-system"}]`
	if p := out.Update.Params; len(p) != 1 || p[0].Type != types.UpdateParamTypePodIdentityAssociations || *p[0].Value != want {
		t.Errorf("got %+v", p)
	}
}
