package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
)

// buildFlags are those of `make build`, so that everything but the mutant is compiled already.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w"}

// waitDelay is how long the compiler may take to end after it was stopped.
const waitDelay = 5 * time.Second

// Program is the name of the subject's program.
func (s Subject) Program() string { return "epi-" + string(s) }

// Toolchain builds mutants of a repository with its Go toolchain.
type Toolchain struct {
	// Root is the folder of the repository.
	Root string
	// Dir receives a folder for each mutant.
	Dir string
}

// BuildError says that a mutant does not compile, with the compiler's output.
type BuildError struct{ Mutant, Output string }

func (e *BuildError) Error() string {
	return fmt.Sprintf("mutant %s does not compile:\n%s", e.Mutant, e.Output)
}

// Reference builds the unchanged subjects into the folder binaries.
func (b Toolchain) Reference(ctx context.Context, binaries string, subjects []Subject) error {
	output, err := b.compile(ctx, binaries, nil, subjects...)
	if err != nil {
		return fmt.Errorf("build reference: %w\n%s", err, output)
	}
	return nil
}

// Instrumented builds a subject that reports which of its statements are executed (see reach), and returns the folder of
// the program.
func (b Toolchain) Instrumented(ctx context.Context, subject Subject) (string, error) {
	// This builds a copy of the repository, because the compiler does not instrument files of an overlay.
	dir := filepath.Join(b.Dir, "instrumented")
	source := filepath.Join(dir, "source")
	err := copySource(source, b.Root)
	if err == nil {
		err = os.WriteFile(filepath.Join(source, "cmd", subject.Program(), "counters.go"), reach.Source, 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("build instrumented %s: %w", subject.Program(), err)
	}
	// Mutants of the program do not edit what it shares with others.
	packages := "./cmd/" + subject.Program() + ",./clusters/" + string(subject) + "/..."
	output, err := Toolchain{Root: source}.compile(ctx, dir, []string{"-cover", "-covermode=atomic", "-coverpkg=" + packages}, subject)
	if err != nil {
		return "", fmt.Errorf("build instrumented %s: %w\n%s", subject.Program(), err, output)
	}
	return dir, nil
}

// copySource copies the files of a repository that the compiler reads.
func copySource(to, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		hidden := name != "." && strings.ContainsAny(name[:1], "._")
		switch {
		case entry.IsDir() && (hidden || name == "bin"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o644)
	})
}

// Build builds the subject of a mutant, with its edits as an overlay over the unchanged source, and returns the folder of
// the program. If it does not compile, the error is a *BuildError.
func (b Toolchain) Build(ctx context.Context, m Mutant) (string, error) {
	dir := filepath.Join(b.Dir, m.Name)
	edited, err := m.Apply(os.DirFS(b.Root))
	if err != nil {
		return "", err
	}
	overlay, err := b.overlay(dir, edited)
	if err != nil {
		return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	if output, err := b.compile(ctx, dir, []string{"-overlay", overlay}, m.Subject); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); exited && ctx.Err() == nil {
			return "", &BuildError{Mutant: m.Name, Output: output}
		}
		return "", fmt.Errorf("build mutant %s: %w\n%s", m.Name, err, output)
	}
	return dir, nil
}

// Discard removes the folder of a program that Build returned, because a hundred take gigabytes. What cannot be removed now
// is removed with Dir.
func (b Toolchain) Discard(dir string) {
	if dir != "" {
		_ = os.RemoveAll(dir)
	}
}

// overlay writes files, named from the root of the repository, below dir. It returns the file that makes the compiler read
// them in place of the repository's.
func (b Toolchain) overlay(dir string, files map[string][]byte) (string, error) {
	root, err := filepath.Abs(b.Root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range files {
		file := filepath.Join(dir, "source", filepath.FromSlash(name))
		if path.Ext(name) == manifest { // it is not part of the program, but beside it
			file = filepath.Join(dir, filepath.FromSlash(name))
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return "", err
		}
		if path.Ext(name) != manifest {
			replace[filepath.Join(root, filepath.FromSlash(name))] = file
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// compile builds the programs of subjects into dir, with additional flags, and returns the compiler's output.
func (b Toolchain) compile(ctx context.Context, dir string, more []string, subjects ...Subject) (string, error) {
	args := slices.Concat([]string{"build"}, buildFlags, more)
	args = append(args, "-o", dir+string(filepath.Separator))
	for _, subject := range subjects {
		args = append(args, "./cmd/"+subject.Program())
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = b.Root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	command.WaitDelay = waitDelay
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	return strings.TrimSpace(output.String()), err
}
