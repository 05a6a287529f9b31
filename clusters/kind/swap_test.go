package kind

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/images"
)

// archiveOf writes an archive of an image my/agent:dev with an agent of that content.
func archiveOf(t *testing.T, content string) (file string, image *images.Image) {
	t.Helper()
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, agentProgram), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	image, err := images.Build(binaries, images.Program{Name: agentProgram, User: agentUser})
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "agent.tar")
	archive, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	// A user who builds an image again saves it under the same name.
	image.Ref = "my/agent:dev"
	if err := errors.Join(images.Archive(archive, image), archive.Close()); err != nil {
		t.Fatal(err)
	}
	return file, image
}

func TestASwapperDistinguishesImagesByTheirContents(t *testing.T) {
	binaries := t.TempDir()
	if err := os.WriteFile(filepath.Join(binaries, agentProgram), []byte("epi's"), 0o755); err != nil {
		t.Fatal(err)
	}
	swapper := &Swapper{
		env:    &clusters.Environment{ClusterName: "blue", Region: "eu-west-1", AWS: clusters.AWS{PodEndpointURL: "http://198.51.100.1:4566"}},
		engine: &storing{}, called: "docker", binaries: binaries,
	}
	old, oldImage := archiveOf(t, "old")
	renewed, renewedImage := archiveOf(t, "new")
	var refs []string
	for name, row := range map[string]struct {
		given   clusters.Given
		subject clusters.Subject
	}{
		"old":       {clusters.Given{Image: old}, clusters.Subject{Role: "agent", Image: "my/agent:dev", Digest: oldImage.Digest}},
		"new":       {clusters.Given{Image: renewed, Args: []string{"--v"}}, clusters.Subject{Role: "agent", Image: "my/agent:dev", Digest: renewedImage.Digest}},
		"reference": {clusters.Given{Args: []string{"--max-cache-size=0"}, Env: []string{"A=1"}}, clusters.Subject{Role: "agent", Reference: true}},
	} {
		image, agent, err := swapper.image(t.Context(), row.given, filepath.Join(t.TempDir(), "swap.tar"))
		if err != nil {
			t.Fatal(err)
		}
		if row.subject.Reference {
			row.subject.Image, row.subject.Digest = image.Ref, image.Digest
		}
		if agent.Subject != row.subject || !slices.Equal(agent.Args, row.given.Args) {
			t.Errorf("%s: reported as %+v with %q, want %+v", name, agent.Subject, agent.Args, row.subject)
		}
		server := agent.template.Spec.Containers[0]
		if server.Image != image.Ref || !strings.Contains(image.Ref, strings.TrimPrefix(row.subject.Digest, "sha256:")[:12]) {
			t.Errorf("%s: runs %s, the image %s is loaded", name, server.Image, image.Ref)
		}
		if tail := server.Args[len(server.Args)-len(row.given.Args):]; !slices.Equal(tail, row.given.Args) {
			t.Errorf("%s: arguments %q do not end with %q", name, server.Args, row.given.Args)
		}
		refs = append(refs, image.Ref)
	}
	if slices.Sort(refs); len(slices.Compact(refs)) != 3 {
		t.Errorf("images %q are not three", refs)
	}
	if _, _, err := swapper.image(t.Context(), clusters.Given{Image: "my/agnet:dev"}, "x.tar"); err == nil || !strings.Contains(clusters.Remedy(err), "docker save") {
		t.Errorf("an image that is nowhere: %v, remedy %q", err, clusters.Remedy(err))
	}
}

// A Swapper without a Put must not restart an agent.
func TestASwapperThatSwappedNothingRestoresNothing(t *testing.T) {
	if err := (&Swapper{}).Restore(t.Context(), quiet{}); err != nil {
		t.Error(err)
	}
}
