package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/reports"
)

// TestARunThatCannotBeRecordedEnds: it ends at once, and reports its disk once, with a remedy.
func TestARunThatCannotBeRecordedEnds(t *testing.T) {
	for name, row := range map[string]struct {
		// damage makes the next write of the record fail.
		damage func(t *testing.T, s *session, small string)
		says   []string
	}{
		"a full disk": {damage: func(t *testing.T, _ *session, small string) { fillDisk(t, small) }, says: []string{"its disk is full", "--artifacts"}},
		"a read-only disk": {damage: func(t *testing.T, _ *session, small string) {
			if err := syscall.Mount("", small, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
		}, says: []string{"its disk is read-only", "--artifacts"}},
		"a folder that is removed": {damage: func(t *testing.T, s *session, _ string) {
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
		}, says: []string{"was removed"}},
		"a quota": {damage: func(_ *testing.T, s *session, _ string) {
			s.keep(fmt.Errorf("write results.json: %w", &fs.PathError{Op: "write", Path: filepath.Join(s.dir, "results.json"), Err: syscall.EDQUOT}))
		}, says: []string{"your quota of its disk is used up", "--artifacts"}},
	} {
		for _, output := range []string{"text", "json"} {
			t.Run(name+", "+output, func(t *testing.T) {
				small := smallDisk(t, "32m")
				var out, errs bytes.Buffer
				a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
				a.output = output
				session, err := a.newSession(&cobra.Command{}, filepath.Join(small, "runs"), nil)
				if err != nil {
					t.Fatal(err)
				}
				ctx := session.bound(t.Context())
				session.spec(reports.Spec{Suite: "agent", Name: "one", Outcome: reports.Pass})
				if ctx.Err() != nil {
					t.Fatalf("it ends before its time: %v", context.Cause(ctx))
				}
				row.damage(t, session, small)
				for i := range 50 {
					session.spec(reports.Spec{Suite: "agent", Name: fmt.Sprint("later ", i), Outcome: reports.Pass})
				}
				if ctx.Err() == nil {
					t.Error("the run goes on")
				}
				session.problem("run suites", fmt.Errorf("list nodes: %w", ctx.Err()))
				err = session.finish(t.Context())
				if code := exitCode(t.Context(), err); code != exitEnvironment {
					t.Errorf("exit code %d: %v", code, err)
				}
				for _, text := range row.says { // as the problem of the run, and in the verdict
					if n := strings.Count(strings.Join(strings.Fields(out.String()), " "), text); n < 1 || n > 2 {
						t.Errorf("it says %q %d times:\n%s", text, n, out.String())
					}
				}
				if strings.Contains(out.String()+errs.String(), "list nodes") {
					t.Errorf("what follows from it is reported:\n%s%s", out.String(), errs.String())
				}
				if lines := strings.Count(out.String()+errs.String(), "\n"); output == "text" && lines > 18 {
					t.Errorf("%d lines:\n%s%s", lines, out.String(), errs.String())
				}
			})
		}
	}
}

// TestARunEndsAlsoWhereNothingIsRecordedForLong: for example during a scenario, or while a cluster comes up.
func TestARunEndsAlsoWhereNothingIsRecordedForLong(t *testing.T) {
	for says, damage := range map[string]func(t *testing.T, s *session, small string){
		"its disk is full": func(t *testing.T, _ *session, small string) { fillDisk(t, small) },
		"was removed": func(t *testing.T, s *session, _ string) {
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
		},
		"runs/": func(t *testing.T, s *session, _ string) { // a write meanwhile creates it again
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
			s.keep(&fs.PathError{Op: "open", Path: filepath.Join(s.dir, "results.json"), Err: fs.ErrNotExist})
			if err := os.MkdirAll(filepath.Join(s.dir, "specs"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		small := smallDisk(t, "32m")
		var out, errs bytes.Buffer
		a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
		session, err := a.newSession(&cobra.Command{}, filepath.Join(small, "runs"), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx := session.bound(t.Context())
		damage(t, session, small)
		<-ctx.Done()
		session.logs(t.Context(), &clusters.Environment{}) // creates no folder that is not recorded
		code, text := exitCode(t.Context(), session.finish(t.Context())), strings.Join(strings.Fields(out.String()), " ")
		if code != exitEnvironment || !strings.Contains(text, says) || says == "runs/" && !strings.Contains(text, "was removed") {
			t.Errorf("%s: exit code %d:\n%s%s", says, code, &out, &errs)
		}
	}
}

// TestAFullDiskIsReportedBeforeMinutesGoIntoAnEnvironment: for each of epi's folders.
func TestAFullDiskIsReportedBeforeMinutesGoIntoAnEnvironment(t *testing.T) {
	t.Setenv("PATH", "") // no container engine
	full := smallDisk(t, "64k")
	readOnly := smallDisk(t, "64m")
	if err := syscall.Mount("", readOnly, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, disk := range []struct{ dir, says string }{{full, "its disk is full"}, {readOnly, "its disk is read-only"}} {
		for _, row := range []struct {
			args []string
			flag string
		}{
			{args: []string{"run"}, flag: "--artifacts"},
			{args: []string{"run"}, flag: "--state-dir"},
			{args: []string{"run"}, flag: "--cache-dir"},
			{args: []string{"up"}, flag: "--state-dir"},
			{args: []string{"up"}, flag: "--cache-dir"},
			{args: []string{"bench", "--url", "http://127.0.0.1:9/"}, flag: "--artifacts"},
		} {
			args := append([]string{"--color", "never"}, row.args...)
			variables := map[string]string{"EPI_STATE_DIR": filepath.Join(dir, "state"), "EPI_CACHE_DIR": filepath.Join(dir, "cache")}
			code, stderr := perform(t, variables, append(args, row.flag, filepath.Join(disk.dir, "below", "epi")))
			if code != exitEnvironment {
				t.Errorf("%q %s: exit code %d", row.args, row.flag, code)
			}
			for _, text := range []string{disk.says, row.flag, disk.dir} {
				if !strings.Contains(stderr, text) {
					t.Errorf("%q %s: lacks %q:\n%s", row.args, row.flag, text, stderr)
				}
			}
			if lines := strings.Count(stderr, "\n"); lines > 2 {
				t.Errorf("%q %s: %d lines:\n%s", row.args, row.flag, lines, stderr)
			}
			if entries, err := os.ReadDir(disk.dir); err != nil || len(entries) > 0 {
				t.Errorf("%q %s: it leaves %v, %v", row.args, row.flag, entries, err)
			}
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it leaves %v, %v", entries, err)
	}
}

// TestAProblemOfARunReportsTheFullDiskOfItsState: from the error's own text or, if that does not mention it, as when a node
// does not start, from the disk.
func TestAProblemOfARunReportsTheFullDiskOfItsState(t *testing.T) {
	small := smallDisk(t, "32m")
	var out, errs bytes.Buffer
	variables := map[string]string{"XDG_STATE_HOME": small, "XDG_CACHE_HOME": t.TempDir()}
	a := newApp(&out, &errs, func(key string) (string, bool) { value, ok := variables[key]; return value, ok })
	silent := &clusters.EnvironmentError{Doing: "create cluster", Err: errors.New("command docker run failed: exit status 125")}
	if remedy := a.remedyOf(silent); remedy != "" {
		t.Errorf("with room on the disk: %q", remedy)
	}
	fillDisk(t, small)
	for _, err := range []error{silent, errors.New("docker: mkdir /x: no space left on device")} {
		if remedy := a.remedyOf(err); !strings.Contains(remedy, "its disk is full") || !strings.Contains(remedy, "--state-dir") {
			t.Errorf("%v: %q", err, remedy)
		}
	}
	// Incomplete files are removed, so there is space again when the error is reported.
	stop := a.watchRoom(t.Context(), storage{small, "another folder with --state-dir"})
	for a.wasFull.Load() == nil {
		runtime.Gosched()
	}
	stop()
	if err := os.Remove(filepath.Join(small, "rest")); err != nil {
		t.Fatal(err)
	}
	if remedy := a.remedyOf(silent); !strings.Contains(remedy, "its disk is full") || !strings.Contains(remedy, "--state-dir") {
		t.Errorf("after it was full: %q", remedy)
	}
	if remedy := a.remedyOf(&clusters.EnvironmentError{Doing: "x", Err: errors.New("y"), Remedy: "its own"}); remedy != "its own" {
		t.Errorf("of another cause: %q", remedy)
	}
}

// TestErrorsOfDisksGetARemedy: also those that only a program's text reports.
func TestErrorsOfDisksGetARemedy(t *testing.T) {
	dir := t.TempDir()
	dirs := clusters.Dirs{State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}
	at := func(path string, err error) error {
		return &clusters.EnvironmentError{Doing: "prepare images", Remedy: "of another cause", Err: &fs.PathError{Op: "write", Path: path, Err: err}}
	}
	for _, row := range []struct {
		err  error
		says []string
	}{
		{at(dirs.State+"/clusters/epi/agent.tar", syscall.ENOSPC), []string{dirs.State, "is full", "--state-dir", "EPI_STATE_DIR"}},
		{at(dirs.Cache+"/nodeimage/x", syscall.EDQUOT), []string{dirs.Cache, "quota", "--cache-dir", "EPI_CACHE_DIR"}},
		{at(dirs.Cache, syscall.EIO), []string{dirs.Cache, "broken", "--cache-dir"}},
		{at(filepath.Join(os.TempDir(), "epi-load-1/x"), syscall.ENOSPC), []string{os.TempDir(), "is full", "TMPDIR"}},
		{at("/elsewhere/images.tar", syscall.ENOSPC), []string{"/elsewhere", "is full", "another place"}},
		{&fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, []string{"where the output goes, the disk is full"}},
		{&os.LinkError{Op: "rename", Old: "/a", New: dirs.State + "/b", Err: syscall.ENOSPC}, []string{dirs.State, "--state-dir"}},
		{errors.New("docker load: exit status 1\nError processing tar file: write /usr/bin/x: no space left on device"), []string{"container engine", "docker info"}},
		{errors.New("apt-get: E: Write error - write (122: Disk quota exceeded)"), []string{"free space"}},
	} {
		remedy := remedyForDisk(row.err, statePlace(dirs), cachePlace(dirs), temporaryPlace())
		for _, text := range row.says {
			if !strings.Contains(remedy, text) {
				t.Errorf("%v: lacks %q: %q", row.err, text, remedy)
			}
		}
	}
	for _, err := range []error{nil, errors.New("out of luck"), at(dirs.State, syscall.EACCES), at(dirs.State, syscall.ENOENT)} {
		if remedy := remedyForDisk(err, statePlace(dirs)); remedy != "" {
			t.Errorf("%v: %q", err, remedy)
		}
	}
}

// smallDisk mounts a file system of a size, such as "64k", for the time of the test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("this machine mounts no tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk fills a small disk.
func fillDisk(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "rest"), make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("it is not full: %v", err)
	}
}
