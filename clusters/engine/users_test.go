package engine

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
)

// installClient makes a path with nothing but a shell script under the name of a client.
func installClient(t *testing.T, name, script string) (calls func() []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	content := "#!/bin/sh\necho \"$*\" >>" + log + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		data, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
}

func wrapper(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "epi-runc")
	if err := os.WriteFile(file, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestProbeRunsPrivilegedAndRemovesItsImage(t *testing.T) {
	dir := t.TempDir()
	calls := installClient(t, "docker", `
case "$1" in
import) cat >`+dir+`/archive; echo sha256:abc ;;
esac
`)
	e := &Engine{Name: "docker"}
	if err := e.probe(t.Context(), wrapper(t)); err != nil {
		t.Fatal(err)
	}
	got := calls()
	if want := "run --rm --privileged --network none sha256:abc /epi-runc true"; got[1] != want {
		t.Errorf("ran %q, want %q", got[1], want)
	}
	if want := "rmi --force sha256:abc"; got[len(got)-1] != want {
		t.Errorf("last was %q, want %q", got[len(got)-1], want)
	}
	archive, err := os.Open(filepath.Join(dir, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	reader := tar.NewReader(archive)
	header, err := reader.Next()
	if err != nil || header.Name != "epi-runc" || header.Mode != 0o755 {
		t.Fatalf("archive holds %+v, %v", header, err)
	}
	if content, err := io.ReadAll(reader); err != nil || !bytes.Equal(content, []byte("program")) {
		t.Errorf("program %q, %v", content, err)
	}
}

func TestProbeReportsWhatTheEngineSaid(t *testing.T) {
	calls := installClient(t, "docker", `
case "$1" in
import) echo sha256:abc ;;
run) echo "unable to apply caps: operation not permitted" >&2; exit 126 ;;
esac
`)
	err := (&Engine{Name: "docker"}).probe(t.Context(), wrapper(t))
	failure, ok := errors.AsType[*command.Error](err)
	if !ok || failure.ExitCode != 126 || !strings.Contains(err.Error(), "unable to apply caps") {
		t.Errorf("error %v", err)
	}
	if got := calls(); !strings.HasPrefix(got[len(got)-1], "rmi") {
		t.Errorf("leaves its image: %q", got)
	}
}

func TestFindTakesTheUsersEngineThatAnswers(t *testing.T) {
	installClient(t, "podman", "echo 5.4.0\n")
	installClient(t, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1\n")
	found, err := Find(t.Context(), Options{Dirs: clusters.Dirs{State: t.TempDir()}})
	if err != nil || found == nil {
		t.Fatalf("found %v, %v", found, err)
	}
	if found.Name != "podman" || found.Version != "5.4.0" || found.Private || found.Env() != nil {
		t.Errorf("found %+v", found)
	}
}

func TestHasImageDistinguishesAbsentFromUnreachable(t *testing.T) {
	tests := []struct {
		name, script string
		has, fails   bool
	}{
		{name: "there", script: `echo sha256:abc`, has: true},
		{name: "not there", script: `[ "$1" = version ] && echo 28.2.2 && exit; echo "No such image" >&2; exit 1`},
		{name: "no engine", script: `echo "Cannot connect to the Docker daemon" >&2; exit 1`, fails: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			installClient(t, "docker", test.script+"\n")
			has, err := (&Engine{Name: "docker"}).HasImage(t.Context(), "x:1")
			if has != test.has || (err != nil) != test.fails {
				t.Errorf("has %v, error %v; want %v, %v", has, err, test.has, test.fails)
			}
		})
	}
}

func TestEnvironmentOfAPrivateEngineHidesTheUsersSettings(t *testing.T) {
	calls := installClient(t, "docker", `echo "$DOCKER_HOST|$DOCKER_TLS_VERIFY|$DOCKER_CERT_PATH"`)
	t.Setenv("DOCKER_HOST", "tcp://elsewhere:2376")
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	t.Setenv("DOCKER_CERT_PATH", "/certs")
	e := &Engine{Name: "docker", Host: "unix:///x.sock", Private: true}
	output, err := e.Output(t.Context(), "ps")
	if err != nil || strings.TrimSpace(output) != "unix:///x.sock||" {
		t.Errorf("client saw %q, %v", output, err)
	}
	if got := calls(); len(got) != 1 || got[0] != "ps" {
		t.Errorf("calls %q", got)
	}
}

func TestEnsureSaysWhatToDoWithoutAnyEngine(t *testing.T) {
	// Without apt-get in the path nothing can be installed, for any user.
	t.Setenv("PATH", t.TempDir())
	_, err := Ensure(t.Context(), Options{Dirs: clusters.Dirs{State: t.TempDir()}, RuntimeWrapper: wrapper(t)}, silent{})
	if clusters.Remedy(err) == "" {
		t.Errorf("error %v has no remedy", err)
	}
}

type silent struct{}

func (silent) Start(string) clusters.Task { return silent{} }
func (silent) Detail(string, ...any)      {}
func (silent) End(error)                  {}
