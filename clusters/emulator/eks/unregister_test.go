package eks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
)

// kept is a Table in memory. Its deletions fail while refuses is set.
type kept struct {
	records map[string][]byte
	refuses error
}

func (k *kept) Put(key string, value []byte) error {
	k.records[key] = value
	return nil
}

func (k *kept) Delete(key string) error {
	if k.refuses == nil {
		delete(k.records, key)
	}
	return k.refuses
}

func (k *kept) Each(visit func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(k.records)) {
		if err := visit(key, k.records[key]); err != nil {
			return err
		}
	}
	return nil
}

// A spec unregisters each cluster that it registered. Neither answers nor records of the cluster may stay.
func TestUnregisterClusterForgetsAllOfIt(t *testing.T) {
	table := &kept{records: map[string][]byte{}}
	f := newFixtureWith(t, Options{Table: table})
	f.register(t)
	f.create(t, "default", "app")
	f.createAddon(t, nil)
	revision, _, err := f.service.Identities(t.Context(), "blue", "")
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, _, err := f.service.Identities(context.WithoutCancel(t.Context()), "blue", revision)
		waited <- err
	}()

	table.refuses = errors.New("disk is full")
	if err := f.service.UnregisterCluster("blue"); !errors.Is(err, table.refuses) {
		t.Errorf("a failed write: error %v", err)
	}
	if _, ok := f.service.Association("blue", "default", "app"); !ok {
		t.Error("a failed write took the association away")
	}

	table.refuses = nil
	for range 2 { // it is idempotent
		if err := f.service.UnregisterCluster("blue"); err != nil {
			t.Error(err)
		}
	}
	if _, ok := f.service.Association("blue", "default", "app"); ok || len(table.records) != 0 {
		t.Errorf("the association is there: %v; records %q", ok, slices.Collect(maps.Keys(table.records)))
	}
	if status, code, _ := f.send(t, "GET", "/clusters/blue", ""); status != 404 || code != codeNotFound {
		t.Errorf("DescribeCluster answers %d %s", status, code)
	}
	if err := <-waited; !errors.Is(err, ErrNoCluster) {
		t.Errorf("who waited for identities got %v", err)
	}
}
