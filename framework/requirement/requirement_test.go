package requirement

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/ginkgo/v2"

	"github.com/podidentity/epi/clusters"
)

func TestCatalogueIsComplete(t *testing.T) {
	list, err := read(documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if !strings.HasPrefix(r.Source, "https://") {
			t.Errorf("%s: a reader cannot follow the source %q", r.ID, r.Source)
		}
	}
	if r, ok := Lookup("ABAC-02"); !ok || r.Level != Must || !strings.Contains(r.Statement, "403 on HeadObject") {
		t.Errorf("ABAC-02 is %+v", r)
	}
}

// files are a catalogue of the texts.
func files(texts map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, text := range texts {
		fs["catalogue/"+name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

func TestReadNamesEveryProblem(t *testing.T) {
	_, err := read(files(map[string]string{
		"a": `
- {id: INJ-01, level: MUST, profile: webhook, statement: It holds., source: here, runs: both, since: v1}
- {id: INJ-02, level: must, profile: web, statement: It holds, source: "", runs: here, since: v1}
`,
		"b": `
- {id: INJ-01, level: MUST, profile: webhook, statement: It holds., source: here, runs: both, since: v1}
- {id: nonsense, level: SHOULD, profile: agent, statement: It holds., source: here, runs: aws, since: v1}
- {id: AGT-12, level: SHOULD, profile: agent, statement: It holds., source: here, runs: aws, since: v1}
`,
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"b.yaml, entry 1 (INJ-01): id is used twice", `level "must"`, `profile "web"`, `runs "here"`, "statement is not a sentence",
		"source or since is missing", "b.yaml, entry 2 (nonsense): id is not",
		"b.yaml, entry 3 (AGT-12): id is retired",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if _, err := read(files(map[string]string{"a": "- {id: INJ-01, weight: MUST}"})); err == nil || !strings.Contains(err.Error(), "weight") {
		t.Errorf("unknown field: error %v", err)
	}
}

func TestCoversRefusesWhatTheCatalogueLacks(t *testing.T) {
	for _, ids := range [][]string{{"INJ-99"}, {"INJ-01", "nonsense"}, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Covers(%q) did not panic", ids)
				}
			}()
			Covers(ids...)
		}()
	}
}

func TestLabelsGoAndComeBack(t *testing.T) {
	labels := append(Covers("INJ-01", "TOK-01"), Needs(clusters.IMDS, clusters.EmulatorControl)...)
	ids, needs := OfLabels(append(ginkgo.Labels{"slow:1m0s"}, labels...))
	if diff := cmp.Diff([]string{"INJ-01", "TOK-01"}, ids); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]clusters.Capability{clusters.IMDS, clusters.EmulatorControl}, needs); diff != "" {
		t.Error(diff)
	}
}

func TestSlowReportsHowLong(t *testing.T) {
	labels := Covers("INJ-01")
	for _, decorator := range Slow(9 * time.Minute) {
		if own, ok := decorator.(ginkgo.Labels); ok {
			labels = append(labels, own...)
		}
	}
	if took, slow := HowSlow(labels); !slow || took != 9*time.Minute {
		t.Errorf("%s, %t", took, slow)
	}
	if took, slow := HowSlow(Covers("INJ-01")); slow {
		t.Errorf("%s for a spec that is not slow", took)
	}
}
