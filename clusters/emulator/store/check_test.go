package store_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/store"
)

// tables are the tables that the tests write, with enough records for several levels of pages.
var written = []string{"iam", "s3 objects", "s3 contents"}

// fill writes records, some of them twice, and returns the final ones.
func fill(t *testing.T, s *store.Store) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for _, name := range written {
		to := table(t, s, name)
		found[name] = map[string]string{}
		for n := range 150 {
			key, value := fmt.Sprintf("key %03d", n%120), fmt.Sprintf(`{"name":%q,"n":%d,"text":%q}`, name, n, strings.Repeat("x", n))
			if name == "s3 contents" {
				value = strings.Repeat("content ", n*5)
			}
			if err := to.Put(key, []byte(value)); err != nil {
				t.Fatal(err)
			}
			found[name][key] = value
		}
		if err := to.Delete("key 007"); err != nil {
			t.Fatal(err)
		}
		delete(found[name], "key 007")
	}
	table(t, s, "empty")
	return found
}

// made writes a file and returns it with its records.
func made(t *testing.T) (data []byte, found map[string]map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	found = fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, found
}

// all reads a file, or returns why it does not open. The file must then be unchanged.
func all(t *testing.T, data []byte) (map[string]map[string]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(path)
	if err != nil {
		left, readErr := os.ReadFile(path)
		if readErr != nil || !bytes.Equal(left, data) {
			t.Error("a file that was not opened is not what it was")
		}
		return nil, err
	}
	defer func() { _ = s.Close() }()
	found := map[string]map[string]string{}
	for _, name := range written {
		found[name] = records(t, table(t, s, name))
	}
	return found, nil
}

func equal(a, b map[string]map[string]string) bool {
	return maps.EqualFunc(a, b, maps.Equal[map[string]string, map[string]string])
}

func TestFlippedBitsAreNoticedOrHarmless(t *testing.T) {
	data, want := made(t)
	random := rand.New(rand.NewPCG(12, 5))
	noticed := 0
	for range 200 {
		at, bit := random.IntN(len(data)), random.IntN(8)
		data[at] ^= 1 << bit
		found, err := all(t, data)
		switch {
		case err != nil:
			noticed++
			if text := err.Error(); !strings.Contains(text, "damaged") && !strings.Contains(text, "not a state file") {
				t.Errorf("bit %d of byte %d: %v", bit, at, err)
			}
		case !equal(found, want):
			t.Errorf("bit %d of byte %d changes what is read, without a word", bit, at)
		}
		data[at] ^= 1 << bit
	}
	if noticed < 25 {
		t.Errorf("only %d of 200 are noticed: the file is mostly empty", noticed)
	}
	if found, err := all(t, data); err != nil || !equal(found, want) {
		t.Errorf("the file itself: %v", err)
	}
}

// The places where one bit has the largest effect: the heads of pages and their elements.
func TestFlippedBitsOfHeadsAreNoticedOrHarmless(t *testing.T) {
	data, want := made(t)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(12, 6))
	for range 100 {
		at, bit := random.IntN(len(data)/page)*page+random.IntN(96), random.IntN(8)
		data[at] ^= 1 << bit
		if found, err := all(t, data); err == nil && !equal(found, want) {
			t.Errorf("bit %d of byte %d changes what is read, without a word", bit, at)
		}
		data[at] ^= 1 << bit
	}
}

func TestCutFilesAreNoticed(t *testing.T) {
	data, want := made(t)
	for size := len(data) - 1; size > 0; size -= len(data) / 23 {
		if found, err := all(t, data[:size]); err == nil && !equal(found, want) {
			t.Errorf("cut to %d of %d bytes: opens with less in it", size, len(data))
		}
	}
	_, err := all(t, data[:len(data)/2])
	damaged, ok := errors.AsType[*store.DamagedError](err)
	if !ok || len(damaged.Problems) == 0 || !strings.Contains(err.Error(), "recover --state") {
		t.Errorf("got %v", err)
	}
	if found, err := all(t, nil); err != nil || len(found["iam"]) != 0 {
		t.Errorf("an empty file is a new one: %v, %v", found, err)
	}
}

// The fixture is the state of commit 0884aa3, whose records have no checksums: a role, a bucket and an object.
func TestAFileWithoutChecksumsIsRead(t *testing.T) {
	packed, err := os.Open("testdata/state-of-0884aa3.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, moment := range []string{"at first", "when it has checksums"} {
		s := open(t, path)
		contents := records(t, table(t, s, "s3 contents"))
		if len(contents) != 1 || slices.Collect(maps.Values(contents))[0] != "an old object\n" {
			t.Errorf("%s: contents are %q", moment, contents)
		}
		if got := records(t, table(t, s, "s3 buckets")); !strings.HasPrefix(got["old-bucket"], "{") {
			t.Errorf("%s: buckets are %q", moment, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The text is in free pages, too.
	if _, err := all(t, bytes.ReplaceAll(sealed, []byte("an old object"), []byte("an odd object"))); err == nil {
		t.Error("it has no checksums after it was opened")
	}
}

func TestRecoverReadsWhatIsLeft(t *testing.T) {
	data, want := made(t)
	folder := t.TempDir()
	from, to := filepath.Join(folder, "damaged.db"), filepath.Join(folder, "new.db")
	at := bytes.Index(data, []byte(`{"name":"iam","n":50,`))
	if at < 0 {
		t.Fatal("the record is not in the file")
	}
	data[at+3] ^= 1
	if err := os.WriteFile(from, data, 0o600); err != nil {
		t.Fatal(err)
	}
	count, problems, err := store.Recover(from, to)
	if err != nil || len(problems) == 0 || count != 3*119-1 {
		t.Errorf("%d records, %q, %v", count, problems, err)
	}
	s := open(t, to)
	defer func() { _ = s.Close() }()
	delete(want["iam"], "key 050")
	for _, name := range written {
		if got := records(t, table(t, s, name)); !maps.Equal(got, want[name]) {
			t.Errorf("table %s has %d records, want %d", name, len(got), len(want[name]))
		}
	}
	if _, _, err := store.Recover(from, to); err == nil {
		t.Error("a file that is there is written over")
	}
	// A cut file has only its remaining records.
	if err := os.WriteFile(from, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems, err := store.Recover(from, filepath.Join(folder, "half.db")); err != nil || len(problems) == 0 {
		t.Errorf("%q, %v", problems, err)
	}
}

// A file that is cut while it is open must not end the process.
func TestAFileThatIsCutWhileItIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	fill(t, s)
	from := table(t, s, "iam")
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	if err := from.Each(func(string, []byte) error { return nil }); err == nil {
		t.Error("records are read of a file that is cut")
	}
	if err := from.Put("key", []byte("value")); err == nil {
		t.Error("a record is written to a file that is cut")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("no state"), 0, byte(0))
	f.Add([]byte{}, 4096, byte(1))
	path := filepath.Join(f.TempDir(), "state.db")
	s, err := store.Open(path)
	if err != nil {
		f.Fatal(err)
	}
	small, err := s.Table("iam")
	if err != nil {
		f.Fatal(err)
	}
	for n := range 200 {
		if err := small.Put(fmt.Sprint(n), bytes.Repeat([]byte("x"), n)); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, patch []byte, at int, length byte) {
		data := bytes.Clone(good)
		if at >= 0 && at < len(data) {
			copy(data[at:], patch)
			data = data[:len(data)-int(length)*512%len(data)]
		} else {
			data = patch
		}
		folder := t.TempDir()
		damaged := filepath.Join(folder, "state.db")
		if err := os.WriteFile(damaged, data, 0o600); err != nil {
			t.Fatal(err)
		}
		// Neither may panic.
		_, _, _ = store.Recover(damaged, filepath.Join(folder, "new.db"))
		if opened, err := store.Open(damaged); err == nil {
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
