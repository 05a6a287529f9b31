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

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/images"
)

// storing is an engine that has images or can pull them. It saves each as an archive of one program.
type storing struct {
	has, pulls []string
	archive    func(file string) error
	asked      []string
}

func (s *storing) Output(_ context.Context, args ...string) (string, error) {
	s.asked = append(s.asked, args[0])
	ref := args[len(args)-1]
	switch args[0] {
	case "image":
		if !slices.Contains(s.has, ref) {
			return "", errors.New("no such image")
		}
	case "pull":
		if !slices.Contains(s.pulls, ref) {
			return "", errors.New("repository does not exist or may require login")
		}
	case "save":
		return "", s.archive(args[2])
	}
	return "", nil
}

func (s *storing) Load(context.Context, io.Reader) error { return nil }
func (s *storing) With(...string) containerEngine        { return s }

// quiet accepts the steps of long work and shows nothing.
type quiet struct{}

func (quiet) Start(string) clusters.Task { return quiet{} }
func (quiet) Detail(string, ...any)      {}
func (quiet) End(error)                  {}

func TestAGivenImageComesFromTheEngineARegistryOrAnArchive(t *testing.T) {
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, agentProgram), []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	built, err := images.Build(binaries, images.Program{Name: agentProgram, User: "0"})
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
	mine := filepath.Join(t.TempDir(), "mine.tar")
	if err := save(mine); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		image string
		asked []string
		says  string // part of the error; "" for none
	}{
		"archive":           {mine, nil, ""},
		"archive not there": {"none.tar", nil, "none.tar"},
		"in the engine":     {"my/agent:dev", []string{"image", "save"}, ""},
		"in a registry":     {"registry/agent:1", []string{"image", "pull", "save"}, ""},
		"nowhere":           {"my/agnet:dev", []string{"image", "pull"}, "may require login"},
	} {
		t.Run(name, func(t *testing.T) {
			engineWith := &storing{has: []string{"my/agent:dev"}, pulls: []string{"registry/agent:1"}, archive: save}
			c := &creation{dir: t.TempDir(), engine: engineWith, found: &engine.Engine{Name: "docker"}, progress: quiet{}}
			given, err := c.prepareGiven(t.Context(), "agent", clusters.Given{Image: row.image})
			if !slices.Equal(engineWith.asked, row.asked) {
				t.Errorf("asked the engine for %q, want %q", engineWith.asked, row.asked)
			}
			if row.says != "" {
				if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(clusters.Remedy(err), "docker save") {
					t.Errorf("error %v with remedy %q", err, clusters.Remedy(err))
				}
				return
			}
			if err != nil || given.Ref != built.Ref || given.Digest != built.Digest {
				t.Errorf("%+v, %v", given, err)
			}
		})
	}
}

// Only an image without an entrypoint needs the path of its program. EKS's own images have none.
func TestLayoutFollowsTheEntrypointUnlessSaid(t *testing.T) {
	with, without := &images.Given{Entrypoint: []string{"/agent"}}, &images.Given{}
	for _, row := range []struct {
		asked clusters.Layout
		image *images.Given
		want  clusters.Layout
	}{
		{"", with, clusters.LayoutEntrypoint},
		{clusters.LayoutAuto, with, clusters.LayoutEntrypoint},
		{clusters.LayoutAuto, without, clusters.LayoutEKS},
		{clusters.LayoutEKS, with, clusters.LayoutEKS},
		{clusters.LayoutEntrypoint, without, clusters.LayoutEntrypoint},
	} {
		if got := layoutOf(row.asked, row.image); got != row.want {
			t.Errorf("asked %q of %+v: %q, want %q", row.asked, row.image, got, row.want)
		}
	}
}
