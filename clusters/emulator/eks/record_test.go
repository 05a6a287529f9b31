package eks

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/podidentity/epi/clusters/emulator/store"
)

func TestRestartFindsClustersAndAssociations(t *testing.T) {
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
	input := &awseks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("blue"), Namespace: aws.String("default"), ServiceAccount: aws.String("chained"), RoleArn: aws.String(good),
		TargetRoleArn: aws.String("arn:aws:iam::999999999999:role/target"), DisableSessionTags: aws.Bool(true), Policy: aws.String("{}"),
		Tags: map[string]string{"team": "a"}, ClientRequestToken: aws.String("t1"),
	}
	made, err := f.client.CreatePodIdentityAssociation(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	f.create(t, "default", "second")
	third := f.create(t, "default", "third")
	if status, _, text := f.send(t, "DELETE", "/clusters/blue/pod-identity-associations/"+*third.AssociationId, ""); status != 200 {
		t.Fatal(text)
	}
	if status, _, text := f.send(t, "POST", "/tags/"+url.PathEscape(blueARN), `{"tags":{"env":"test"}}`); status != 200 {
		t.Fatal(text)
	}
	f.now = created.Add(time.Minute)
	before, ok := f.service.Association("blue", "default", "chained")
	if !ok {
		t.Fatal("not made")
	}
	stop()

	f, stop = start()
	defer stop()
	after, ok := f.service.Association("blue", "default", "chained")
	if !ok {
		t.Fatal("the association is gone")
	}
	if after.ARN != before.ARN || after.RoleARN != good || after.TargetRoleARN != before.TargetRoleARN || after.ExternalID != before.ExternalID ||
		!after.DisableSessionTags || after.Policy != "{}" || after.Tags["team"] != "a" || !after.Created.Equal(created) {
		t.Errorf("got %+v, want %+v", after, before)
	}
	if _, ok := f.service.Association("blue", "default", "third"); ok {
		t.Error("a deleted association is back")
	}
	// A cluster that is registered again, as at each start of a harness, keeps its tags.
	f.register(t)
	if _, _, text := f.send(t, "GET", "/tags/"+url.PathEscape(blueARN), ""); text != `{"tags":{"env":"test"}}` {
		t.Errorf("tags of the cluster: %s", text)
	}
	if _, ok := f.service.Verifier("blue"); !ok {
		t.Error("no verifier")
	}
	if _, ok := f.service.IssuerKeys("https://issuer"); !ok {
		t.Error("no keys of the issuer")
	}
	// The token of the first request still counts.
	if again, err := f.client.CreatePodIdentityAssociation(t.Context(), input); err != nil || *again.Association.AssociationId != *made.Association.AssociationId {
		t.Errorf("same request: %v", err)
	}
	// New updates come after the old ones.
	f.create(t, "default", "fourth")
	list, err := f.client.ListPodIdentityAssociations(t.Context(), &awseks.ListPodIdentityAssociationsInput{ClusterName: aws.String("blue")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range list.Associations {
		names = append(names, *a.ServiceAccount)
	}
	if got := strings.Join(names, " "); got != "chained second fourth" {
		t.Errorf("got %s", got)
	}
}

// table is a Table of one kind of record that fails when a test asks for it.
type table struct {
	fail    bool
	records [][2]string
}

func (b *table) Put(string, []byte) error { return b.write() }
func (b *table) Delete(string) error      { return b.write() }

func (b *table) write() error {
	if b.fail {
		return errors.New("disk is full: /secret/path")
	}
	return nil
}

func (b *table) Each(visit func(key string, value []byte) error) error {
	for _, record := range b.records {
		if err := visit(record[0], []byte(record[1])); err != nil {
			return err
		}
	}
	return nil
}

func TestFailedWriteChangesNothing(t *testing.T) {
	kept := &table{}
	f := newFixtureWith(t, Options{Table: kept})
	f.register(t)
	a := f.create(t, "default", "app")
	path := "/clusters/blue/pod-identity-associations"
	kept.fail = true
	for _, change := range [][3]string{
		{"POST", path, `{"namespace":"default","serviceAccount":"other","roleArn":"` + good + `"}`},
		{"POST", path + "/" + *a.AssociationId, `{"disableSessionTags":true}`},
		{"DELETE", path + "/" + *a.AssociationId, ""},
		{"POST", "/tags/" + url.PathEscape(*a.AssociationArn), `{"tags":{"a":"b"}}`},
		{"POST", "/tags/" + url.PathEscape(blueARN), `{"tags":{"a":"b"}}`},
	} {
		// ServerException 500: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html
		status, code, text := f.send(t, change[0], change[1], change[2])
		if status != 500 || code != codeServer || strings.Contains(text, "disk") {
			t.Errorf("%s %s: got %d %s %s", change[0], change[1], status, code, text)
		}
	}
	if err := f.service.RegisterCluster(Cluster{Name: "green", Issuer: "i", JWKS: jwks()}); err == nil {
		t.Error("green was registered")
	}
	if _, ok := f.service.Verifier("green"); ok {
		t.Error("green is there")
	}
	if found, ok := f.service.Association("blue", "default", "app"); !ok || found.DisableSessionTags || len(found.Tags) > 0 {
		t.Errorf("got %+v, %v", found, ok)
	}
	if status, _, text := f.send(t, "GET", "/tags/"+url.PathEscape(blueARN), ""); status != 200 || text != `{"tags":{}}` {
		t.Errorf("tags: %d %s", status, text)
	}
	if _, ok := f.service.Association("blue", "default", "other"); ok {
		t.Error("an association that was refused is there")
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	tests := []struct{ name, key, value, want string }{
		{"no JSON", "cluster/blue", "{", "cluster/blue"},
		{"cluster without keys", "cluster/blue", `{"name":"blue","issuer":"i"}`, "cluster/blue"},
		{"association without its cluster", "association/blue/a", `{"cluster":"blue","id":"a"}`, "no such cluster"},
		{"record of another program", "colour/blue", `{}`, "unknown kind of record"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(Options{Table: &table{records: [][2]string{{test.key, test.value}}}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
