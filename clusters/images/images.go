// Package images builds container images of single static programs on an empty base, without a container engine and without
// a Dockerfile. The same program gives the same image, byte by byte.
package images

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Program describes the image of one static program.
type Program struct {
	// Name is the program's and the image's name, such as "epi-agent".
	Name string
	// User is the program's numeric user ID, such as "65532"; "0" for root.
	User string
	// Architecture is Go's name of it, such as "arm64"; "" for this machine's.
	Architecture string
}

// Image is a built image.
type Image struct {
	// Ref is the name to run it by: localhost/<program>:<first 12 digits of the digest>. The content decides the tag, so a
	// rebuilt program is never confused with an older one.
	Ref string
	// Digest of the image's configuration, as "sha256:…".
	Digest string

	image v1.Image
}

// Build makes the image of the program found in the folder binaries.
func Build(binaries string, program Program) (*Image, error) {
	layer, err := layerOf(filepath.Join(binaries, program.Name), program.Name)
	if err != nil {
		return nil, fmt.Errorf("build image of %s: %w", program.Name, err)
	}
	architecture := cmp.Or(program.Architecture, runtime.GOARCH)
	image, err := configure([]v1.Layer{layer}, v1.Config{Entrypoint: []string{"/" + program.Name}, User: program.User, WorkingDir: "/"}, program.Name, architecture)
	if err != nil {
		return nil, fmt.Errorf("build image of %s: %w", program.Name, err)
	}
	return image, nil
}

// Content describes an image of files in tar archives, with one of epi's programs in it.
type Content struct {
	// Name is the image's.
	Name string
	// Binaries is the folder of Program, with which the image starts unless Entrypoint is set. Without a Program the image
	// has none of epi's programs.
	Binaries, Program string
	Entrypoint        []string
	// WorkingDir is "/" if it is empty.
	WorkingDir string
	// Layers are tar archives of files, the lowest first. The program is above them.
	Layers []string
	// User is the numeric user id, Env the variables as KEY=value.
	User string
	Env  []string
}

// Assemble makes the image.
func Assemble(content Content) (*Image, error) {
	var layers []v1.Layer
	for _, file := range content.Layers {
		layer, err := tarball.LayerFromFile(file, tarball.WithCompression(compression.None))
		if err != nil {
			return nil, fmt.Errorf("assemble image %s: %w", content.Name, err)
		}
		layers = append(layers, layer)
	}
	entrypoint := content.Entrypoint
	if content.Program != "" {
		program, err := layerOf(filepath.Join(content.Binaries, content.Program), content.Program)
		if err != nil {
			return nil, fmt.Errorf("assemble image %s: %w", content.Name, err)
		}
		layers = append(layers, program)
		if entrypoint == nil {
			entrypoint = []string{"/" + content.Program}
		}
	}
	image, err := configure(layers, v1.Config{
		Entrypoint: entrypoint, User: content.User, WorkingDir: cmp.Or(content.WorkingDir, "/"), Env: content.Env,
	}, content.Name, runtime.GOARCH)
	if err != nil {
		return nil, fmt.Errorf("assemble image %s: %w", content.Name, err)
	}
	return image, nil
}

// configure makes the image of layers.
func configure(layers []v1.Layer, settings v1.Config, called, architecture string) (*Image, error) {
	image, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = "linux", architecture, settings
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return named(called, image)
}

// named gives an image a name that depends on its content.
func named(called string, image v1.Image) (*Image, error) {
	digest, err := image.ConfigName()
	if err != nil {
		return nil, err
	}
	return &Image{Ref: "localhost/" + called + ":" + digest.Hex[:12], Digest: digest.String(), image: image}, nil
}

// layerOf makes a layer with the one program, owned by root, without a time.
func layerOf(file, program string) (v1.Layer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	entries := []tar.Header{
		// Programs need a folder for temporary files, also on an empty base.
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeReg, Name: program, Mode: 0o755, Size: int64(len(content))},
	}
	for _, entry := range entries {
		if err := archive.WriteHeader(&entry); err != nil {
			return nil, err
		}
	}
	if _, err := archive.Write(content); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	// Loading is local, and compressing would cost more time than it saves.
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}, tarball.WithCompressionLevel(0))
}

// Archive writes the images as one archive that both `docker load` and containerd's import accept.
func Archive(w io.Writer, list ...*Image) error {
	refs := map[name.Tag]v1.Image{}
	for _, image := range list {
		tag, err := name.NewTag(image.Ref)
		if err != nil {
			return fmt.Errorf("write image archive: %w", err)
		}
		refs[tag] = image.image
	}
	if err := tarball.MultiWrite(refs, w); err != nil {
		return fmt.Errorf("write image archive: %w", err)
	}
	return nil
}

// Push writes an image to a registry, under a name there such as 1.dkr.ecr.us-west-2.amazonaws.com/probe:v1.
func Push(ctx context.Context, image *Image, ref string, auth authn.Authenticator) error {
	target, err := name.ParseReference(ref)
	if err != nil {
		return fmt.Errorf("push image: %w", err)
	}
	if err := remote.Write(target, image.image, remote.WithAuth(auth), remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push image %s: %w", ref, err)
	}
	return nil
}

// PushIndex writes an image of each architecture to a registry, and an index of all of them under the name ref. An engine
// selects the image of its own machine. PushIndex returns the digest of the index, as "sha256:…".
func PushIndex(ctx context.Context, list []*Image, ref string, options ...remote.Option) (string, error) {
	target, err := name.ParseReference(ref)
	if err != nil {
		return "", fmt.Errorf("push images: %w", err)
	}
	var index v1.ImageIndex = empty.Index
	for _, image := range list {
		config, err := image.image.ConfigFile()
		if err != nil {
			return "", fmt.Errorf("push image %s: %w", image.Ref, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image.image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture}},
		})
	}
	if err := remote.WriteIndex(target, index, append(options, remote.WithContext(ctx))...); err != nil {
		return "", fmt.Errorf("push images %s: %w", ref, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("push images %s: %w", ref, err)
	}
	return digest.String(), nil
}
