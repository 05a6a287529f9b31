package detached

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A program that runs on keeps none of the files that this process inherited. One example is the lock of `flock FILE epi
// up`, which would be held until the engine ends.
func TestStartKeepsInheritedFilesBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	fd, err := syscall.Open(file, syscall.O_CREAT|syscall.O_RDWR, 0o600) // without O_CLOEXEC, as an inherited one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	for _, row := range []struct {
		name  string
		start func(*exec.Cmd) error
		gets  bool
	}{
		{"any other program", (*exec.Cmd).Start, true},
		{"one that outlives this", Start, false},
	} {
		var out bytes.Buffer
		command := exec.Command("ls", "-l", "/proc/self/fd")
		command.Stdout, command.Stderr = &out, os.Stderr
		if err := row.start(command); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), file); got != row.gets {
			t.Errorf("%s gets the file: %t, want %t:\n%s", row.name, got, row.gets, out.String())
		}
	}
}
