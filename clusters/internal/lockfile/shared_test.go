package lockfile

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestMain makes the test binary run as another process that holds a lock until its input ends.
func TestMain(m *testing.M) {
	file := os.Getenv("LOCKFILE_TEST")
	if file == "" {
		os.Exit(m.Run())
	}
	lock, err := Try(file, os.Getenv("LOCKFILE_ALONE") == "true", "somebody else")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	lock.Release()
}

// other starts a process that holds the lock. end ends it by a signal or normally.
func other(t *testing.T, file string, alone bool) (pid int, end func(force bool)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LOCKFILE_TEST="+file, fmt.Sprintf("LOCKFILE_ALONE=%t", alone))
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd.Process.Pid, func(force bool) {
		if force {
			_ = cmd.Process.Kill()
		}
		_ = input.Close()
		_ = cmd.Wait() // killed or not
	}
}

func TestTryReportsWhoHoldsIt(t *testing.T) {
	for _, row := range []struct{ theirs, mine, free bool }{
		{theirs: true, mine: true}, {theirs: true, mine: false}, {theirs: false, mine: true}, {theirs: false, mine: false, free: true},
	} {
		file := filepath.Join(t.TempDir(), "lock")
		pid, end := other(t, file, row.theirs)
		lock, err := Try(file, row.mine, "me")
		if row.free {
			if err != nil {
				t.Errorf("%+v: %v", row, err)
			} else {
				lock.Release()
			}
			end(false)
			continue
		}
		held, ok := errors.AsType[*HeldError](err)
		if !ok || len(held.By) != 1 || held.By[0] != (Holder{PID: pid, Text: "somebody else"}) {
			t.Errorf("%+v: error %v, want process %d", row, err, pid)
		}
		end(false)
	}
}

func TestACrashedHolderHoldsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	_, end := other(t, file, true)
	end(true)
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("a process that is killed removes nothing: %v", err)
	}
	lock, err := Try(file, true, "me")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(data), "somebody else") || !strings.Contains(string(data), "me") {
		t.Errorf("%q, %v", data, err)
	}
	lock.Release()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stays: %v", err)
	}
}

// TestNeverTwoAlone: lock files are created and removed all the time, and two processes never hold one at the same time.
func TestNeverTwoAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locks", "lock")
	var inside, most, taken atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				lock, err := Try(file, true, "me")
				if _, held := errors.AsType[*HeldError](err); held {
					continue
				}
				if err != nil && !errors.Is(err, os.ErrNotExist) { // the folder may be removed in between
					t.Error(err)
					return
				}
				if err != nil {
					continue
				}
				taken.Add(1)
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				lock.Release()
			}
		})
	}
	group.Wait()
	if most.Load() != 1 || taken.Load() == 0 {
		t.Errorf("%d held it at once, %d times in all", most.Load(), taken.Load())
	}
}

func TestALockThatIsALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "precious")
	if err := errors.Join(os.WriteFile(target, []byte("x"), 0o600), os.Symlink(target, filepath.Join(dir, "lock"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Try(filepath.Join(dir, "lock"), true, "me"); err == nil {
		t.Error("it is")
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}
