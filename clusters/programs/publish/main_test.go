package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/podidentity/epi/clusters/kind"
	"github.com/podidentity/epi/clusters/programs"
)

// archives writes archives of programs that name their architecture.
func archives(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, architecture := range architectures() {
		work := t.TempDir()
		for _, program := range programs.Names() {
			if err := os.WriteFile(filepath.Join(work, program), []byte(program+" for "+architecture), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		var archive bytes.Buffer
		if err := programs.Pack(&archive, work); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "packed_"+architecture+".tar.zst"), archive.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestImagesOfAllArchitecturesArePushed(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/epi"
	var printed bytes.Buffer
	if err := publish(t.Context(), archives(t), repository, "v1.2.3", &printed); err != nil {
		t.Fatal(err)
	}
	for _, program := range kind.Programs() {
		ref, err := name.ParseReference(repository + "/" + program.Name + ":v1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := index.Digest()
		if err != nil || !strings.Contains(printed.String(), ref.String()+"@"+digest.String()+"\n") {
			t.Errorf("%s: digest %s, %v, is not printed: %s", program.Name, digest, err, printed.String())
		}
		for _, architecture := range architectures() {
			image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
			if err != nil {
				t.Fatal(err)
			}
			config, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if config.Architecture != architecture || config.Config.User != program.User || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/"+program.Name {
				t.Errorf("%s for %s: %+v", program.Name, architecture, config)
			}
			layers, err := image.Layers()
			if err != nil {
				t.Fatal(err)
			}
			content, err := layers[0].Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			var layer bytes.Buffer
			if _, err := layer.ReadFrom(content); err != nil || !strings.Contains(layer.String(), program.Name+" for "+architecture) {
				t.Errorf("%s for %s has another program (%v)", program.Name, architecture, err)
			}
		}
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for name, test := range map[string]struct{ from, repository, tag, want string }{
		"no repository": {archives(t), "", "v1", "--repository"},
		"no tag":        {archives(t), "localhost:1/epi", "", "--tag"},
		"no archives":   {t.TempDir(), "localhost:1/epi", "v1", "go run ./clusters/programs/pack --arch amd64"},
		"wrong name":    {archives(t), "localhost:1/EPI", "v1", "EPI"},
	} {
		if err := publish(t.Context(), test.from, test.repository, test.tag, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
