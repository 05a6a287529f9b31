package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func writeProgram(t *testing.T, program, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, program), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuildIsReproducible(t *testing.T) {
	program := Program{Name: "epi-agent", User: "0"}
	dir := writeProgram(t, program.Name, "the program")
	first, err := Build(dir, program)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, program.Name), later, later); err != nil {
		t.Fatal(err)
	}
	second, err := Build(dir, program)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := errors.Join(Archive(&a, first), Archive(&b, second)); err != nil {
		t.Fatal(err)
	}
	if first.Ref != second.Ref || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("same program, different images: %s and %s", first.Ref, second.Ref)
	}
	other, err := Build(writeProgram(t, program.Name, "another program"), program)
	if err != nil {
		t.Fatal(err)
	}
	if other.Ref == first.Ref {
		t.Errorf("different programs share the reference %s", other.Ref)
	}
}

func TestArchiveHoldsTheProgramAndHowToRunIt(t *testing.T) {
	program := Program{Name: "epi-probe", User: "65532"}
	image, err := Build(writeProgram(t, program.Name, "the probe"), program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := Archive(&archive, image); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(image.Ref)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tarball.Image(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, &tag)
	if err != nil {
		t.Fatal(err)
	}
	config, err := loaded.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/epi-probe"}, config.Config.Entrypoint); diff != "" {
		t.Errorf("entrypoint (-want +got):\n%s", diff)
	}
	if config.Config.User != "65532" || config.OS != "linux" {
		t.Errorf("user %q, os %q; want 65532, linux", config.Config.User, config.OS)
	}
	layers, err := loaded.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]fs.FileMode{}
	reader := tar.NewReader(content)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header.FileInfo().Mode().Perm()
	}
	want := map[string]fs.FileMode{"tmp/": 0o777, "epi-probe": 0o755}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestBuildNamesTheMissingProgram(t *testing.T) {
	_, err := Build(t.TempDir(), Program{Name: "epi-agent"})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "epi-agent") {
		t.Errorf("error %v does not name the missing program", err)
	}
}
