// Package programs finds the programs that epi puts into its images, for Linux: beside epi, packed into epi, or built once
// from epi's own module.
package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
)

// Remedy is what a user can do if there are no programs.
const Remedy = "copy them along with epi, or run make build, which puts all of them in bin/, and use bin/epi"

// Names are the programs, sorted.
func Names() []string {
	return []string{"epi-agent", "epi-emulator", "epi-probe", "epi-runc", "epi-webhook"}
}

// Missing returns the programs that a folder lacks.
func Missing(folder string) []string {
	return slices.DeleteFunc(Names(), func(program string) bool {
		info, err := os.Stat(filepath.Join(folder, program))
		return err == nil && info.Mode().IsRegular()
	})
}

// Module is a version of epi's module that a Go module proxy has.
type Module struct {
	// Path and Version are as in go.mod, such as "github.com/podidentity/epi" and "v1.2.0".
	Path, Version string
}

// Finder finds the programs. A zero field leaves out one place.
type Finder struct {
	// Beside is the folder of the running epi.
	Beside string
	// Packed is the archive (see Pack) in the running epi.
	Packed []byte
	// Module is the module from which `go install` installed the running epi.
	Module Module
	// Cache is epi's cache folder. Unpacked or built programs are kept below it.
	Cache string
}

// New returns a Finder for the running program. Cache is epi's cache folder.
func New(cache string) (*Finder, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	finder := &Finder{Beside: filepath.Dir(self), Packed: packed, Cache: cache}
	// Only a downloaded module has a sum. The version of a checkout may not exist anywhere else.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Sum != "" {
		finder.Module = Module{Path: info.Main.Path, Version: info.Main.Version}
	}
	return finder, nil
}

// The folder of the programs, if one has them already.
func (f *Finder) There() (string, bool) {
	for _, folder := range f.folders() {
		if len(Missing(folder)) == 0 {
			return folder, true
		}
	}
	return "", false
}

// folders are the places where the programs can be.
func (f *Finder) folders() []string {
	var folders []string
	if f.Beside != "" {
		folders = append(folders, f.Beside)
	}
	if len(f.Packed) > 0 {
		folders = append(folders, f.packedFolder())
	}
	if f.Module.Version != "" {
		folders = append(folders, f.builtFolder())
	}
	return folders
}

// Look says, for people, where the programs are or will come from. It changes nothing. The error is an EnvironmentError
// that names the missing programs.
func (f *Finder) Look() (string, error) {
	if folder, ok := f.There(); ok {
		return "in " + folder, nil
	}
	switch {
	case len(f.Packed) > 0:
		return "packed into epi", nil
	case f.Module.Version != "":
		return fmt.Sprintf("to be built from %s@%s", f.Module.Path, f.Module.Version), nil
	default:
		return "", &clusters.EnvironmentError{
			Doing:  "find epi's programs",
			Remedy: Remedy,
			Err:    fmt.Errorf("%s: not beside epi in %s", strings.Join(Missing(f.Beside), ", "), f.Beside),
		}
	}
}

// Find returns the folder of the programs. It unpacks or builds them if necessary. Both are kept in the cache folder, so
// only the first call takes long. Errors are EnvironmentErrors.
func (f *Finder) Find(ctx context.Context, progress clusters.Progress) (string, error) {
	if _, err := f.Look(); err != nil {
		return "", err
	}
	if folder, ok := f.There(); ok {
		return folder, nil
	}
	if len(f.Packed) > 0 {
		return f.keep(f.packedFolder(), func(work string) error { return Unpack(f.Packed, work) })
	}
	task := progress.Start("Programs of epi " + f.Module.Version)
	folder, err := f.keep(f.builtFolder(), func(work string) error { return f.build(ctx, work, task) })
	task.End(err)
	return folder, err
}

// keep fills a folder that others see only when it is complete. Two processes may each fill one; the first stays.
func (f *Finder) keep(folder string, fill func(work string) error) (string, error) {
	failed := func(err error) (string, error) {
		return "", &clusters.EnvironmentError{
			Doing: "make epi's programs", Err: err,
			Remedy: "see that the cache folder can be written (--cache-dir DIR gives another one), and that Go and a module proxy can be reached",
		}
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return failed(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(folder), "making-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // removes what a failure left
	if err := os.Chmod(work, 0o755); err != nil {
		return failed(err)
	}
	if err := fill(work); err != nil {
		return failed(err)
	}
	if missing := Missing(work); len(missing) > 0 {
		return failed(fmt.Errorf("%s: not made", strings.Join(missing, ", ")))
	}
	if err := os.Rename(work, folder); err != nil {
		// Another epi was faster, or the existing folder is incomplete.
		if len(Missing(folder)) == 0 {
			return folder, nil
		}
		if err := errors.Join(os.RemoveAll(folder), os.Rename(work, folder)); err != nil {
			return failed(err)
		}
	}
	return folder, nil
}

func (f *Finder) below() string { return filepath.Join(f.Cache, "programs") }

// packedFolder has a name that depends on the content of the archive.
func (f *Finder) packedFolder() string {
	return filepath.Join(f.below(), "packed-"+digest(f.Packed))
}

// builtFolder has a name that depends on everything that decides the programs: the module's version, the compiler's, the
// machine.
func (f *Finder) builtFolder() string {
	return filepath.Join(f.below(), "built-"+digest([]byte(strings.Join([]string{f.Module.Path, f.Module.Version, runtime.Version(), runtime.GOARCH}, "\n"))))
}

// build compiles the programs in a module that requires epi's, because `go install` refuses to compile for another system
// into a chosen folder.
func (f *Finder) build(ctx context.Context, work string, task clusters.Task) error {
	module, err := os.MkdirTemp(f.below(), "module-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(module) }() // it has only go.mod and go.sum
	content := fmt.Sprintf("module programs\n\ngo 1.26.0\n\nrequire %s %s\n", f.Module.Path, f.Module.Version)
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte(content), 0o644); err != nil {
		return err
	}
	compile := command.New("go", "build", "-mod=mod", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o", work+string(filepath.Separator))
	for _, name := range Names() {
		compile.Args = append(compile.Args, f.Module.Path+"/cmd/"+name)
	}
	compile.Dir = module
	// The flags are those of the Makefile, so that packages that the node image's programs share are compiled once. A
	// workspace or flags of another build must not apply.
	compile.Env = []string{"GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH}
	compile.OnLine = func(line string) { task.Detail("%s", line) }
	return compile.Run(ctx)
}
