package kind

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/images"
)

func TestAnImageToLoadComesFromAnEngineOrAnArchive(t *testing.T) {
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, probeProgram), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	built, err := images.Build(binaries, images.Program{Name: probeProgram, User: "0"})
	if err != nil {
		t.Fatal(err)
	}
	save := func(file string) error {
		archive, err := os.Create(file)
		if err != nil {
			return err
		}
		return errors.Join(images.Archive(archive, built), archive.Close())
	}
	t.Chdir(t.TempDir())
	if err := save("mine.tar"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("text", []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	first, second := &storing{has: []string{"in/first"}, archive: save}, &storing{has: []string{"in/first", "in/second"}, archive: save}
	both := []imageSource{{"docker 1", first}, {"docker 2 (epi's own)", second}}
	for _, row := range []struct {
		image   string
		sources []imageSource
		says    string
		remedy  string
	}{
		{"mine.tar", nil, "", ""},
		{"in/first", both, "", ""},
		{"in/second", both, "", ""},
		{"nowhere:1", both, "docker 1 and docker 2 (epi's own): no such image", "docker pull nowhere:1"},
		{"nowhere:1", nil, "no container engine answers", "docker save"},
		{"gone.tar", both, "there is no such file", "docker save NAME --output gone.tar"},
		{"./gone", both, "there is no such file", "docker save"},
		{"text", both, "no archive of docker save", "docker save"},
		{"folder", both, "it is a folder", "tar --create"},
		{os.DevNull, both, "no regular file", "to a file"},
	} {
		first.asked, second.asked = nil, nil
		loadable, err := findLoadable(t.Context(), row.sources, row.image, t.TempDir(), quiet{})
		if row.says != "" {
			refused, ok := errors.AsType[*ImageError](err)
			if !ok || !strings.Contains(err.Error(), row.says) || !strings.Contains(refused.Remedy, row.remedy) {
				t.Errorf("%s: error %v, %+v", row.image, err, refused)
			}
			if slices.Contains(first.asked, "pull") || slices.Contains(second.asked, "pull") {
				t.Errorf("%s: something was pulled", row.image)
			}
			continue
		}
		if err != nil || !slices.Equal(loadable.Refs, []string{built.Ref}) {
			t.Errorf("%s: %+v, %v", row.image, loadable, err)
		}
	}
	if slices.Contains(second.asked, "save") {
		t.Error("the second engine was asked for what the first has")
	}
}
