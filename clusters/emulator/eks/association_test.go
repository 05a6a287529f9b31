package eks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func (f *fixture) create(t *testing.T, namespace, serviceAccount string) *types.PodIdentityAssociation {
	t.Helper()
	out, err := f.client.CreatePodIdentityAssociation(t.Context(), &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: &namespace, ServiceAccount: &serviceAccount, RoleArn: aws.String(good),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Association
}

func TestAssociationLife(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	out, err := f.client.CreatePodIdentityAssociation(ctx, &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: aws.String("default"), ServiceAccount: aws.String("aws-cli"),
		RoleArn: aws.String(good), TargetRoleArn: aws.String("arn:aws:iam::999999999999:role/target"), Tags: map[string]string{"team": "a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	a := out.Association
	// ASC-02
	if !regexp.MustCompile(`^a-[a-z0-9]{17}$`).MatchString(*a.AssociationId) {
		t.Errorf("ID %q", *a.AssociationId)
	}
	if want := "arn:aws:eks:us-west-2:123456789012:podidentityassociation/blue/" + *a.AssociationId; *a.AssociationArn != want {
		t.Errorf("ARN %q, want %q", *a.AssociationArn, want)
	}
	// ASC-10
	if *a.ExternalId != "us-west-2/123456789012/blue/default/aws-cli" {
		t.Errorf("external ID %q", *a.ExternalId)
	}
	if *a.DisableSessionTags || a.Tags["team"] != "a" || !a.CreatedAt.Equal(created) || !a.ModifiedAt.Equal(created) || a.Policy != nil {
		t.Errorf("got %+v", a)
	}

	// ASC-03
	_, err = f.client.CreatePodIdentityAssociation(ctx, &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: aws.String("default"), ServiceAccount: aws.String("aws-cli"), RoleArn: aws.String(good),
	})
	if inUse, ok := errors.AsType[*types.ResourceInUseException](err); !ok || !strings.Contains(*inUse.Message, *a.AssociationId) {
		t.Errorf("second create: %v", err)
	}

	// ASC-06
	f.now = created.Add(time.Minute)
	updated, err := f.client.UpdatePodIdentityAssociation(ctx, &awseks.UpdatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), AssociationId: a.AssociationId, RoleArn: aws.String(good + "-2"), TargetRoleArn: aws.String(""),
		DisableSessionTags: aws.Bool(true), Policy: aws.String(`{}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	u := updated.Association
	if *u.RoleArn != good+"-2" || u.TargetRoleArn != nil || u.ExternalId != nil || !*u.DisableSessionTags || *u.Policy != "{}" ||
		!u.ModifiedAt.Equal(f.now) || !u.CreatedAt.Equal(created) || *u.Namespace != "default" || *u.ServiceAccount != "aws-cli" {
		t.Errorf("got %+v", u)
	}
	// ASC-11: the policy stays, so session tags may not be enabled again.
	_, err = f.client.UpdatePodIdentityAssociation(ctx, &awseks.UpdatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), AssociationId: a.AssociationId, DisableSessionTags: aws.Bool(false),
	})
	if _, ok := errors.AsType[*types.InvalidParameterException](err); !ok {
		t.Errorf("tags with policy: %v", err)
	}

	described, err := f.client.DescribePodIdentityAssociation(ctx, &awseks.DescribePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: a.AssociationId})
	if err != nil || *described.Association.RoleArn != good+"-2" {
		t.Errorf("got %+v, %v", described, err)
	}
	// ASC-01: the answer to a delete has the deleted association.
	deleted, err := f.client.DeletePodIdentityAssociation(ctx, &awseks.DeletePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: a.AssociationId})
	if err != nil || *deleted.Association.AssociationId != *a.AssociationId {
		t.Errorf("got %+v, %v", deleted, err)
	}
	_, err = f.client.DescribePodIdentityAssociation(ctx, &awseks.DescribePodIdentityAssociationInput{ClusterName: aws.String("blue"), AssociationId: a.AssociationId})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("after delete: %v", err)
	}
	if again := f.create(t, "default", "aws-cli"); *again.AssociationId == *a.AssociationId {
		t.Error("the ID was used again")
	}
}

func TestAssociationLimit(t *testing.T) {
	f := newFixture(t)
	for n := range 3 {
		f.create(t, "default", fmt.Sprint("app-", n))
	}
	_, err := f.client.CreatePodIdentityAssociation(t.Context(), &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: aws.String(good),
	})
	if _, ok := errors.AsType[*types.ResourceLimitExceededException](err); !ok {
		t.Errorf("got %v", err)
	}
	if err := f.service.SetAssociationLimit(4); err != nil || f.service.AssociationLimit() != 4 {
		t.Errorf("set to 4: %v, got %d", err, f.service.AssociationLimit())
	}
	f.create(t, "default", "app")
	for _, limit := range []int{-1, 0, 100_001} {
		if err := f.service.SetAssociationLimit(limit); err == nil || f.service.AssociationLimit() != 4 {
			t.Errorf("set to %d: %v, got %d", limit, err, f.service.AssociationLimit())
		}
	}
}

func TestListAssociations(t *testing.T) {
	f := newFixture(t)
	if err := f.service.SetAssociationLimit(1000); err != nil {
		t.Fatal(err)
	}
	for n := range 7 {
		f.create(t, fmt.Sprint("ns-", n%2), fmt.Sprint("sa-", n))
	}
	list := func(input awseks.ListPodIdentityAssociationsInput) (names []string, next *string) {
		t.Helper()
		input.ClusterName = aws.String("blue")
		out, err := f.client.ListPodIdentityAssociations(t.Context(), &input)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range out.Associations {
			names = append(names, *a.Namespace+"/"+*a.ServiceAccount)
		}
		return names, out.NextToken
	}
	all := []string{"ns-0/sa-0", "ns-1/sa-1", "ns-0/sa-2", "ns-1/sa-3", "ns-0/sa-4", "ns-1/sa-5", "ns-0/sa-6"}

	if got, next := list(awseks.ListPodIdentityAssociationsInput{}); !slices.Equal(got, all) || next != nil {
		t.Errorf("got %v, %v", got, next)
	}
	if got, _ := list(awseks.ListPodIdentityAssociationsInput{Namespace: aws.String("ns-1")}); !slices.Equal(got, []string{all[1], all[3], all[5]}) {
		t.Errorf("namespace: %v", got)
	}
	if got, _ := list(awseks.ListPodIdentityAssociationsInput{Namespace: aws.String("ns-0"), ServiceAccount: aws.String("sa-5")}); got != nil {
		t.Errorf("both filters: %v", got)
	}
	var pages []string
	var token *string
	for n := 0; ; n++ {
		page, next := list(awseks.ListPodIdentityAssociationsInput{MaxResults: aws.Int32(3), NextToken: token})
		pages = append(pages, page...)
		if token = next; next == nil {
			if n != 2 {
				t.Errorf("%d pages", n+1)
			}
			break
		}
	}
	if !slices.Equal(pages, all) {
		t.Errorf("pages %v", pages)
	}
}

func TestAssociationAndVerifierLookup(t *testing.T) {
	f := newFixture(t)
	a := f.create(t, "default", "app")
	if found, ok := f.service.Association("blue", "default", "app"); !ok || found.ID != *a.AssociationId {
		t.Errorf("got %+v, %v", found, ok)
	}
	for _, missing := range [][3]string{{"green", "default", "app"}, {"blue", "hoge", "app"}, {"blue", "default", "other"}} {
		if found, ok := f.service.Association(missing[0], missing[1], missing[2]); ok {
			t.Errorf("%v: found %+v", missing, found)
		}
	}
	if _, ok := f.service.Verifier("blue"); !ok {
		t.Error("no verifier of a known cluster")
	}
	if _, ok := f.service.Verifier("green"); ok {
		t.Error("a verifier of an unknown cluster")
	}
	if _, ok := f.service.IssuerKeys("https://issuer"); !ok {
		t.Error("no keys of a known issuer")
	}
	if _, ok := f.service.IssuerKeys("https://other"); ok {
		t.Error("keys of an unknown issuer")
	}
}

func TestRegisterClusterKeepsAssociations(t *testing.T) {
	f := newFixture(t)
	f.create(t, "default", "app")
	f.now = created.Add(time.Hour)
	if err := f.service.RegisterCluster(Cluster{Name: "blue", Issuer: "https://new", JWKS: jwks()}); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.service.Association("blue", "default", "app"); !ok {
		t.Error("the association is gone")
	}
	for _, c := range f.service.Clusters() {
		if c.Issuer != "https://new" || !c.Created.Equal(created) {
			t.Errorf("got %+v", c)
		}
	}
	for _, bad := range []Cluster{{Name: "a/b", Issuer: "i", JWKS: jwks()}, {Name: "x", Issuer: "i", JWKS: []byte("{}")}, {Name: "x", Issuer: "i", JWKS: jwks(), ServiceCIDR: "10.96.0.0"}} {
		if err := f.service.RegisterCluster(bad); err == nil {
			t.Errorf("%s was registered", bad.Name)
		}
	}
}

func TestIdentitiesLongPoll(t *testing.T) {
	keys := jwks()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Region: "us-west-2", Account: account, Authorizer: &rights{}, Roles: roles{}})
		if err := s.RegisterCluster(Cluster{Name: "blue", Issuer: "https://issuer", JWKS: keys}); err != nil {
			t.Fatal(err)
		}
		first, identities, err := s.Identities(t.Context(), "blue", "")
		if err != nil || len(identities) != 0 {
			t.Fatalf("got %v, %v", identities, err)
		}

		// Nothing changes, so the answer comes when the wait is over.
		start := time.Now()
		waited, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if revision, _, err := s.Identities(waited, "blue", first); err != nil || revision != first || time.Since(start) != 30*time.Second {
			t.Errorf("got %q, %v after %v", revision, err, time.Since(start))
		}

		// A change ends the wait at once.
		var got []Identity
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, got, err = s.Identities(t.Context(), "blue", first)
		}()
		synctest.Wait()
		s.state.mu.Lock()
		c := s.state.clusters["blue"]
		a := &Association{ID: "1", Namespace: "b", ServiceAccount: "x"}
		c.add(a)
		c.add(&Association{ID: "2", Namespace: "a", ServiceAccount: "y"})
		s.state.mu.Unlock()
		<-done
		if want := []Identity{{"a", "y"}, {"b", "x"}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}

		// Revisions of another process are unknown, so their requests are answered at once.
		if _, got, err := s.Identities(t.Context(), "blue", "other-2"); err != nil || len(got) != 2 {
			t.Errorf("got %v, %v", got, err)
		}
		if _, _, err := s.Identities(t.Context(), "green", ""); !errors.Is(err, ErrNoCluster) {
			t.Errorf("got %v", err)
		}
	})
}

// TestCloseLetsWaitersGo: Close answers all waiters at once with the current identities.
func TestCloseLetsWaitersGo(t *testing.T) {
	keys := jwks()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Options{Region: "us-west-2", Account: account, Authorizer: &rights{}, Roles: roles{}})
		type answer struct {
			revision   string
			identities []Identity
			err        error
		}
		answers, first := make(chan answer), map[string]string{}
		for _, name := range []string{"blue", "blue", "green"} {
			if err := s.RegisterCluster(Cluster{Name: name, Issuer: "https://issuer", JWKS: keys}); err != nil {
				t.Fatal(err)
			}
			if first[name] == "" {
				s.state.clusters[name].add(&Association{ID: "1", Namespace: name, ServiceAccount: "x"})
			}
			revision, _, err := s.Identities(t.Context(), name, "")
			if err != nil {
				t.Fatal(err)
			}
			first[name] = revision
			go func() {
				revision, identities, err := s.Identities(t.Context(), name, revision)
				answers <- answer{revision, identities, err}
			}()
		}
		synctest.Wait()
		start := time.Now()
		s.Close()
		for range 3 {
			got := <-answers
			if got.err != nil || len(got.identities) != 1 || got.revision == first[got.identities[0].Namespace] || time.Since(start) != 0 {
				t.Errorf("got %+v after %v", got, time.Since(start))
			}
		}
	})
}
