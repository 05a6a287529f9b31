package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/room"
	"github.com/podidentity/epi/reports"
)

// storage is a folder that epi writes to, with the way to choose another one, such as "another folder with --artifacts".
type storage struct{ dir, instead string }

func artifactsPlace(dir string) storage {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return storage{dir, "another folder with --artifacts"}
}

func statePlace(dirs clusters.Dirs) storage {
	return storage{dirs.State, fmt.Sprintf("another folder with --state-dir, or %s", variableOf("state-dir"))}
}

func cachePlace(dirs clusters.Dirs) storage {
	return storage{dirs.Cache, fmt.Sprintf("another folder with --cache-dir, or %s", variableOf("cache-dir"))}
}

func temporaryPlace() storage { return storage{os.TempDir(), "another folder in TMPDIR"} }

// remedy says what to do about a full or read-only disk, with the reason in words.
func (p storage) remedy(why string) string {
	if strings.Contains(why, "full") || strings.Contains(why, "quota") {
		return fmt.Sprintf("free space there, or give epi %s", p.instead)
	}
	return "give epi " + p.instead
}

// checkRoom refuses to begin if the disk is full or read-only, because results could not be stored.
func (a *app) checkRoom(places ...storage) error {
	for _, p := range places {
		if full, ok := errors.AsType[*room.Error](room.Check(p.dir)); ok {
			return &clusters.EnvironmentError{Doing: "look for room on disks", Err: full, Remedy: p.remedy(full.Why)}
		}
	}
	return nil
}

// lookAtRoom is how often the disks are checked while an environment comes up.
const lookAtRoom = 200 * time.Millisecond

// watchRoom records, until it is stopped, whether a disk of these places was full.
func (a *app) watchRoom(ctx context.Context, places ...storage) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(lookAtRoom)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if full, ok := errors.AsType[*clusters.EnvironmentError](a.checkRoom(places...)); ok {
				a.wasFull.Store(full)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// diskError is the problem of a place that could not be written to.
type diskError struct {
	// path is what could not be written; "" if only a text reports the problem.
	path string
	// why follows the name of a folder, such as "its disk is full".
	why string
}

// diskErrors are the errors of disks, with their texts. Programs that epi calls report them only as text.
var diskErrors = []struct {
	is   syscall.Errno
	text string
	why  string
}{
	{syscall.ENOSPC, "no space left on device", "its disk is full"},
	{syscall.EDQUOT, "disk quota exceeded", "your quota of its disk is used up"},
	{syscall.EROFS, "read-only file system", "its disk is read-only"},
	{syscall.EIO, "input/output error", "its disk is broken"},
}

// findDiskError returns the error of a disk in a chain of errors; nil if there is none.
func findDiskError(err error) *diskError {
	if err == nil {
		return nil
	}
	path := ""
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		path = failed.Path
	} else if failed, ok := errors.AsType[*os.LinkError](err); ok {
		path = failed.New
	}
	for _, known := range diskErrors {
		if errors.Is(err, known.is) {
			return &diskError{path: path, why: known.why}
		}
	}
	text := strings.ToLower(err.Error())
	for _, known := range diskErrors {
		if strings.Contains(text, known.text) {
			return &diskError{why: known.why}
		}
	}
	return nil
}

// remedyForDisk is the remedy for an error of a disk; "" for other errors.
func remedyForDisk(err error, places ...storage) string {
	found := findDiskError(err)
	if found == nil {
		return ""
	}
	for _, p := range places {
		if found.path != "" && (within(found.path, p.dir) || within(p.dir, found.path)) {
			return fmt.Sprintf("%s: %s; %s", p.dir, found.why, p.remedy(found.why))
		}
	}
	if slices.Contains([]string{os.Stdout.Name(), os.Stderr.Name()}, found.path) {
		return fmt.Sprintf("where the output goes, %s; free space there, or send it elsewhere", strings.Replace(found.why, "its", "the", 1))
	}
	if found.path != "" {
		dir := filepath.Dir(found.path)
		return fmt.Sprintf("%s: %s; %s", dir, found.why, storage{dir, "another place"}.remedy(found.why))
	}
	// The text does not name the disk, but a full disk is probably the one.
	for _, p := range places {
		if full, ok := errors.AsType[*room.Error](room.Check(p.dir)); ok {
			return fmt.Sprintf("%s: %s; %s", p.dir, full.Why, p.remedy(full.Why))
		}
	}
	return "free space where the container engine keeps its data (docker info --format '{{.DockerRootDir}}')"
}

// remedyOf is the remedy for an error: for the disk, if that is the problem.
func (a *app) remedyOf(err error) string {
	remedy := ""
	if dirs, dirsErr := a.dirs(); dirsErr == nil {
		remedy = remedyForDisk(err, statePlace(dirs), cachePlace(dirs), temporaryPlace())
		if _, environment := errors.AsType[*clusters.EnvironmentError](err); environment && remedy == "" && clusters.Remedy(err) == "" {
			// Another program may not have mentioned the disk, for example the engine in a node.
			full, ok := errors.AsType[*clusters.EnvironmentError](a.checkRoom(statePlace(dirs), cachePlace(dirs)))
			if !ok {
				// Incomplete files are removed by now, so their space is free again.
				full = a.wasFull.Load()
			}
			if full != nil {
				return fmt.Sprintf("%v; %s", full.Err, full.Remedy)
			}
		}
	}
	return cmp.Or(remedy, clusters.Remedy(err))
}

// unwritten returns a failed write as a problem of the run.
func (a *app) unwritten(doing string, err error, where storage) reports.Problem {
	problem := reports.Problem{Doing: doing, Message: firstOf(err).Error(), Remedy: remedyForDisk(err, where)}
	dir := a.relative(where.dir)
	found := findDiskError(err)
	if full, ok := errors.AsType[*room.Error](err); ok {
		found = &diskError{why: full.Why}
	}
	switch {
	case found != nil:
		problem.Message = fmt.Sprintf("%s: %s", dir, found.why)
		problem.Remedy = where.remedy(found.why)
	case errors.Is(err, errRemoved), errors.Is(err, fs.ErrNotExist) && !fileExists(where.dir):
		problem.Message = fmt.Sprintf("%s was removed", dir)
		problem.Remedy = "run it again, and leave the folder alone meanwhile"
	case errors.Is(err, fs.ErrPermission):
		problem.Remedy = fmt.Sprintf("make %s writable for you, or give epi %s", dir, where.instead)
	}
	return problem
}

// cannotStart is the error of a command that cannot write to the requested place: the user's mistake if the place is wrong,
// and the environment's fault if the disk is full.
func (a *app) cannotStart(doing string, err error, where storage) error {
	if remedy := remedyForDisk(err, where); remedy != "" {
		return &clusters.EnvironmentError{Doing: doing, Err: firstOf(err), Remedy: remedy}
	}
	return usageError("%s: %w", doing, firstOf(err))
}
