package clienttest

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// MinIOVersion is the version of minio-go whose functional tests are run. Its modules are not among epi's own. They are
// pinned in a nested module, whose go.mod is stored under the version's name, since a file go.mod in this folder would end
// epi's module.
const MinIOVersion = "v7.4.1"

const minioModule = "github.com/minio/minio-go/v7"

//go:embed all:_miniogo
var minioSources embed.FS

// BuildMinIOTests compiles minio-go's functional tests, a program, into a folder and returns its path. It needs Go and the
// module proxy, or the modules in the module cache. Texts of the source are replaced: old, new, old, new.
func BuildMinIOTests(ctx context.Context, folder string, replace ...string) (program string, err error) {
	for _, name := range []string{"mod", "sum"} {
		content, err := minioSources.ReadFile("_miniogo/" + MinIOVersion + "." + name)
		if err != nil {
			return "", fmt.Errorf("build tests of minio-go: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, "go."+name), content, 0o644); err != nil {
			return "", fmt.Errorf("build tests of minio-go: %w", err)
		}
	}
	run := func(args ...string) (string, error) {
		command := exec.CommandContext(ctx, "go", args...)
		command.Dir = folder
		// A workspace or flags of epi's own build must not apply here.
		command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
		var stderr bytes.Buffer
		command.Stderr = &stderr
		output, err := command.Output()
		if err != nil {
			return "", fmt.Errorf("build tests of minio-go %s: go %s: %w\n%s", MinIOVersion, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
		}
		return strings.TrimSpace(string(output)), nil
	}
	if _, err := run("mod", "download", minioModule); err != nil {
		return "", err
	}
	module, err := run("list", "-m", "-f", "{{.Dir}}", minioModule)
	if err != nil {
		return "", err
	}
	// The file is a program beside the package, so every build ignores it.
	source, err := os.ReadFile(filepath.Join(module, "functional_tests.go"))
	if err != nil {
		return "", fmt.Errorf("build tests of minio-go: %w", err)
	}
	text := strings.NewReplacer(append([]string{"//go:build mint\n", ""}, replace...)...).Replace(string(source))
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("build tests of minio-go: %w", err)
	}
	program = filepath.Join(folder, "functional")
	if _, err := run("build", "-trimpath", "-buildvcs=false", "-o", program, "."); err != nil {
		return "", err
	}
	return program, nil
}
