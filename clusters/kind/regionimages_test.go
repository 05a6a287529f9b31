package kind

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKeptArchives: future nodes get the loaded images, the newest last and each image once.
func TestKeptArchives(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "images")
	if files, err := keptArchives(folder); len(files) != 0 || err != nil {
		t.Errorf("before anything was kept: %q, %v", files, err)
	}
	at := time.Unix(1, 0)
	keep := func(content string, refs ...string) string {
		t.Helper()
		open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }
		file, err := keepArchive(t.Context(), folder, refs, open, quiet{})
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		return file
	}
	old, other, both := keep("old", "my/app:1"), keep("other", "my/other:1"), keep("both", "my/other:1", "my/app:1")
	if again := keep("new", "my/app:1"); again != old {
		t.Errorf("the same image was kept twice: %s and %s", old, again)
	}
	if turned := keep("turned", "my/app:1", "my/other:1"); turned != both {
		t.Errorf("the same images in another order were kept twice")
	}
	files, err := keptArchives(folder)
	if err != nil || !slices.Equal(files, []string{other, old, both}) {
		t.Errorf("got %q, %v", files, err)
	}
	for file, want := range map[string]string{old: "new", other: "other", both: "turned"} {
		if content, err := os.ReadFile(file); err != nil || string(content) != want {
			t.Errorf("%s has %q, %v", file, content, err)
		}
	}
}

// TestKeepingHalfAnArchive: an archive that could not be read to its end is not kept.
func TestKeepingHalfAnArchive(t *testing.T) {
	folder, broken := t.TempDir(), errors.New("disk")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		open func() (io.ReadCloser, error)
		want error
	}{
		"it cannot be opened": {t.Context(), func() (io.ReadCloser, error) { return nil, broken }, broken},
		"it breaks off": {t.Context(), func() (io.ReadCloser, error) {
			reader, writer := io.Pipe()
			go func() { _, _ = writer.Write([]byte("half")); writer.CloseWithError(broken) }()
			return reader, nil
		}, broken},
		"it is interrupted": {ended, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("all")), nil }, context.Canceled},
	} {
		if _, err := keepArchive(test.ctx, folder, []string{"my/app:1"}, test.open, quiet{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(folder); len(left) != 0 || err != nil {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
