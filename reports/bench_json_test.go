package reports

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func folderNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestBenchComesBack(t *testing.T) {
	dir := t.TempDir()
	run := gated()
	if err := WriteDir(dir, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	want := run.sorted()
	for _, path := range []string{dir, filepath.Join(dir, ResultsFile)} {
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.sorted()); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	got, err := Open(filepath.Join(dir, BenchFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Bench, got.Bench.sorted()); diff != "" {
		t.Errorf("bench.json:\n%s", diff)
	}
	if got.ID != run.ID || len(got.Specs) != 0 || got.Subjects[0].Digest == "" || !got.Ended.Equal(run.Ended) {
		t.Errorf("bench.json: %+v", got)
	}
	if again := written(t, WriteBench, got); !bytes.Equal(again, written(t, WriteBench, run)) {
		t.Error("bench.json differs when written again")
	}
}

func TestOpenRefuses(t *testing.T) {
	for content, says := range map[string]string{
		`{"schema":"epi.results/v9"}`: `schema "epi.results/v9"`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass"},{"name":"a","outcome":"pass"}]}`:                                             `scenarios[1]: name "a" is there twice`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","duration":-1,"cases":[{"name":"c"},{"name":"c"}]}]}`:                         `case "c" is there twice`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","cases":[{"metrics":[{"name":"p","better":"more"}]}]}]}`:                      `better "more"`,
		`{"schema":"epi.bench/v1","scenarios":[{"name":"a","outcome":"pass","cases":[{"distribution":[{"of":1.5,"seconds":1}],"series":[{"p50":-1}]}]}]}`: `no quantile: 1.5`,
		`{"schema":"epi.bench/v1","thresholds":[{"expression":"x","outcome":"ok"}]}`:                                                                      `thresholds[0] "x": outcome "ok"`,
		`{"schema":"epi.bench/v1","novel":1}`: `unknown field "novel"`,
		"epi: 1":                              "invalid character",
	} {
		path := filepath.Join(t.TempDir(), "any.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "any.json") {
			t.Errorf("%s: error %v, want the file and %q", content, err, says)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want an error for what is not there, got %v", err)
	}
	for name, write := range map[string]error{"bench.json": WriteBench(&bytes.Buffer{}, passing()), "bench.txt": WriteBenchText(&bytes.Buffer{}, NewFindings(passing()))} {
		if !errors.Is(write, ErrNoBench) {
			t.Errorf("%s of a run that measured nothing: %v", name, write)
		}
	}
}
