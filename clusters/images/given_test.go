package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// archive writes images as `docker save` does.
func archive(t *testing.T, images map[string]v1.Image) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "images.tar")
	refs := map[name.Reference]v1.Image{}
	for ref, image := range images {
		parsed, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		refs[parsed] = image
	}
	if err := tarball.MultiRefWriteToFile(file, refs); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenArchiveReportsNameAndEntrypoint(t *testing.T) {
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, "epi-agent"), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	built, err := Build(binaries, Program{Name: "epi-agent", User: "0"})
	if err != nil {
		t.Fatal(err)
	}
	given, err := OpenArchive(archive(t, map[string]v1.Image{"my/agent:dev": built.image}))
	if err != nil {
		t.Fatal(err)
	}
	if given.Ref != "my/agent:dev" || given.Digest != built.Digest || len(given.Entrypoint) != 1 || given.Entrypoint[0] != "/epi-agent" {
		t.Errorf("%+v", given)
	}
	opened, err := given.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenArchiveSaysWhatIsWrong(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.tar")
	text := filepath.Join(t.TempDir(), "text.tar")
	if err := os.WriteFile(text, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		none: "no such file",
		text: "EOF",
		archive(t, map[string]v1.Image{"my/agent:a": empty.Image, "my/webhook:b": mustBuild(t)}): "holds 2 images",
	} {
		if _, err := OpenArchive(file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error %v, want %q", file, err, want)
		}
	}
}

func mustBuild(t *testing.T) v1.Image {
	t.Helper()
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, "epi-webhook"), []byte("another"), 0o755); err != nil {
		t.Fatal(err)
	}
	built, err := Build(binaries, Program{Name: "epi-webhook", User: "0"})
	if err != nil {
		t.Fatal(err)
	}
	return built.image
}
