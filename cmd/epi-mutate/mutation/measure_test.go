package mutation

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// instrumented is a cluster with one program. Its instances count what happens since the last read.
type instrumented struct {
	server *httptest.Server
	// instances are the names of the running ones. silent ones do not answer.
	instances []string
	silent    bool
	happened  int
}

func newInstrumented(t *testing.T) *instrumented {
	c := &instrumented{instances: []string{"a"}}
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case c.silent:
			http.Error(w, "no", http.StatusInternalServerError)
		case r.URL.Path == "/meta":
			_, _ = fmt.Fprint(w, "meta")
		case r.Method == http.MethodPost && r.URL.Path == "/take":
			_, _ = fmt.Fprint(w, c.happened)
			c.happened = 0
		}
	}))
	t.Cleanup(c.server.Close)
	return c
}

func (c *instrumented) Replace(context.Context, string, string, clusters.Task) error { return nil }
func (c *instrumented) Environment() *clusters.Environment                           { return &clusters.Environment{} }

func (c *instrumented) Instances(context.Context, string, int) (map[string]string, *http.Client, error) {
	list := map[string]string{}
	for _, name := range c.instances {
		list[name] = c.server.URL
	}
	return list, c.server.Client(), nil
}

// What happens between two specs belongs to none. A spec during which an instance ended, or after which one does not
// report, may have reached anything.
func TestMeasureTakesCountersOfEachSpec(t *testing.T) {
	c := newInstrumented(t)
	examine := func(_ context.Context, _ *clusters.Environment, selection Selection) ([]reports.Spec, error) {
		if !selection.Alone {
			t.Error("specs are not run alone: nobody knows whose the counters are")
		}
		var specs []reports.Spec
		for _, row := range []struct {
			name   string
			during func()
		}{
			{"quiet", func() {}},
			{"busy", func() { c.happened += 7 }},
			{"restarts it", func() { c.instances = []string{"b"} }},
			{"silences it", func() { c.silent = true }},
			{"last", func() { c.silent = false; c.happened += 2 }},
		} {
			spec := reports.Spec{Name: row.name, Outcome: reports.Pass}
			c.happened += 100 // between the specs
			selection.Began(row.name)
			row.during()
			selection.Ended(spec)
			specs = append(specs, spec)
		}
		return specs, nil
	}
	c.happened = 3 // at the start
	g, specs, err := Run{Cluster: c, Examine: examine}.runMeasured(t.Context(), []string{"epi-agent"}, func(string) {})
	if err != nil || len(specs) != 5 {
		t.Fatalf("%d specs, %v", len(specs), err)
	}
	reported := map[string]string{}
	for _, r := range append(g.startup, g.taken...) {
		reported[r.spec] = string(r.counters)
	}
	want := map[string]string{"": "3", "quiet": "0", "busy": "7", "restarts it": "0", "last": "102"}
	if diff := cmp.Diff(want, reported); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"restarts it", "silences it", "last"}, g.lost); diff != "" {
		t.Errorf("lost: %s", diff)
	}
	if string(g.meta["epi-agent"]) != "meta" {
		t.Errorf("meta data %q", g.meta["epi-agent"])
	}
}
