package identities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	listsA  = `{"identities":[{"namespace":"ns","serviceAccount":"a"}]}`
	listsAB = `{"identities":[{"namespace":"ns","serviceAccount":"a"},{"namespace":"ns","serviceAccount":"b"}]}`
)

// watch follows a file until the test ends.
func watch(t *testing.T, path string) *File {
	t.Helper()
	f := New(path, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := f.Watch(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); watching.Wait() })
	return f
}

func lists(f *File) string {
	var all []string
	for _, name := range []string{"a", "b"} {
		if f.Has("ns", name) {
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// eventually polls for at most 2 s, within which an association must take effect.
func eventually(t *testing.T, f *File, want string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 2*time.Second; time.Sleep(time.Millisecond) {
		if f.Ready() && lists(f) == want {
			return
		}
	}
	t.Fatalf("lists %q (ready: %t), want %q", lists(f), f.Ready(), want)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// INJ-10.
func TestFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	f := watch(t, path)
	eventually(t, f, "") // a missing file: an empty list, and ready
	write(t, path, listsA)
	eventually(t, f, "a")
	if f.Has("other", "a") || f.Has("ns", "") || f.Len() != 1 {
		t.Errorf("lists what it should not")
	}
	write(t, path+".tmp", listsAB)
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
	eventually(t, f, "a b")
	write(t, path, "")
	eventually(t, f, "")
	write(t, path, listsA)
	eventually(t, f, "a")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, f, "")
}

// INJ-10: malformed JSON keeps the last valid list, and the next valid one counts at once. Upstream's watcher may wait for
// up to 5 minutes.
func TestMalformedFileKeepsTheLastGoodList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write(t, path, listsA)
	f := New(path, slog.New(slog.DiscardHandler))
	f.read()
	for _, malformed := range []string{`{"identities":[`, `[]`, `{"identities":{}}`, "\x00"} {
		write(t, path, malformed)
		if f.read(); lists(f) != "a" || !f.Ready() {
			t.Errorf("after %q: lists %q", malformed, lists(f))
		}
	}
	write(t, path, listsAB)
	if f.read(); lists(f) != "a b" {
		t.Errorf("lists %q", lists(f))
	}
}

func TestNotReadyBeforeAGoodFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write(t, path, "{")
	f := watch(t, path)
	if f.Ready() {
		t.Error("ready with a malformed file")
	}
	write(t, path, listsA)
	eventually(t, f, "a")
}

// A ConfigMap volume changes by swapping the link ..data, without an event for the file's own name.
func TestConfigMapVolumeIsFollowed(t *testing.T) {
	volume := t.TempDir()
	publish := func(version, content string) {
		t.Helper()
		folder := filepath.Join(volume, version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "config.json"), content)
		if err := os.Symlink(version, filepath.Join(volume, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", listsA)
	path := filepath.Join(volume, "config.json")
	if err := os.Symlink(filepath.Join("..data", "config.json"), path); err != nil {
		t.Fatal(err)
	}
	f := watch(t, path)
	eventually(t, f, "a")
	publish("..2", listsAB)
	eventually(t, f, "a b")
}

// A file that is written in place is empty for a moment, which must not count as an empty list.
func TestWritingInPlaceShowsNoGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write(t, path, listsA)
	f := watch(t, path)
	eventually(t, f, "a")
	gone := make(chan struct{})
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if !f.Has("ns", "a") {
					close(gone)
					return
				}
			}
		}
	})
	for range 200 {
		write(t, path, listsA)
	}
	write(t, path, listsAB)
	eventually(t, f, "a b")
	close(stop)
	looking.Wait()
	select {
	case <-gone:
		t.Error("for a moment a was not listed")
	default:
	}
}

// If associations change all the time, the folder has events all the time.
func TestAFileThatNeverRestsIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write(t, path, listsA)
	f := watch(t, path)
	eventually(t, f, "a")
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(quiet / 10):
				if err := errors.Join(os.WriteFile(path+".tmp", []byte(listsAB), 0o600), os.Rename(path+".tmp", path)); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	defer writing.Wait()
	defer close(stop)
	eventually(t, f, "a b")
}

func TestMissingFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "missing")
	err := New(filepath.Join(folder, "config.json"), slog.New(slog.DiscardHandler)).Watch(t.Context())
	if err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: any content of the file is a list or an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", listsAB, `{"identities":null}`, `{"identities":[null]}`, "["} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parse(data)
		if (list == nil) == (err == nil) {
			t.Fatal(fmt.Sprint(list, err))
		}
	})
}

// many is a config file of n identities; the first of them is ns/a, the last ns/LAST.
func many(n int, last string) []byte {
	var file strings.Builder
	file.WriteString(`{"identities":[{"namespace":"ns","serviceAccount":"a"}`)
	for i := range n - 2 {
		fmt.Fprintf(&file, `,{"namespace":"namespace-%d","serviceAccount":"account-%d"}`, i%100, i)
	}
	fmt.Fprintf(&file, `,{"namespace":"ns","serviceAccount":%q}]}`, last)
	return []byte(file.String())
}

// BenchmarkHas: the time of a lookup does not depend on the number of identities.
func BenchmarkHas(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			list, err := parse(many(n, "b"))
			if err != nil {
				b.Fatal(err)
			}
			f := New("", slog.New(slog.DiscardHandler))
			f.current.Store(&list)
			b.ReportAllocs()
			for b.Loop() {
				if !f.Has("ns", "b") || f.Has("ns", "c") {
					b.Fatal("wrong")
				}
			}
		})
	}
}

// BenchmarkParse: the cost of a change.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := many(n, "b")
			b.ReportAllocs()
			for b.Loop() {
				if list, err := parse(data); err != nil || len(list) != n {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
