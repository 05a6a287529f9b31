package nodeimage

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
)

// ingredients are the parts of a node image. All are files of this machine.
type ingredients struct {
	version string
	// bin is the folder of the compiled programs; kindFiles kind's images/base/files.
	bin, kindFiles string
	// debian is the tar archive of the root file system.
	debian         string
	runtimeWrapper string
}

// assemble makes the node image without a container engine and writes it to file, as a compressed archive for `docker
// load`. The caller removes the folder work.
func assemble(ctx context.Context, from ingredients, ref, file, work string, task clusters.Task) error {
	debian, err := openRootfs(from.debian)
	if err != nil {
		return err
	}
	defer func() { _ = debian.Close() }() // read only

	task.Detail("asking kubeadm for the images that Kubernetes %s needs", from.version)
	wanted, err := kubeadmImages(ctx, from.bin, from.version)
	if err != nil {
		return err
	}
	task.Detail("building %d images of Kubernetes' own pods", len(wanted))
	if err := writePodImages(filepath.Join(work, "images"), work, from.bin, debian, wanted); err != nil {
		return err
	}
	packed := filepath.Join(work, "images.tar")
	if err := writeLayer(packed, func(l *layer) error { return writeLayout(l, filepath.Join(work, "images")) }); err != nil {
		return err
	}
	task.Detail("putting %d images into containerd's store", len(wanted))
	store := filepath.Join(work, "store")
	if err := fillStore(ctx, from.bin, store, packed); err != nil {
		return err
	}

	task.Detail("asking containerd for its container specification")
	spec, err := command.New(filepath.Join(from.bin, "ctr"), "oci", "spec").Output(ctx)
	if err != nil {
		return fmt.Errorf("read containerd's container specification: %w", err)
	}
	task.Detail("writing the layers of the node")
	files := nodeFiles{
		kind: from.kindFiles, bin: from.bin, runtimeWrapper: from.runtimeWrapper, version: from.version,
		pause: pauseImage(wanted), containerSpec: []byte(spec),
	}
	var layers []v1.Layer
	for _, part := range []struct {
		name  string
		write func(*layer) error
	}{
		{"system", func(l *layer) error { return writeSystem(l, debian) }},
		{"node", func(l *layer) error { return writeNode(l, files) }},
		{"store", func(l *layer) error { return writeStore(l, store) }},
	} {
		tarFile := filepath.Join(work, part.name+".tar")
		if err := writeLayer(tarFile, part.write); err != nil {
			return err
		}
		stored, err := newStoredLayer(tarFile)
		if err != nil {
			return err
		}
		layers = append(layers, stored)
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	task.Detail("packing the node image")
	return writeArchive(ctx, ref, file, layers)
}

// kubeadmImages returns the names of the images that a cluster of the version runs.
func kubeadmImages(ctx context.Context, bin, version string) ([]string, error) {
	kubeadm := command.New(filepath.Join(bin, "kubernetes"), "config", "images", "list", "--kubernetes-version", version)
	kubeadm.Name = "kubeadm"
	output, err := kubeadm.Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images of Kubernetes %s: %w", version, err)
	}
	return strings.Fields(output), nil
}

func pauseImage(names []string) string {
	for _, name := range names {
		if strings.Contains(name, "/pause:") {
			return name
		}
	}
	return ""
}

// writeArchive writes the image of the layers as a compressed archive, completely or not at all.
func writeArchive(ctx context.Context, ref, file string, layers []v1.Layer) error {
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.DockerManifestSchema2), layers...)
	if err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	// kind's own base image sets these: systemd reads the variable and ends on that signal.
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=docker"}
	config.Config.Entrypoint = []string{"/usr/local/bin/entrypoint", "/sbin/init"}
	config.Config.StopSignal = "SIGRTMIN+3"
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}

	out, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.new")
	if err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	defer func() { _ = os.Remove(out.Name()) }() // after success there is none
	defer func() { _ = out.Close() }()           // the first Close is the one that counts
	compressed, err := zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	if err := tarball.Write(tag, image, contextWriter{ctx, compressed}); err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	if err := compressed.Close(); err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	if err := os.Rename(out.Name(), file); err != nil {
		return fmt.Errorf("pack node image: %w", err)
	}
	return nil
}

// contextWriter stops writing when the context ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(data []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.w.Write(data)
}
