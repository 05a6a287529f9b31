package clusters

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/clusters/internal/lockfile"
)

// Use is a process's use of an environment.
type Use struct {
	// Verb is the command, such as "up".
	Verb string
	// Makes says that it creates the environment, and the state folder if necessary.
	Makes bool
	// Removes says that it removes the environment.
	Removes bool
	// All is the use of all environments and of the engine.
	All bool
}

// InUseError says that another process uses an environment.
type InUseError struct {
	// Name of the environment; empty for all.
	Name string
	// Holders are the processes, the earliest first. It is empty if they have just begun or just ended.
	Holders []Holder
}

// Holder is a process that uses an environment.
type Holder struct {
	PID  int
	Verb string
	// Name of the environment; empty for all.
	Name  string
	Since time.Time
	// Changes says that it creates or removes the environment.
	Changes bool
}

func (h Holder) String() string {
	what := "epi " + h.Verb
	if h.Name != "" {
		what += " --name " + h.Name
	}
	return fmt.Sprintf("process %d (%s) since %s", h.PID, what, h.Since.Local().Format(time.TimeOnly))
}

func (e *InUseError) Error() string {
	what := "the environments of this machine are"
	if e.Name != "" {
		what = fmt.Sprintf("environment %q is", e.Name)
	}
	if len(e.Holders) == 0 {
		return what + " in use by another epi"
	}
	var holders []string
	for _, holder := range e.Holders {
		holders = append(holders, holder.String())
	}
	return what + " in use by " + strings.Join(holders, ", ")
}

// Lock keeps others from using the named environment until release is called or this process ends in any way. It does not
// wait. If others use the environment, the error is an *EnvironmentError of an *InUseError. The name does not count for a
// use of all. Two uses of one environment are never possible: specs make AWS fail on purpose, so two runs would disturb
// each other, and any measurement.
//
// Locks are files in the state folder. Without that folder only a use that creates it takes a lock. A use of one
// environment shares the lock of all.
func Lock(dirs Dirs, name string, use Use) (release func(), err error) {
	if use.All {
		name = ""
	} else if err := CheckName(name); err != nil {
		return nil, err
	}
	if use.Makes {
		err = dirs.MakeState()
	} else if _, statErr := os.Stat(dirs.State); errors.Is(statErr, fs.ErrNotExist) {
		return func() {}, nil
	} else {
		err = dirs.CheckState()
	}
	if err != nil {
		return nil, err
	}
	entry := use.entry(name)
	// A use that is refused because of its environment leaves no line in the lock of all.
	first := entry
	if !use.All {
		first = ""
	}
	all, err := take(filepath.Join(dirs.State, stateLock), name, use, use.All, first)
	if err != nil {
		return nil, err
	}
	if all == nil { // see take
		return func() {}, nil
	}
	releaseAll := func() {
		if use.All {
			removeStaleLocks(dirs)
		}
		all.Release()
		_ = dirs.RemoveState() // it stays if it is in use
	}
	if use.All {
		return releaseAll, nil
	}
	one, err := take(filepath.Join(dirs.State, locksFolder, name+".lock"), name, use, true, entry)
	if err != nil {
		releaseAll()
		return nil, err
	}
	release = func() {
		if one != nil {
			one.Release()
		}
		releaseAll()
	}
	if err := all.Write(entry); err != nil {
		release()
		return nil, cannotKeepState(dirs.State, err)
	}
	return release, nil
}

// removeStaleLocks removes the locks of environments without a holder, whose holders were killed. The caller holds the lock
// of all, so no process takes one meanwhile.
func removeStaleLocks(dirs Dirs) {
	folder := filepath.Join(dirs.State, locksFolder)
	entries, err := os.ReadDir(folder)
	if err != nil || checkLock(filepath.Join(folder, "any")) != nil {
		return // none of them is epi's
	}
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), ".lock")
		if !is || CheckName(name) != nil || !entry.Type().IsRegular() {
			continue
		}
		if lock, err := lockfile.Try(filepath.Join(folder, entry.Name()), true, ""); err == nil {
			lock.Release() // which removes the file
		}
	}
}

// entry is the line in a lock about the use of the named environment.
func (u Use) entry(name string) string {
	return fmt.Sprintf("%s %s %t %d", strings.ReplaceAll(u.Verb, " ", "_"), cmp.Or(name, "-"), u.Makes || u.Removes, time.Now().Unix())
}

// checkLock returns the reason why a file at the place of a lock is not epi's. A lock's file is emptied when it is taken
// and removed at the end, so links to it are not followed. The state folder itself is the user's choice and may be reached
// through links.
func checkLock(file string) error {
	if folder := filepath.Dir(file); filepath.Base(folder) == locksFolder {
		if info, err := os.Lstat(folder); err == nil && !info.IsDir() {
			return &ForeignError{Path: folder, Why: "it is not a folder"}
		}
	}
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		return &ForeignError{Path: file, Why: "it is not a file"}
	}
	return nil
}

// take takes a lock for a use, alone or shared. It returns nil if a full or read-only disk prevents the lock of a use that
// removes something: on such a disk no process creates anything.
func take(file, name string, use Use, alone bool, entry string) (*lockfile.Lock, error) {
	if err := checkLock(file); err != nil {
		return nil, foreign("epi "+use.Verb, err)
	}
	lock, err := lockfile.Try(file, alone, entry)
	held, busy := errors.AsType[*lockfile.HeldError](err)
	if !busy {
		if use.Removes && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)) {
			return nil, nil
		}
		if err != nil {
			return nil, cannotKeepState(filepath.Dir(file), err)
		}
		return lock, nil
	}
	inUse := &InUseError{Name: name}
	for _, by := range held.By {
		holder := Holder{PID: by.PID}
		var seconds int64
		if _, err := fmt.Sscanf(by.Text, "%s %s %t %d", &holder.Verb, &holder.Name, &holder.Changes, &seconds); err == nil {
			holder.Verb = strings.ReplaceAll(holder.Verb, "_", " ")
			holder.Name = strings.TrimPrefix(holder.Name, "-")
			holder.Since = time.Unix(seconds, 0)
			inUse.Holders = append(inUse.Holders, holder)
		}
	}
	remedy := "wait until it ends"
	if len(inUse.Holders) > 0 {
		remedy += fmt.Sprintf(", or stop it with: kill %d", inUse.Holders[0].PID)
	}
	return nil, &EnvironmentError{Doing: "epi " + use.Verb, Err: inUse, Remedy: remedy}
}
