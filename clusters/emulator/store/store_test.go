package store_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/store"
)

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func table(t *testing.T, s *store.Store, name string) store.Table {
	t.Helper()
	found, err := s.Table(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func records(t *testing.T, from store.Table) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := from.Each(func(key string, value []byte) error {
		found[key] = string(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRecordsAreThereAfterClosing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	s := open(t, path)
	roles, users := table(t, s, "roles"), table(t, s, "users")
	for key, value := range map[string]string{"a": "1", "b": "2", "c": "3"} {
		if err := roles.Put(key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := users.Put("a", []byte("other table")); err != nil {
		t.Fatal(err)
	}
	if err := roles.Put("b", []byte("changed")); err != nil {
		t.Fatal(err)
	}
	if err := roles.Delete("c"); err != nil {
		t.Fatal(err)
	}
	if err := roles.Delete("never was"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path)
	defer func() { _ = s.Close() }()
	want := map[string]string{"a": "1", "b": "changed"}
	if got := records(t, table(t, s, "roles")); !maps.Equal(got, want) {
		t.Errorf("records are %v, want %v", got, want)
	}
	if got := records(t, table(t, s, "users")); got["a"] != "other table" {
		t.Errorf("records of the other table are %v", got)
	}
}

func TestRecordsAreThereWhenTheProcessWasKilled(t *testing.T) {
	// A copy of the file without Close is what a killed process leaves.
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	defer func() { _ = s.Close() }()
	if err := table(t, s, "roles").Put("a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	found := open(t, copied)
	defer func() { _ = found.Close() }()
	if got := records(t, table(t, found, "roles")); got["a"] != "1" {
		t.Errorf("records are %v", got)
	}
}

func TestClear(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer func() { _ = s.Close() }()
	roles, kept := table(t, s, "roles"), table(t, s, "kept")
	if err := errors.Join(roles.Put("a", []byte("1")), kept.Put("a", []byte("2"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Clear("kept"); err != nil {
		t.Fatal(err)
	}
	if got := records(t, kept); got["a"] != "2" {
		t.Errorf("records of the table to keep are %v", got)
	}
	if err := roles.Put("a", []byte("1")); err == nil {
		t.Error("a table from before still takes records")
	}
	if got := records(t, table(t, s, "roles")); len(got) != 0 {
		t.Errorf("records are %v, want none", got)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	other := filepath.Join(folder, "other")
	if err := os.WriteFile(other, []byte(strings.Repeat("no state ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(other); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error for a foreign file: %v", err)
	}
	path := filepath.Join(folder, "state.db")
	s := open(t, path)
	defer func() { _ = s.Close() }()
	if _, err := store.Open(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("error for a file in use: %v", err)
	}
}

func TestNowhereKeepsNothing(t *testing.T) {
	var none *store.Store
	for _, nowhere := range []store.Table{table(t, none, "roles"), store.OrNowhere(nil)} {
		if err := errors.Join(nowhere.Put("a", nil), nowhere.Delete("a")); err != nil {
			t.Error(err)
		}
		if got := records(t, nowhere); len(got) != 0 {
			t.Errorf("records are %v", got)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s, err := store.Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	roles, err := s.Table("roles")
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if err := roles.Put("key", value); err != nil {
			b.Fatal(err)
		}
	}
}
