package identityfile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// api returns one prepared answer after the other, and then waits.
type api struct {
	answers chan any
	asked   []string
}

func (a *api) Identities(ctx context.Context, cluster, after string, wait time.Duration) (control.Identities, error) {
	a.asked = append(a.asked, cluster+" "+after)
	select {
	case answer := <-a.answers:
		if err, ok := answer.(error); ok {
			return control.Identities{}, err
		}
		return answer.(control.Identities), nil
	case <-time.After(wait):
		return control.Identities{Revision: after}, nil
	case <-ctx.Done():
		return control.Identities{}, ctx.Err()
	}
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	synctest.Test(t, func(t *testing.T) {
		a := &api{answers: make(chan any, 10)}
		f := New(Options{Watcher: a, Cluster: "blue", Path: path, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		start := time.Now()
		a.answers <- errors.New("connection refused")
		a.answers <- errors.New("connection refused")
		go func() { done <- f.Run(ctx) }()

		synctest.Wait()
		if f.Written() {
			t.Error("written before anything was known")
		}
		a.answers <- control.Identities{Revision: "1"}
		time.Sleep(time.Second) // by the test's own clock: both pauses end in it
		synctest.Wait()
		expect(t, path, `{"identities":[]}`)
		if !f.Written() || time.Since(start) != time.Second {
			t.Errorf("written: %v after %v", f.Written(), time.Since(start))
		}
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}

		time.Sleep(2 * poll)
		synctest.Wait()
		if same, err := os.Stat(path); err != nil || !os.SameFile(before, same) {
			t.Errorf("the file was written without a change: %v", err)
		}

		a.answers <- control.Identities{Revision: "2", Identities: []control.Identity{{Namespace: "default", ServiceAccount: "app"}}}
		synctest.Wait()
		expect(t, path, `{"identities":[{"namespace":"default","serviceAccount":"app"}]}`)
		after, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if os.SameFile(before, after) || after.Mode().Perm() != 0o644 {
			t.Errorf("not replaced, or mode %v", after.Mode())
		}
		time.Sleep(spacing)
		synctest.Wait()
		if last := a.asked[len(a.asked)-1]; last != "blue 2" {
			t.Errorf("asked %q", last)
		}

		// The emulator is gone, and the file stays.
		a.answers <- errors.New("connection refused")
		synctest.Wait()
		expect(t, path, `{"identities":[{"namespace":"default","serviceAccount":"app"}]}`)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("end: %v", err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

// If associations change all the time, the follower still asks for the whole set only at intervals.
func TestManyChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	synctest.Test(t, func(t *testing.T) {
		const changes = 100
		a := &api{answers: make(chan any, changes)}
		for n := range changes {
			a.answers <- control.Identities{Revision: strconv.Itoa(n), Identities: []control.Identity{{Namespace: "default", ServiceAccount: strconv.Itoa(n)}}}
		}
		f := New(Options{Watcher: a, Cluster: "blue", Path: path, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()

		synctest.Wait()
		expect(t, path, `{"identities":[{"namespace":"default","serviceAccount":"0"}]}`) // the first change is written at once
		time.Sleep(spacing)
		synctest.Wait()
		expect(t, path, `{"identities":[{"namespace":"default","serviceAccount":"1"}]}`)
		time.Sleep(time.Second - spacing)
		synctest.Wait()
		if most := 1 + int(time.Second/spacing); len(a.asked) > most {
			t.Errorf("asked %d times within a second, want %d at most", len(a.asked), most)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("end: %v", err)
		}
	})
}

func expect(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("file holds %s, %v; want %s", got, err, want)
	}
}

func TestUnwritableFile(t *testing.T) {
	a := &api{answers: make(chan any, 1)}
	a.answers <- control.Identities{Revision: "1"}
	f := New(Options{Watcher: a, Cluster: "blue", Path: filepath.Join(t.TempDir(), "missing", "config.json"), Log: slog.New(slog.DiscardHandler)})
	if err := f.Run(t.Context()); !errors.Is(err, os.ErrNotExist) || f.Written() {
		t.Errorf("got %v", err)
	}
}
