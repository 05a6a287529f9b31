package clientimage

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/podidentity/epi/clusters/clients"
)

func names(t *testing.T, file string) []string {
	t.Helper()
	archive, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	var list []string
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || !header.ModTime.IsZero() && header.ModTime.Unix() != 0 {
			t.Errorf("%s is owned by %d, written at %s", header.Name, header.Uid, header.ModTime)
		}
		list = append(list, header.Name)
	}
}

func TestPackLeavesOutWhatNoProgramReads(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "layer.tar")
	program := fstest.MapFS{"client.mjs": {Data: []byte("1")}, "client.yaml": {}, "1.0.0.lock.json": {}}
	made := fstest.MapFS{"node_modules/a/index.js": {Data: []byte("2")}, "node_modules/a/index.d.ts": {}, "node_modules/a/index.js.map": {}, "node_modules/a/README.md": {}}
	if err := pack(dir, file, program, made); err != nil {
		t.Fatal(err)
	}
	want := []string{"client/", "client/client.mjs", "client/node_modules/", "client/node_modules/a/", "client/node_modules/a/index.js"}
	if got := names(t, file); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVersionInAFileOfPython(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "layer.tar")
	// The files of Debian's awscli 2.9.19 and boto3 1.26.27.
	files := fstest.MapFS{
		"a/__init__.py": {Data: []byte("import os\n\n__version__ = '2.9.19'\n")},
		"b/__init__.py": {Data: []byte("# __version__ = '1'\n__version__=\"1.26.27\"\n")},
		"c/__init__.py": {Data: []byte("version = 3\n")},
	}
	if err := pack(dir, file, nil, files); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"client/a/__init__.py": "2.9.19", "client/b/__init__.py": "1.26.27", "client/c/__init__.py": "", "client/d.py": ""} {
		if got, err := versionIn(file, name); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// A change of a client changes its layer's name. A change of its description does not.
func TestKeyFollowsTheFiles(t *testing.T) {
	sum := func(files fstest.MapFS) string {
		k := newKey("a")
		if err := k.files(files); err != nil {
			t.Fatal(err)
		}
		return k.sum()
	}
	one := sum(fstest.MapFS{"main.go": {Data: []byte("1")}})
	if other := sum(fstest.MapFS{"main.go": {Data: []byte("2")}}); other == one {
		t.Error("another program has the same key")
	}
	if other := sum(fstest.MapFS{"main.go": {Data: []byte("1")}, "client.yaml": {Data: []byte("x")}}); other != one {
		t.Error("client.yaml counts")
	}
}

// A client that cannot be made is reported, and is no error.
func TestWhatIsMissingIsAReason(t *testing.T) {
	m := &maker{dir: t.TempDir()}
	for _, c := range clients.All() {
		if c.Kind != clients.Debian {
			continue
		}
		made := Made{Client: c}
		if err := m.one(t.Context(), &made); err == nil || !strings.Contains(err.Error(), "neither") {
			t.Errorf("%s without a suite: %v", c.Name, err)
		}
	}
	if got := reason(errors.New("install packages: run npm ci: exit status 1\nnpm error a\nnpm error b")); got != "install packages: run npm ci: exit status 1 … npm error b" {
		t.Errorf("reason %q", got)
	}
}
