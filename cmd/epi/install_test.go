package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	modules "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// A user installs epi with `go install` and has no repository. A module proxy of files serves this tree as a version of the
// module. Other modules come from the configured proxy.
func TestAnInstalledEpiBuildsItsPrograms(t *testing.T) {
	if os.Getenv("EPI_TEST_INSTALL") == "" {
		t.Skip("compiles epi and its programs a second time, about two minutes of processor time: set EPI_TEST_INSTALL=1")
	}
	// Each run has its own version, because the module cache keeps versions.
	version := fmt.Sprintf("v0.0.1-test.%d", time.Now().UnixNano())
	folder := t.TempDir()
	configured := strings.Fields(output(t, folder, nil, "go", "env", "GOPROXY", "GOMODCACHE"))
	t.Cleanup(func() {
		for _, kept := range []string{"github.com/podidentity/epi@" + version, "cache/download/github.com/podidentity/epi/@v/" + version + ".*"} {
			names, err := filepath.Glob(filepath.Join(configured[1], filepath.FromSlash(kept)))
			if err != nil {
				t.Error(err)
			}
			for _, name := range names {
				if err := os.RemoveAll(name); err != nil {
					t.Error(err)
				}
			}
		}
	})
	environment := []string{
		"GOPROXY=file://" + filepath.ToSlash(moduleProxy(t, version)) + "," + configured[0],
		"GONOSUMDB=github.com/podidentity/epi", "GOBIN=" + folder, "GOFLAGS=-modcacherw", "GOWORK=off",
	}
	output(t, folder, environment, "go", "install", "-trimpath", "-gcflags=all=-dwarf=false", "github.com/podidentity/epi/cmd/epi@"+version)
	epi := filepath.Join(folder, "epi")
	if said := output(t, folder, environment, epi, "version"); !strings.Contains(said, version) {
		t.Errorf("epi version: %s", said)
	}
	cache := filepath.Join(folder, "cache")
	said := output(t, folder, environment, epi, "images", "--file", "images.tar", "--cache-dir", cache)
	for _, image := range []string{"localhost/epi-agent:", "localhost/epi-webhook:", "localhost/epi-emulator:", "localhost/epi-probe:"} {
		if !strings.Contains(said, image) {
			t.Errorf("epi images does not name %s: %s", image, said)
		}
	}
	// The second run builds nothing: the go command is not in PATH.
	again := output(t, folder, append(environment, "PATH="), epi, "images", "--file", "again.tar", "--cache-dir", cache)
	if again == "" || !bytes.Equal(content(t, filepath.Join(folder, "images.tar")), content(t, filepath.Join(folder, "again.tar"))) {
		t.Errorf("the second archive differs: %s", again)
	}
}

// moduleProxy is a folder that a module proxy's client reads (go.dev/ref/mod#goproxy-protocol).
func moduleProxy(t *testing.T, version string) string {
	t.Helper()
	proxy := t.TempDir()
	versions := filepath.Join(proxy, "github.com", "podidentity", "epi", "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []zip.File
	for _, name := range strings.Split(output(t, "../..", nil, "git", "ls-files", "-z"), "\x00") {
		if name != "" {
			files = append(files, treeFile(name))
		}
	}
	archive, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.Create(archive, modules.Version{Path: "github.com/podidentity/epi", Version: version}, files); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		version + ".mod":  content(t, "../../go.mod"),
		version + ".info": []byte(`{"Version":"` + version + `"}`),
		"list":            []byte(version + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(versions, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proxy
}

// treeFile is a file of this tree, below the module's root.
type treeFile string

func (f treeFile) Path() string                 { return string(f) }
func (f treeFile) Lstat() (os.FileInfo, error)  { return os.Lstat(filepath.Join("../..", string(f))) }
func (f treeFile) Open() (io.ReadCloser, error) { return os.Open(filepath.Join("../..", string(f))) }

func content(t *testing.T, name string) []byte {
	t.Helper()
	read, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// output is the output of a program that must succeed. The last of several variables of one name counts.
func output(t *testing.T, folder string, environment []string, program string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Dir, command.Env = folder, append(os.Environ(), environment...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(arguments, " "), err, printed, stderr.Bytes())
	}
	return string(printed)
}
