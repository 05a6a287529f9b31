// Package nodeimage provides the image of kind's nodes. If a registry can be reached, it is the image that kind publishes.
// Otherwise it is built: Kubernetes, etcd, containerd, CoreDNS and the CNI plugins from Go modules that are pinned by
// checksum (folder _node), the root file system from the Debian packages of this machine's own apt, and kind's node files
// from kind's module.
//
// The name of a built image has a hash of its sources: modules, compiler, list of packages, suite. The versions of the
// Debian packages are not part of it. They follow the suite, as in any installation of Debian.
package nodeimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/internal/debian"
	"github.com/podidentity/epi/clusters/internal/lockfile"
)

// Options ask for a node image.
type Options struct {
	Dirs   clusters.Dirs
	Engine *engine.Engine
	// Version is the Kubernetes version, one of Versions; empty means the default.
	Version string
	// Given is an image to use unchanged. It takes precedence over Version.
	Given string
	// Binaries is the folder with epi-runc, which becomes the OCI runtime of a built node.
	Binaries string
}

// Origins of an image, as environments record them.
const (
	Registry = "registry"
	Built    = "built"
	Given    = "given"
)

// Image is a node image that the engine has.
type Image struct {
	// Ref is its name in the engine.
	Ref string
	// Version is its Kubernetes version, such as "v1.36.3".
	Version string
	// Origin is Registry, Built (now or in an earlier run) or Given.
	Origin string
	// KubeadmPatches are the patches that kind's configuration needs for nodes of this image on this machine.
	KubeadmPatches []string
	// Kubectl is the path on this machine of the kubectl of a built image; "" for other images.
	Kubectl string
}

// Ensure provides a node image in the engine, in the quickest possible way.
func Ensure(ctx context.Context, options Options, progress clusters.Progress) (Image, error) {
	task := progress.Start("Node image")
	image, err := ensure(ctx, options, progress, task)
	if err == nil {
		image.KubeadmPatches, err = kubeadmPatches(ctx, options.Engine)
	}
	task.End(err)
	return image, err
}

func ensure(ctx context.Context, options Options, progress clusters.Progress, task clusters.Task) (Image, error) {
	if options.Given != "" {
		return useGiven(ctx, options, task)
	}
	pin, err := pinOf(options.Version)
	if err != nil {
		return Image{}, err
	}
	task.Detail("looking for the image of Kubernetes %s", pin.version)
	// If it cannot be built, for example without a Go toolchain, it may still be pulled.
	b, buildErr := newBuild(ctx, options, pin)
	if buildErr == nil {
		if image, err := b.fromEngineOrCache(ctx, task); err != nil || image.Ref != "" {
			return image, err
		}
	}
	if image, err := pull(ctx, options, pin, task); err != nil || image.Ref != "" {
		return image, err
	}
	if buildErr != nil {
		return Image{}, buildErr
	}
	release, err := lockfile.Acquire(ctx, filepath.Join(b.dir, "lock"), func() { task.Detail("waiting for another epi that builds a node image") })
	if err != nil {
		return Image{}, err
	}
	defer release()
	// Another process may have built it meanwhile.
	if image, err := b.fromEngineOrCache(ctx, task); err != nil || image.Ref != "" {
		return image, err
	}
	if err := b.build(ctx, progress, task); err != nil {
		return Image{}, err
	}
	if err := b.load(ctx, task); err != nil {
		return Image{}, err
	}
	return b.image(), b.prune(ctx)
}

// build is one node image that may have to be built.
type build struct {
	engine   *engine.Engine
	pin      pin
	dir      string
	wrapper  string
	suite    debian.Suite
	compiler string
	binKey   string
	imageKey string
}

func newBuild(ctx context.Context, options Options, p pin) (*build, error) {
	b := &build{
		engine: options.Engine, pin: p,
		dir:     filepath.Join(options.Dirs.Cache, "nodeimage"),
		wrapper: filepath.Join(options.Binaries, "epi-runc"),
	}
	if err := b.hash(ctx); err != nil {
		return nil, fmt.Errorf("describe node image: %w", err)
	}
	return b, nil
}

func (b *build) ref() string     { return imageName + ":" + b.pin.version + "-" + b.imageKey }
func (b *build) archive() string { return filepath.Join(b.dir, b.imageKey+".tar.zst") }
func (b *build) bin() string     { return filepath.Join(b.dir, "bin-"+b.binKey) }

// imageName is the name of built images, which are on this machine and in no registry.
const imageName = "localhost/epi-node"

func (b *build) image() Image {
	image := Image{Ref: b.ref(), Version: b.pin.version, Origin: Built}
	if kubectl := filepath.Join(b.bin(), "kubectl"); exists(kubectl) {
		image.Kubectl = kubectl
	}
	return image
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// fromEngineOrCache returns the image if it was built before, and otherwise one without a name.
func (b *build) fromEngineOrCache(ctx context.Context, task clusters.Task) (Image, error) {
	has, err := b.engine.HasImage(ctx, b.ref())
	if err != nil {
		return Image{}, err
	}
	if has {
		task.Detail("%s", b.ref())
		return b.image(), nil
	}
	if !exists(b.archive()) {
		return Image{}, nil
	}
	if err := b.load(ctx, task); err != nil {
		if ctx.Err() != nil {
			return Image{}, err
		}
		// A damaged archive counts as missing.
		return Image{}, os.Remove(b.archive())
	}
	return b.image(), nil
}

// load loads the image from the cache into the engine.
func (b *build) load(ctx context.Context, task clusters.Task) error {
	task.Detail("loading the image into %s", b.engine)
	file, err := os.Open(b.archive())
	if err != nil {
		return fmt.Errorf("load node image: %w", err)
	}
	defer func() { _ = file.Close() }() // read only
	archive, err := zstd.NewReader(file)
	if err != nil {
		return fmt.Errorf("load node image: %w", err)
	}
	defer archive.Close()
	// The reader has no other methods, so the engine's client gets a pipe and does not read beyond the archive.
	if err := b.engine.Load(ctx, struct{ io.Reader }{archive}); err != nil {
		return fmt.Errorf("load node image: %w", err)
	}
	return nil
}

// made matches the names of epi's own files in the cache folder. Other files are the user's.
var made = regexp.MustCompile(`^([0-9a-f]{12}\.tar\.zst|rootfs-[0-9a-f]{12}\.tar|bin-[0-9a-f]{12}|work-[0-9]+|([0-9a-f]{12}\.tar\.zst|rootfs-[0-9a-f]{12}\.tar)\.[0-9]+\.new)$`)

func isMade(name string) bool { return made.MatchString(name) }

// prune removes images and files of earlier sources. Those of the pinned versions stay.
func (b *build) prune(ctx context.Context) error {
	keep := map[string]bool{"lock": true, filepath.Base(rootfsFile(b.dir, b.suite)): true}
	refs := map[string]bool{}
	for _, p := range pins {
		other := *b
		other.pin = p
		if err := other.hash(ctx); err != nil {
			return fmt.Errorf("remove old node images: %w", err)
		}
		keep[filepath.Base(other.archive())] = true
		keep[filepath.Base(other.bin())] = true
		refs[other.ref()] = true
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return fmt.Errorf("remove old node images: %w", err)
	}
	var left []error
	for _, entry := range entries {
		if !keep[entry.Name()] && isMade(entry.Name()) {
			left = append(left, os.RemoveAll(filepath.Join(b.dir, entry.Name())))
		}
	}
	list, err := b.engine.Output(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", imageName)
	if err != nil {
		return fmt.Errorf("remove old node images: %w", err)
	}
	for _, ref := range strings.Fields(list) {
		if !refs[ref] {
			// A running cluster uses it. A later prune removes it.
			_, _ = b.engine.Output(ctx, "image", "rm", ref)
		}
	}
	return errors.Join(left...)
}

// useGiven uses a user's image unchanged.
func useGiven(ctx context.Context, options Options, task clusters.Task) (Image, error) {
	has, err := options.Engine.HasImage(ctx, options.Given)
	if err != nil {
		return Image{}, err
	}
	if !has {
		task.Detail("pulling %s", options.Given)
		if _, err := options.Engine.Output(ctx, "pull", options.Given); err != nil {
			return Image{}, &clusters.EnvironmentError{
				Doing: "get node image", Remedy: "check --node-image; without it epi finds or builds one", Err: err,
			}
		}
	}
	task.Detail("reading the version of %s", options.Given)
	version, err := options.Engine.Output(ctx, "run", "--rm", "--network", "none", "--entrypoint", "cat", options.Given, "/kind/version")
	if err != nil {
		return Image{}, &clusters.EnvironmentError{
			Doing: "read node image", Remedy: "--node-image must be an image that kind can use, such as kindest/node", Err: err,
		}
	}
	return Image{Ref: options.Given, Version: strings.TrimSpace(version), Origin: Given}, nil
}

// kubeadmPatches returns what the machine requires of every kubelet. With control groups of version 1 it starts only if its
// configuration allows that (KubeletConfiguration v1beta1, since Kubernetes 1.31).
func kubeadmPatches(ctx context.Context, e *engine.Engine) ([]string, error) {
	version, err := e.CgroupVersion(ctx)
	if err != nil || version != "1" {
		return nil, err
	}
	return []string{`kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
failCgroupV1: false
`}, nil
}
