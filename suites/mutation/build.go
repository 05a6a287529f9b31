package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// buildFlags are those of `make build`, so that whatever a mutant leaves alone is compiled already.
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

// BuildError says that a mutant does not compile, and what the compiler says.
type BuildError struct{ Mutant, Output string }

func (e *BuildError) Error() string {
	return fmt.Sprintf("mutant %s does not compile:\n%s", e.Mutant, e.Output)
}

// Reference builds the subjects as they are into the folder binaries.
func (b Toolchain) Reference(ctx context.Context, binaries string, subjects []Subject) error {
	output, err := b.compile(ctx, binaries, "", subjects...)
	if err != nil {
		return fmt.Errorf("build reference: %w\n%s", err, output)
	}
	return nil
}

// Build builds the subject of a mutant, with its edits laid over the source, which stays as it is,
// and returns the folder of the program. What does not compile is a *BuildError.
func (b Toolchain) Build(ctx context.Context, m Mutant) (string, error) {
	dir := filepath.Join(b.Dir, m.Name)
	overlay, err := b.overlay(m, dir)
	if err != nil {
		return "", err
	}
	if output, err := b.compile(ctx, dir, overlay, m.Subject); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); exited && ctx.Err() == nil {
			return "", &BuildError{Mutant: m.Name, Output: output}
		}
		return "", fmt.Errorf("build mutant %s: %w\n%s", m.Name, err, output)
	}
	return dir, nil
}

// overlay writes the edited files below dir and returns the file that tells the compiler of them.
func (b Toolchain) overlay(m Mutant, dir string) (string, error) {
	root, err := filepath.Abs(b.Root)
	if err != nil {
		return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	edited, err := m.Apply(os.DirFS(root))
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range edited {
		file := filepath.Join(dir, "source", filepath.FromSlash(name))
		if path.Ext(name) == manifest { // no part of the program: it lies beside it
			file = filepath.Join(dir, filepath.FromSlash(name))
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
		}
		if path.Ext(name) != manifest {
			replace[filepath.Join(root, filepath.FromSlash(name))] = file
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, data, 0o644); err != nil {
		return "", fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	return overlay, nil
}

// compile builds the programs of subjects into dir and returns what the compiler said.
func (b Toolchain) compile(ctx context.Context, dir, overlay string, subjects ...Subject) (string, error) {
	args := append([]string{"build"}, buildFlags...)
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
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
