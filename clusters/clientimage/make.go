package clientimage

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"

	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/internal/command"
)

// folder of a client in its image.
const folder = "client"

func goVersion(ctx context.Context) (string, error) {
	version, err := command.New("go", "env", "GOVERSION").Output(ctx)
	if err != nil {
		return "", errors.New("it is compiled with Go, which is not in the path: install it from https://go.dev/dl")
	}
	return strings.TrimSpace(version), nil
}

// compile compiles main.go as a module of its own, so that no other module's versions count, and packs the program.
func compile(ctx context.Context, client clients.Client, work, file string) error {
	files := client.Files()
	for name, as := range map[string]string{"main.go": "main.go", client.Version + ".mod": "go.mod", client.Version + ".sum": "go.sum"} {
		if err := copyOut(files, name, filepath.Join(work, as)); err != nil {
			return err
		}
	}
	build := command.New("go", "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o", "out/client", ".")
	build.Dir = work
	build.Signal = syscall.SIGINT // the go command then removes its temporary files
	build.Env = []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GOOS=linux", "GOARCH=" + runtime.GOARCH}
	if err := build.Run(ctx); err != nil {
		return fmt.Errorf("compile it: %w", err)
	}
	return pack(work, file, nil, os.DirFS(filepath.Join(work, "out")))
}

// installNPM installs the packages of the lock file and packs them with the program.
func installNPM(ctx context.Context, client clients.Client, work, file string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("its packages are installed with npm, which is not in the path: install Node.js")
	}
	lock, err := fs.ReadFile(client.Files(), client.Version+".lock.json")
	if err != nil {
		return fmt.Errorf("read lock file: %w", err)
	}
	var locked struct {
		Packages map[string]json.RawMessage `json:"packages"`
	}
	if err := json.Unmarshal(lock, &locked); err != nil {
		return fmt.Errorf("read lock file: %w", err)
	}
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("install packages: %w", err)
	}
	// The entry without a name is the lock file's own package.
	for name, content := range map[string][]byte{"package-lock.json": lock, "package.json": locked.Packages[""]} {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return fmt.Errorf("install packages: %w", err)
		}
	}
	install := command.New("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1")
	install.Dir = out
	if err := install.Run(ctx); err != nil {
		return fmt.Errorf("install packages: %w", err)
	}
	return pack(work, file, client.Files(), os.DirFS(out))
}

func copyOut(files fs.FS, name, target string) error {
	content, err := fs.ReadFile(files, name)
	if err == nil {
		err = os.WriteFile(target, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write sources of client: %w", err)
	}
	return nil
}

// pack makes the layer: the client's program, if it needs no build, and the built files. It leaves out owners and times, so
// that the same files make the same layer.
func pack(work, file string, program, made fs.FS) (err error) {
	next := filepath.Join(work, "layer.tar")
	out, err := os.Create(next)
	if err != nil {
		return fmt.Errorf("pack client: %w", err)
	}
	defer func() { _ = out.Close() }() // the first Close is the one that counts
	archive := tar.NewWriter(out)
	err = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755})
	for _, files := range []fs.FS{program, made} {
		if files != nil && err == nil {
			err = packFolder(archive, files)
		}
	}
	if err = errors.Join(err, archive.Close(), out.Close()); err != nil {
		return fmt.Errorf("pack client: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("pack client: %w", err)
	}
	return nil
}

// unread are files that no program reads.
func unread(name string) bool {
	switch path.Ext(name) {
	case ".map", ".md", ".yaml", ".mod", ".sum":
		return true
	}
	return strings.HasSuffix(name, ".d.ts") || strings.HasSuffix(name, ".lock.json")
}

func packFolder(archive *tar.Writer, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." || unread(name) {
			return err
		}
		header := &tar.Header{Name: path.Join(folder, name), Mode: 0o755}
		switch {
		case entry.IsDir():
			header.Typeflag = tar.TypeDir
			header.Name += "/"
			return archive.WriteHeader(header)
		case !entry.Type().IsRegular():
			return nil // npm's links to programs
		}
		file, err := files.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // read only
		info, err := file.Stat()
		if err != nil {
			return err
		}
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = io.Copy(archive, file)
		return err
	})
}

// pythonVersion matches the version in Python packages (PEP 396).
var pythonVersion = regexp.MustCompile(`(?m)^__version__ *= *['"]([0-9][^'"]*)['"]`)

// versionIn reads a version from a file of Python in a tar archive.
func versionIn(archive, name string) (string, error) {
	file, err := os.Open(archive)
	if err != nil {
		return "", fmt.Errorf("find version: %w", err)
	}
	defer func() { _ = file.Close() }() // read only
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("find version: the packages have no %s", name)
		}
		if err != nil {
			return "", fmt.Errorf("find version: %w", err)
		}
		if strings.TrimPrefix(path.Clean("/"+header.Name), "/") != name {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(reader, 1<<20))
		if err != nil {
			return "", fmt.Errorf("find version: %w", err)
		}
		found := pythonVersion.FindSubmatch(text)
		if found == nil {
			return "", fmt.Errorf("find version: %s has none", name)
		}
		return string(found[1]), nil
	}
}
