package images

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// ErrNoArchive says that a file is not an archive of images.
var ErrNoArchive = errors.New("it is no archive of docker save, and no OCI layout in a tar archive")

// Loadable is a user's archive of images that can be loaded onto the nodes of this machine.
type Loadable struct {
	// Refs are the names of its images.
	Refs []string

	open func() (io.ReadCloser, error)
}

// The annotations with an image's name in an OCI layout: containerd's, with the full name, and the specification's,
// https://github.com/opencontainers/image-spec/blob/main/annotations.md.
const (
	annotationName = "io.containerd.image.name"
	annotationRef  = "org.opencontainers.image.ref.name"
)

// OpenLoadable reads an archive of docker save, or an OCI layout in a tar archive. Both may be compressed with gzip. It
// checks that the images have names and are for Linux on this machine's processor. It unpacks an OCI layout into the folder
// scratch, which must exist as long as it is used.
func OpenLoadable(file, scratch string) (*Loadable, error) {
	loadable, err := openLoadable(file, scratch)
	if err != nil {
		return nil, fmt.Errorf("read image archive %s: %w", file, err)
	}
	return loadable, nil
}

func openLoadable(file, scratch string) (*Loadable, error) {
	opener := func() (io.ReadCloser, error) { return openPlain(file) }
	docker, oci, err := kindOf(opener)
	switch {
	case err != nil:
		return nil, err
	case oci: // Docker since 25 writes one too; its layout is complete and its list of files is not
		return openLayout(opener, scratch)
	case docker:
		return openDocker(opener)
	default:
		return nil, ErrNoArchive
	}
}

// Open returns the archive in a form that containerd and docker load accept. The caller closes it.
func (l *Loadable) Open() (io.ReadCloser, error) { return l.open() }

// plain reads a file that may be compressed.
type plain struct {
	io.Reader
	file *os.File
}

func (p plain) Close() error { return p.file.Close() }

func openPlain(name string) (io.ReadCloser, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(file, 1<<16)
	if magic, _ := buffered.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		return plain{unpacked, file}, nil
	}
	return plain{buffered, file}, nil
}

// kindOf finds out the kind of an archive.
func kindOf(opener tarball.Opener) (docker, oci bool, err error) {
	reader, err := opener()
	if err != nil {
		return false, false, err
	}
	defer func() { _ = reader.Close() }()
	archive := tar.NewReader(reader)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return docker, oci, nil
		case err != nil && entries == 0:
			return false, false, ErrNoArchive
		case err != nil:
			return false, false, fmt.Errorf("it is cut off or damaged: %w", err)
		}
		switch path.Clean(header.Name) {
		case "manifest.json":
			docker = true
		case "oci-layout":
			oci = true
		}
	}
}

func openDocker(opener tarball.Opener) (*Loadable, error) {
	manifest, err := tarball.LoadManifest(opener)
	if err != nil {
		return nil, err
	}
	loadable := &Loadable{open: opener}
	for _, described := range manifest {
		if len(described.RepoTags) == 0 {
			return nil, errors.New("an image in it has no name: write it with docker save NAME, not with an ID")
		}
		tag, err := name.NewTag(described.RepoTags[0])
		if err != nil {
			return nil, err
		}
		image, err := tarball.Image(opener, &tag)
		if err != nil {
			return nil, err
		}
		if err := checkPlatform(described.RepoTags[0], image); err != nil {
			return nil, err
		}
		loadable.Refs = append(loadable.Refs, described.RepoTags...)
	}
	if len(loadable.Refs) == 0 {
		return nil, errors.New("there is no image in it")
	}
	return loadable, nil
}

// checkPlatform refuses images whose programs would not start on the nodes.
func checkPlatform(ref string, image v1.Image) error {
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	// Very old images name no platform. containerd uses them as images of this machine's.
	if config.Architecture != "" && config.Architecture != runtime.GOARCH || config.OS != "" && config.OS != "linux" {
		return fmt.Errorf("image %s is for %s/%s, and the nodes are linux/%s: build it with --platform linux/%[4]s", ref, config.OS, config.Architecture, runtime.GOARCH)
	}
	return nil
}

// openLayout unpacks an OCI layout and selects what is for this machine.
func openLayout(opener tarball.Opener, scratch string) (*Loadable, error) {
	if err := unpackLayout(opener, scratch); err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(scratch)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	found := map[name.Tag]v1.Image{}
	loadable := &Loadable{}
	for _, described := range manifest.Manifests {
		tag, err := tagOf(described.Annotations)
		if err != nil {
			return nil, err
		}
		image, err := imageFor(index, described, tag.String())
		if err != nil {
			return nil, err
		}
		found[tag] = image
		loadable.Refs = append(loadable.Refs, tag.String())
	}
	if len(found) == 0 {
		return nil, errors.New("there is no image in it")
	}
	slices.Sort(loadable.Refs)
	loadable.Refs = slices.Compact(loadable.Refs)
	loadable.open = func() (io.ReadCloser, error) {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(tarball.MultiWrite(found, writer)) }()
		return reader, nil
	}
	return loadable, nil
}

func tagOf(annotations map[string]string) (name.Tag, error) {
	for _, key := range []string{annotationName, annotationRef} {
		called := annotations[key]
		// A tag alone, such as "latest", is not an image's name.
		if tag, err := name.NewTag(called); err == nil && (key == annotationName || regexp.MustCompile(`[/:]`).MatchString(called)) {
			return tag, nil
		}
	}
	return name.Tag{}, fmt.Errorf("an image in it has no name (annotation %s): give it one where it is built, such as my/app:dev", annotationName)
}

// imageFor follows an index to the image for this machine.
func imageFor(index v1.ImageIndex, described v1.Descriptor, ref string) (v1.Image, error) {
	if !described.MediaType.IsIndex() {
		image, err := index.Image(described.Digest)
		if err != nil {
			return nil, err
		}
		return image, checkPlatform(ref, image)
	}
	platforms, err := index.ImageIndex(described.Digest)
	if err != nil {
		return nil, err
	}
	manifest, err := platforms.IndexManifest()
	if err != nil {
		return nil, err
	}
	var has []string
	for _, of := range manifest.Manifests {
		if of.Platform == nil || of.Platform.OS == "unknown" { // attestations are no images
			continue
		}
		if of.Platform.OS == "linux" && of.Platform.Architecture == runtime.GOARCH {
			return platforms.Image(of.Digest)
		}
		has = append(has, of.Platform.String())
	}
	return nil, fmt.Errorf("image %s is for %q, and the nodes are linux/%s: build it with --platform linux/%[3]s", ref, has, runtime.GOARCH)
}

// layoutFile matches the files of an OCI layout, and nothing outside it.
var layoutFile = regexp.MustCompile(`^(oci-layout|index\.json|blobs/sha(256|512)/[0-9a-f]{64,128})$`)

func unpackLayout(opener tarball.Opener, scratch string) error {
	reader, err := opener()
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	archive := tar.NewReader(reader)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is cut off or damaged: %w", err)
		}
		called := path.Clean(header.Name)
		if header.Typeflag != tar.TypeReg || !layoutFile.MatchString(called) {
			continue
		}
		if err := writeFile(filepath.Join(scratch, filepath.FromSlash(called)), archive); err != nil {
			return err
		}
	}
}

func writeFile(name string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
