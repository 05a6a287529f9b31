package history

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podidentity/epi/reports"
	"github.com/podidentity/epi/reports/history/internal/synthetic"
)

func filled(t testing.TB, runs []reports.Run) Store {
	t.Helper()
	store, err := Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		if _, added, err := store.Add(run); err != nil || !added {
			t.Fatalf("added %t, %v", added, err)
		}
	}
	return store
}

func recordsOf(t testing.TB, store Store) []Record {
	t.Helper()
	records, damages, err := store.Records()
	if err != nil || len(damages) > 0 {
		t.Fatalf("%v, %v", damages, err)
	}
	return records
}

func TestWhatIsAddedIsThere(t *testing.T) {
	runs := synthetic.Runs(synthetic.Options{Runs: 3, Measures: 2})
	store := filled(t, []reports.Run{runs[2], runs[0], runs[1]})
	records := recordsOf(t, store)
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	for i, record := range records {
		want, _, err := RecordOf(runs[i])
		if err != nil {
			t.Fatal(err)
		}
		want.File = record.File
		if diff := cmp.Diff(want, record); diff != "" {
			t.Errorf("run %d: %s", i, diff)
		}
		run, err := store.Read(record.File)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := RecordOf(run)
		if err != nil || again.Results != record.Results {
			t.Errorf("run %d reads as another one: %v", i, err)
		}
	}
	if _, added, err := store.Add(runs[0]); added || err != nil {
		t.Errorf("the same run once more: added %t, %v", added, err)
	}
}

// Two machines add to copies of a store. The union of the files is the store of all runs, for any direction of copying.
func TestStoresMergeByTheirFiles(t *testing.T) {
	runs := synthetic.Runs(synthetic.Options{Runs: 4})
	a, b := filled(t, runs[:3]), filled(t, runs[1:])
	both := filepath.Join(t.TempDir(), "both")
	for _, store := range []Store{a, b} {
		if err := os.CopyFS(both, os.DirFS(store.Dir())); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		// The common files are equal, so no order of copying and no merge can lose anything.
		err := filepath.WalkDir(store.Dir(), func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			below, _ := filepath.Rel(store.Dir(), name)
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if there, err := os.ReadFile(filepath.Join(both, below)); err == nil && string(there) != string(data) {
				t.Errorf("%s differs", below)
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(both, below)), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(both, below), data, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := Open(both)
	if err != nil {
		t.Fatal(err)
	}
	if records := recordsOf(t, store); len(records) != 4 {
		t.Errorf("%d records of 4 runs", len(records))
	}
}

func TestManyAddAtOnce(t *testing.T) {
	runs := synthetic.Runs(synthetic.Options{Runs: 8})
	store := filled(t, nil)
	var adders sync.WaitGroup
	for i := range 32 {
		adders.Go(func() {
			if _, _, err := store.Add(runs[i%len(runs)]); err != nil {
				t.Error(err)
			}
		})
	}
	adders.Wait()
	if records := recordsOf(t, store); len(records) != len(runs) {
		t.Errorf("%d records of %d runs", len(records), len(runs))
	}
	left, err := filepath.Glob(filepath.Join(store.Dir(), "runs", "*", ".adding-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A run that is added before its end, or after it was killed, and its benchmark alone, are replaced by the complete run.
func TestTheMostCompleteOfARunCounts(t *testing.T) {
	whole := synthetic.Runs(synthetic.Options{Runs: 1, Measures: 1})[0]
	early, bench := whole, whole
	early.Ended, early.Specs = time.Time{}, whole.Specs[:3]
	bench.Specs, bench.Requirements = nil, nil
	for _, order := range [][]reports.Run{{early, bench, whole}, {whole, bench, early}} {
		records := recordsOf(t, filled(t, order))
		if len(records) != 1 || records[0].Specs != len(whole.Specs) || records[0].Outcome != reports.Pass {
			t.Errorf("%+v", records)
		}
	}
	// Another machine's run that began within the same second is another run.
	other := whole
	other.Started = whole.Started.Add(time.Millisecond)
	if records := recordsOf(t, filled(t, []reports.Run{whole, other})); len(records) != 2 {
		t.Errorf("%d records of two runs of the same second", len(records))
	}
}

func TestWhatIsNoRunIsReported(t *testing.T) {
	store := filled(t, synthetic.Runs(synthetic.Options{Runs: 3}))
	records := recordsOf(t, store)
	damage := func(record Record, change func([]byte) []byte) {
		t.Helper()
		name := filepath.Join(store.Dir(), record.File)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, change(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage(records[0], func([]byte) []byte { return nil })
	damage(records[1], func(data []byte) []byte { return append(data, ' ') }) // its record is valid, and its results are not
	for _, name := range []string{"README.md", "runs/notes.txt", "runs/.adding-123", "runs/20260101-000000-xyz.jsonl"} {
		if err := os.WriteFile(filepath.Join(store.Dir(), name), []byte("not a run"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, damages, err := store.Records()
	if err != nil || len(got) != 2 || len(damages) != 1 || damages[0].File != records[0].File {
		t.Errorf("%d records, %v, %v", len(got), damages, err)
	}
	if _, err := store.Read(records[1].File); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file was read: %v", err)
	}
	run, err := store.Read(records[2].File)
	if err != nil {
		t.Fatal(err)
	}
	damage(records[2], func([]byte) []byte { return []byte("{}") })
	if _, _, err := store.Add(run); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a run was added over a damaged file: %v", err)
	}
}

// A record of another version of epi is derived again from the results.
func TestRecordsOfAnotherVersion(t *testing.T) {
	store := filled(t, nil)
	run := synthetic.Runs(synthetic.Options{Runs: 1})[0]
	record, results, err := RecordOf(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{`{"schema":"epi.record/v9","novel":[1]}`, `{"schema":"epi.record/v1"}`, `not JSON`} {
		contents := []byte(head + "\n" + string(results) + "\n")
		if err := os.WriteFile(filepath.Join(store.Dir(), "runs", "20260901-030000-"+digest(contents)[:16]+".jsonl"), contents, 0o600); err != nil {
			t.Fatal(err)
		}
		got := recordsOf(t, store)
		if len(got) != 1 || got[0].Results != record.Results || got[0].Outcome != reports.Pass {
			t.Errorf("%s: %+v", head, got)
		}
	}
}

func TestCreateRefusesOtherFolders(t *testing.T) {
	for name, make := range map[string]func(dir string) error{
		"a folder with something": func(dir string) error { return os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600) },
		"a store of another version": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, marker), []byte(`{"schema":"epi.history/v2"}`), 0o600)
		},
	} {
		dir := t.TempDir()
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadDir(dir)
		if _, err := Create(dir); !errors.Is(err, ErrNoStore) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadDir(dir); len(after) != len(before) {
			t.Errorf("%s: something was made in it", name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file); err == nil {
		t.Error("a file became a store")
	}
	repository := t.TempDir()
	if err := os.Mkdir(filepath.Join(repository, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Create(repository); err != nil {
			t.Errorf("a new repository: %v", err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoStore) {
		t.Errorf("%v", err)
	}
}

// A run of 28 November 2026 stays readable, and its record is the same as on that day.
func TestARunOfOldStaysReadable(t *testing.T) {
	run, err := reports.ReadDir("../testdata/runs/20261128-020356")
	if err != nil {
		t.Fatal(err)
	}
	store := filled(t, []reports.Run{run})
	records := recordsOf(t, store)
	if r := records[0]; r.Outcome != reports.Pass || r.Specs != 206 || len(r.Requirements[reports.Pass]) < 100 || len(r.Bench.Measures) < 5 {
		t.Errorf("%s, %d specs, %d requirements, %d measures", r.Outcome, r.Specs, len(r.Requirements[reports.Pass]), len(r.Bench.Measures))
	}
	data, err := os.ReadFile(filepath.Join(store.Dir(), records[0].File))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"); len(lines) != 2 || !json.Valid([]byte(lines[0])) || !json.Valid([]byte(lines[1])) {
		t.Errorf("a run's file has %d lines", len(lines))
	}
}

func FuzzRecord(f *testing.F) {
	record, results, err := RecordOf(synthetic.Runs(synthetic.Options{Runs: 1, Requirements: 2})[0])
	if err != nil {
		f.Fatal(err)
	}
	head, err := json.Marshal(record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(append(head, '\n'), results...))
	f.Add([]byte("{}\n{}\n"))
	store, err := Create(filepath.Join(f.TempDir(), "store"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contents []byte) {
		name := "runs/20260901-030000-" + digest(contents)[:16] + ".jsonl"
		file := filepath.Join(store.Dir(), name)
		if err := os.WriteFile(file, contents, 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Remove(file) }()
		if record, err := store.record(name); err == nil {
			Tracks([]Record{record})
			Trends(Tracks([]Record{record}))
		}
	})
}
