package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func imageOf(t *testing.T, system, architecture string) v1.Image {
	t.Helper()
	image, err := random.Image(100, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = system, architecture
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	return image
}

func dockerArchive(t *testing.T, image v1.Image, ref string) []byte {
	t.Helper()
	var archive bytes.Buffer
	var reference name.Reference
	reference, err := name.NewTag(ref)
	if err != nil {
		if reference, err = name.NewDigest(ref); err != nil {
			t.Fatal(err)
		}
	}
	if err := tarball.Write(reference, image, &archive); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

// layoutArchive returns an OCI layout in a tar archive, with more entries added unchanged.
func layoutArchive(t *testing.T, add mutate.Appendable, annotations map[string]string, more ...tar.Header) []byte {
	t.Helper()
	dir := t.TempDir()
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: add, Descriptor: v1.Descriptor{Annotations: annotations}})
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, header := range more {
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestOpenLoadable(t *testing.T) {
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	fits, foreign, windows := imageOf(t, "linux", runtime.GOARCH), imageOf(t, "linux", other), imageOf(t, "windows", runtime.GOARCH)
	both := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: foreign, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: other}}},
		mutate.IndexAddendum{Add: fits, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}})
	onlyOther := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: foreign, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: other}}})
	whole, ref := map[string]string{annotationName: "docker.io/my/app:dev"}, map[string]string{annotationRef: "my/app:dev"}
	docker := dockerArchive(t, fits, "my/app:dev")
	for _, row := range []struct {
		name string
		data []byte
		refs []string
		says string
	}{
		{"docker save", docker, []string{"my/app:dev"}, ""},
		{"docker save, compressed", zipped(t, docker), []string{"my/app:dev"}, ""},
		{"OCI layout with containerd's name", layoutArchive(t, fits, whole), []string{"docker.io/my/app:dev"}, ""},
		{"OCI layout with the specification's name", layoutArchive(t, fits, ref), []string{"my/app:dev"}, ""},
		{"OCI layout of several platforms", layoutArchive(t, both, whole), []string{"docker.io/my/app:dev"}, ""},
		{"OCI layout that leads out", layoutArchive(t, fits, ref, tar.Header{Typeflag: tar.TypeReg, Name: "../out"}, tar.Header{Typeflag: tar.TypeSymlink, Name: "blobs/sha256", Linkname: "/"}), []string{"my/app:dev"}, ""},
		{"another processor", dockerArchive(t, foreign, "my/app:dev"), nil, "my/app:dev is for linux/" + other},
		{"another system", dockerArchive(t, windows, "my/app:dev"), nil, "is for windows/"},
		{"OCI layout for another processor", layoutArchive(t, foreign, ref), nil, "--platform linux/" + runtime.GOARCH},
		{"OCI layout without this platform", layoutArchive(t, onlyOther, ref), nil, "--platform linux/" + runtime.GOARCH},
		{"OCI layout without a name", layoutArchive(t, fits, nil), nil, "has no name"},
		{"OCI layout with a tag alone", layoutArchive(t, fits, map[string]string{annotationRef: "latest"}), nil, "has no name"},
		{"image by its digest", dockerArchive(t, fits, "my/app@sha256:"+strings.Repeat("a", 64)), nil, "has no name"},
		{"text", []byte("FROM scratch\n"), nil, ErrNoArchive.Error()},
		{"nothing", nil, nil, ErrNoArchive.Error()},
		{"compressed text", zipped(t, []byte("no")), nil, ErrNoArchive.Error()},
		{"cut off", docker[:len(docker)/2], nil, "cut off or damaged"},
		{"tar of something else", func() []byte {
			var buffer bytes.Buffer
			archive := tar.NewWriter(&buffer)
			_ = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "README"})
			_ = archive.Close()
			return buffer.Bytes()
		}(), nil, ErrNoArchive.Error()},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			file, scratch := filepath.Join(dir, "archive"), filepath.Join(dir, "scratch")
			if err := os.WriteFile(file, row.data, 0o600); err != nil {
				t.Fatal(err)
			}
			loadable, err := OpenLoadable(file, scratch)
			if _, outErr := os.Lstat(filepath.Join(dir, "out")); !errors.Is(outErr, os.ErrNotExist) {
				t.Errorf("it wrote outside of its folder: %v", outErr)
			}
			if row.says != "" {
				if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), file) {
					t.Errorf("%v, want %q", err, row.says)
				}
				return
			}
			if err != nil || !slices.Equal(loadable.Refs, row.refs) {
				t.Fatalf("%+v, %v", loadable, err)
			}
			opener := func() (io.ReadCloser, error) { return loadable.Open() }
			tag, err := name.NewTag(row.refs[0])
			if err != nil {
				t.Fatal(err)
			}
			image, err := tarball.Image(opener, &tag)
			if err != nil {
				t.Fatal(err)
			}
			got, err := image.ConfigName()
			want, wantErr := fits.ConfigName()
			if err != nil || wantErr != nil || got != want {
				t.Errorf("image %v (%v), want %v (%v)", got, err, want, wantErr)
			}
		})
	}
	if _, err := OpenLoadable(t.TempDir(), t.TempDir()); err == nil {
		t.Error("a folder is no archive")
	}
}

func FuzzOpenLoadable(f *testing.F) {
	f.Add([]byte("text"))
	f.Add([]byte{0x1f, 0x8b, 8})
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for called, content := range map[string]string{"oci-layout": "{}", "index.json": `{"manifests":[{"digest":"sha256:aa","annotations":{"io.containerd.image.name":"a/b:c"}}]}`, "manifest.json": "[]"} {
		_ = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: called, Size: int64(len(content))})
		_, _ = archive.Write([]byte(content))
	}
	_ = archive.Close()
	f.Add(buffer.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		file := filepath.Join(dir, "archive")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if loadable, err := OpenLoadable(file, filepath.Join(dir, "scratch")); err == nil && len(loadable.Refs) == 0 {
			t.Error("an archive without images was taken")
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 2 {
			t.Errorf("it wrote %v (%v)", entries, err)
		}
	})
}
