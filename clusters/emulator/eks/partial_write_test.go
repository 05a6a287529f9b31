package eks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
)

// flaky is a Table in memory whose nth write from now fails once; 0 for none.
type flaky struct {
	records map[string][]byte
	failing int
}

func (b *flaky) write() error {
	b.failing--
	if b.failing == 0 {
		return errors.New("disk is full")
	}
	return nil
}

func (b *flaky) Put(key string, value []byte) error {
	if err := b.write(); err != nil {
		return err
	}
	b.records[key] = bytes.Clone(value)
	return nil
}

func (b *flaky) Delete(key string) error {
	if err := b.write(); err != nil {
		return err
	}
	delete(b.records, key)
	return nil
}

func (b *flaky) Each(visit func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(b.records)) {
		if err := visit(key, b.records[key]); err != nil {
			return err
		}
	}
	return nil
}

// seen is what clients can see of add-ons and associations, without times.
func (f *fixture) seen(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, name := range []string{"adot", "vpc-cni"} {
		if a := f.describeAddon(t, name); a != nil {
			lines = append(lines, fmt.Sprint(name, " ", a.Status, " ", *a.AddonVersion, " ", a.PodIdentityAssociations))
		}
	}
	return strings.Join(append(lines, f.owners(t)), "\n")
}

// TestOrphansAreFreed: a process ended while it created an add-on, and left an association of it. After the restart that
// association can be deleted. The association of an existing add-on cannot.
func TestOrphansAreFreed(t *testing.T) {
	kept := &flaky{records: map[string][]byte{}}
	f := newFixtureWith(t, Options{Table: kept})
	f.register(t)
	f.createAddon(t, collectors(logs, good))
	f.createAddon(t, func(in *awseks.CreateAddonInput) {
		in.AddonName, in.PodIdentityAssociations = aws.String("vpc-cni"), associations("aws-node", good)
	})
	for key := range kept.records {
		if strings.HasPrefix(key, addonRecords) && strings.HasSuffix(key, "/vpc-cni") {
			delete(kept.records, key)
		}
	}
	again := newFixtureWith(t, Options{Table: kept})
	if got := again.owners(t); got != "aws-node=epi-bucket-user container-logs=epi-bucket-user!" {
		t.Fatalf("got %s", got)
	}
	orphan, _ := again.service.Association("blue", "kube-system", "aws-node")
	if status, _, text := again.send(t, "DELETE", "/clusters/blue/pod-identity-associations/"+orphan.ID, ""); status != 200 {
		t.Errorf("delete: %d %s", status, text)
	}
}

// TestOneFailedWriteOfSeveral: a change of an add-on writes several records. If one of the writes fails, the answer is 500,
// clients see no change, and a restart finds the same state.
func TestOneFailedWriteOfSeveral(t *testing.T) {
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	list := func(pairs ...string) []addonAssociation {
		var out []addonAssociation
		for pair := range slices.Chunk(pairs, 2) {
			out = append(out, addonAssociation{pair[0], pair[1]})
		}
		return out
	}
	tests := []struct{ name, method, path, body string }{
		{"create", "POST", "/clusters/blue/addons", encode(map[string]any{"addonName": "vpc-cni", "podIdentityAssociations": list("aws-node", good)})},
		{"replace associations", "POST", "/clusters/blue/addons/adot/update", encode(map[string]any{"podIdentityAssociations": list(logs, otherARN, metrics, good)})},
		{"take associations away", "POST", "/clusters/blue/addons/adot/update", `{"podIdentityAssociations":[]}`},
		{"delete", "DELETE", "/clusters/blue/addons/adot", ""},
		{"delete and preserve", "DELETE", "/clusters/blue/addons/adot?preserve=true", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for n := 1; ; n++ {
				kept := &flaky{records: map[string][]byte{}}
				f := newFixtureWith(t, Options{Table: kept})
				f.register(t)
				f.createAddon(t, collectors(logs, good, traces, good))
				f.settle()
				before := f.seen(t)
				kept.failing = n
				status, code, text := f.send(t, test.method, test.path, test.body)
				if status == 200 {
					if n < 3 {
						t.Fatalf("done with fewer than %d writes", n)
					}
					return
				}
				if status != 500 || code != codeServer {
					t.Fatalf("write %d: got %d %s %s", n, status, code, text)
				}
				f.settle()
				if got := f.seen(t); got != before {
					t.Errorf("write %d changed\n%s\nto\n%s", n, before, got)
				}
				again := newFixtureWith(t, Options{Table: kept})
				again.now = f.now
				if got := again.seen(t); got != before {
					t.Errorf("write %d, after a restart:\n%s\ninstead of\n%s", n, got, before)
				}
			}
		})
	}
}
