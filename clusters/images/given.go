package images

import (
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Given is a user's image, in an archive on this machine.
type Given struct {
	// Ref is the image's name in the archive.
	Ref string
	// Digest of the image's configuration, as "sha256:…".
	Digest string
	// Entrypoint of the image; empty if it has none.
	Entrypoint []string

	file string
}

// OpenArchive reads an archive of one image with a name, as `docker save NAME` writes it.
func OpenArchive(file string) (*Given, error) {
	opener := func() (io.ReadCloser, error) { return os.Open(file) }
	given, err := readArchive(opener)
	if err != nil {
		return nil, fmt.Errorf("read image archive %s: %w", file, err)
	}
	given.file = file
	return given, nil
}

func readArchive(opener tarball.Opener) (*Given, error) {
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, err
	}
	if len(manifest) != 1 || len(manifest[0].RepoTags) == 0 {
		return nil, fmt.Errorf("it holds %d images, want one that has a name: write it with docker save NAME", len(manifest))
	}
	ref := manifest[0].RepoTags[0]
	tag, err := name.NewTag(ref)
	if err != nil {
		return nil, err
	}
	image, err := tarball.Image(opener, &tag)
	if err != nil {
		return nil, err
	}
	return describe(ref, image)
}

func describe(ref string, image v1.Image) (*Given, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	digest, err := image.ConfigName()
	if err != nil {
		return nil, err
	}
	return &Given{Ref: ref, Digest: digest.String(), Entrypoint: config.Config.Entrypoint}, nil
}

// Renamed returns the image as localhost/<called>:<first 12 digits of its digest>, for nodes that may have another image of
// the same name. The archive must exist while it is used.
func (g *Given) Renamed(called string) (*Image, error) {
	tag, err := name.NewTag(g.Ref)
	if err != nil {
		return nil, fmt.Errorf("read image archive %s: %w", g.file, err)
	}
	image, err := tarball.ImageFromPath(g.file, &tag)
	if err != nil {
		return nil, fmt.Errorf("read image archive %s: %w", g.file, err)
	}
	return named(called, image)
}

// Open opens the archive, for loading it. The caller closes it.
func (g *Given) Open() (io.ReadCloser, error) {
	archive, err := os.Open(g.file)
	if err != nil {
		return nil, fmt.Errorf("open image archive of %s: %w", g.Ref, err)
	}
	return archive, nil
}

// File is the archive.
func (g *Given) File() string { return g.file }
