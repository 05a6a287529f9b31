package nodeimage

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/internal/debian"
)

// The code that assembles an image. Besides the ingredients it decides the content.
//
//go:embed assemble.go layer.go node.go podimages.go storedlayer.go store.go
var assembler embed.FS

// goFlags are epi's own flags (Makefile), so that shared packages are compiled once.
var goFlags = []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"}

// goTags leave out parts of containerd that a node in a container never uses.
const goTags = "no_btrfs,no_devmapper,no_zfs"

// hash sets the keys of the compiled programs and of the image.
func (b *build) hash(ctx context.Context) error {
	if b.compiler == "" {
		version, err := command.New("go", "env", "GOVERSION").Output(ctx)
		if err != nil {
			return &clusters.EnvironmentError{Doing: "ask for the Go toolchain", Remedy: "install Go from https://go.dev/dl and put it in the path", Err: err}
		}
		b.compiler = strings.TrimSpace(version)
	}
	if len(b.suite.Sources) == 0 {
		b.suite = debian.Find(ctx)
	}
	programs := newKey("programs", b.compiler, runtime.GOARCH, goTags, strings.Join(goFlags, " "))
	if err := programs.module(b.pin.version); err != nil {
		return err
	}
	b.binKey = programs.sum()
	image := newKey("image", b.binKey, suiteKey(b.suite))
	if err := image.fs(assembler); err != nil {
		return err
	}
	wrapper, err := os.ReadFile(b.wrapper)
	if err != nil {
		return fmt.Errorf("read epi-runc: %w", err)
	}
	image.add("epi-runc", string(wrapper))
	b.imageKey = image.sum()
	return nil
}

// key hashes named parts, so that moving text from one part to the next changes the sum.
type key struct{ hash hash.Hash }

func newKey(parts ...string) key {
	k := key{sha256.New()}
	for _, part := range parts {
		k.add("", part)
	}
	return k
}

func (k key) add(name, content string) {
	_, _ = fmt.Fprintf(k.hash, "%d %s %d %s\n", len(name), name, len(content), content) // a hash accepts everything
}

func (k key) fs(files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		k.add(name, string(content))
		return nil
	})
}

func (k key) module(version string) error {
	return eachSource(version, func(name string, content []byte) error {
		k.add(name, string(content))
		return nil
	})
}

func (k key) sum() string { return hex.EncodeToString(k.hash.Sum(nil))[:12] }

// eachSource calls do for each file of the module that a version is built from, with the names that the go command needs,
// in a fixed order.
func eachSource(version string, do func(name string, content []byte) error) error {
	return fs.WalkDir(sources, "_node", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimPrefix(file, "_node/")
		switch path.Ext(name) {
		case ".mod", ".sum":
			if strings.TrimSuffix(name, path.Ext(name)) != version {
				return nil
			}
			name = "go" + path.Ext(name)
		}
		content, err := sources.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read sources of node: %w", err)
		}
		return do(name, content)
	})
}

// writeModule writes the module that a version is built from to the folder dir.
func writeModule(dir, version string) error {
	return eachSource(version, func(name string, content []byte) error {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write sources of node: %w", err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return fmt.Errorf("write sources of node: %w", err)
		}
		return nil
	})
}

// build makes the image's archive. The caller holds the lock. Temporary files are removed in any case. Complete programs
// and a complete root file system stay for later builds.
func (b *build) build(ctx context.Context, progress clusters.Progress, task clusters.Task) (err error) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return fmt.Errorf("build node image: %w", err)
	}
	if err := b.possible(); err != nil {
		return err
	}
	// The holder of the lock is alone, so such files were left by a killed process.
	for _, pattern := range []string{"work-*", "*.new"} {
		stale, _ := filepath.Glob(filepath.Join(b.dir, pattern)) // the patterns are well-formed
		for _, name := range stale {
			if !isMade(filepath.Base(name)) {
				continue
			}
			if err := os.RemoveAll(name); err != nil {
				return fmt.Errorf("build node image: %w", err)
			}
		}
	}
	work, err := os.MkdirTemp(b.dir, "work-")
	if err != nil {
		return fmt.Errorf("build node image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	module := filepath.Join(work, "module")
	if err := writeModule(module, b.pin.version); err != nil {
		return err
	}

	// Debian's packages are unpacked while Kubernetes compiles: the former waits for the network and the disk, the latter
	// for the processor.
	task.Detail("building Kubernetes and the node's root file system")
	system := rootfsFile(b.dir, b.suite)
	group, both := errgroup.WithContext(ctx)
	group.Go(func() error {
		if exists(b.bin()) {
			return nil
		}
		task := progress.Start("Kubernetes " + b.pin.version + " from source")
		err := b.compile(both, module, work, task)
		task.End(err)
		return err
	})
	group.Go(func() error {
		if exists(system) {
			return nil
		}
		task := progress.Start("Root file system of the node")
		err := makeRootfs(both, b.suite, system, work, task)
		task.End(err)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	kind, err := moduleDir(ctx, module, "sigs.k8s.io/kind")
	if err != nil {
		return err
	}
	from := ingredients{
		version: b.pin.version, bin: b.bin(), kindFiles: filepath.Join(kind, "images", "base", "files"),
		debian: system, runtimeWrapper: b.wrapper,
	}
	return assemble(ctx, from, b.ref(), b.archive(), work, task)
}

// possible returns the reason why the image cannot be built here.
func (b *build) possible() error {
	var reason string
	switch {
	case runtime.GOOS != "linux":
		reason = "a node image can be built on Linux only"
	case len(b.suite.Sources) == 0:
		reason = "a node image is built from the packages of Debian or Ubuntu, and this is neither"
	case os.Geteuid() != 0:
		reason = "making a root file system takes root"
	default:
		return nil
	}
	return &clusters.EnvironmentError{
		Doing:  "get a node image",
		Remedy: "get a registry in reach (" + Published() + "), bring an image with --node-image, or run as root on Debian or Ubuntu, where epi builds one",
		Err:    errors.New(reason),
	}
}

// compile compiles the node's programs into b.bin().
func (b *build) compile(ctx context.Context, module, work string, task clusters.Task) error {
	out := filepath.Join(work, "bin")
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("compile node: %w", err)
	}
	packages := []string{"./coredns", "./etcd", "./kubernetes", "./pause", "tool"}
	task.Detail("reading the module")
	list := goCommand(module, append([]string{"list", "-deps", "-tags", goTags}, packages...)...)
	list.OnLine = func(line string) { task.Detail("%s", strings.TrimPrefix(line, "go: ")) }
	names, err := list.Output(ctx)
	if err != nil {
		return compileError(ctx, err)
	}
	total := len(strings.Fields(names))
	var done atomic.Int64
	compile := goCommand(module, b.buildArguments(out, packages)...)
	// A higher GOGC, with a memory limit, saves the compiler some seconds of a minute.
	compile.Env = append(compile.Env, "GOGC=400", "GOMEMLIMIT=1GiB")
	compile.OnLine = func(line string) {
		if message, isMessage := strings.CutPrefix(line, "go: "); isMessage {
			task.Detail("%s", message)
			return
		}
		// Packages that an earlier build compiled are not reported, so the total is an upper bound.
		task.Detail("compiled %d of at most %d packages, now %s", done.Add(1), total, line)
	}
	if err := compile.Run(ctx); err != nil {
		return compileError(ctx, err)
	}
	if err := os.Symlink("kubernetes", filepath.Join(out, "kubectl")); err != nil {
		return fmt.Errorf("compile node: %w", err)
	}
	if err := os.Rename(out, b.bin()); err != nil {
		return fmt.Errorf("compile node: %w", err)
	}
	return nil
}

func (b *build) buildArguments(out string, packages []string) []string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(b.pin.version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := []string{"-s", "-w"}
	for _, variable := range [][2]string{
		{"gitVersion", b.pin.version}, {"gitMajor", major}, {"gitMinor", minor},
		{"gitTreeState", "clean"}, {"gitCommit", "go-module"},
	} {
		flags = append(flags, "-X", "k8s.io/component-base/version."+variable[0]+"="+variable[1])
	}
	args := append([]string{"build", "-v", "-tags", goTags, "-ldflags", strings.Join(flags, " "), "-o", out + "/"}, goFlags...)
	return append(args, packages...)
}

// goCommand is the go command in a module of its own. A user's Go settings do not count, except where modules come from.
func goCommand(dir string, args ...string) *command.Command {
	cmd := command.New("go", args...)
	cmd.Dir = dir
	cmd.Signal = syscall.SIGINT // the go command then removes its temporary files
	cmd.Env = []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GOOS=linux", "GOARCH=" + runtime.GOARCH}
	return cmd
}

func compileError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err // it was stopped, which is no fault
	}
	return &clusters.EnvironmentError{
		Doing:  "compile node",
		Remedy: "check that the Go module proxy is in reach (go env GOPROXY) and that the disk has room (du -sh $(go env GOCACHE))",
		Err:    err,
	}
}

// moduleDir returns the folder of a module that the module in dir requires.
func moduleDir(ctx context.Context, dir, name string) (string, error) {
	output, err := goCommand(dir, "mod", "download", "-json", name).Output(ctx)
	if err != nil {
		return "", compileError(ctx, err)
	}
	var module struct{ Dir string }
	if err := json.NewDecoder(strings.NewReader(output)).Decode(&module); err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("find module %s: %w", name, err)
	}
	if module.Dir == "" {
		return "", fmt.Errorf("find module %s: the go command names no folder", name)
	}
	return module.Dir, nil
}
