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

// Use is what a process does with an environment.
type Use struct {
	// Verb is the command, such as "up".
	Verb string
	// Makes says that it makes the environment, if need be with the state folder.
	Makes bool
	// Removes says that it removes the environment.
	Removes bool
	// All is the use of every environment and of the engine.
	All bool
}

// InUseError says that another process uses an environment.
type InUseError struct {
	// Name of the environment; empty for all.
	Name string
	// Holders are the processes, the one that began first at the beginning. It is empty if they have
	// just begun or just ended.
	Holders []Holder
}

// Holder is a process that uses an environment.
type Holder struct {
	PID  int
	Verb string
	// Name of the environment; empty for all.
	Name  string
	Since time.Time
	// Changes says that it makes or removes the environment.
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

// Lock keeps others from using the named environment until release is called, or this process ends,
// however it ends. It does not wait: the error is an *EnvironmentError of an *InUseError if others use it.
// The name does not count for a use of all. Two uses of one environment never go together: specs make
// AWS fail on purpose, so two runs of them would disturb each other, and both a measurement.
//
// Locks are files in the state folder; without one there is nothing to lock but for what makes it. A use
// of one environment takes part in the lock of all.
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
	// A use that is refused for its environment's sake has nothing written down in the lock of all.
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
		_ = dirs.RemoveState() // it stays if somebody uses it
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

// removeStaleLocks removes the locks of environments that nobody holds: their holders were killed. The caller
// holds the lock of all, so nobody takes one meanwhile.
func removeStaleLocks(dirs Dirs) {
	folder := filepath.Join(dirs.State, locksFolder)
	entries, err := os.ReadDir(folder)
	if err != nil || checkLock(filepath.Join(folder, "any")) != nil {
		return // there are none of epi's
	}
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), ".lock")
		if !is || CheckName(name) != nil || !entry.Type().IsRegular() {
			continue
		}
		if lock, err := lockfile.Try(filepath.Join(folder, entry.Name()), true, ""); err == nil {
			lock.Release() // which removes it
		}
	}
}

// entry is what a lock reports the use of the named environment.
func (u Use) entry(name string) string {
	return fmt.Sprintf("%s %s %t %d", strings.ReplaceAll(u.Verb, " ", "_"), cmp.Or(name, "-"), u.Makes || u.Removes, time.Now().Unix())
}

// checkLock says what at the place of a lock is not epi's: a lock is emptied when it is taken and removed in the end, so
// no link is followed to one. The state folder itself is the user's choice and may be reached through links.
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

// take takes a lock for a use, alone or beside others. It returns nil where a disk that is full or may not be
// written to keeps what removes things from locking: nobody makes anything there meanwhile.
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
