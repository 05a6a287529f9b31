// Package identities knows which service accounts have an EKS Pod Identity association: those that the
// container-credentials config file lists,
//
//	{"identities":[{"namespace":"a","serviceAccount":"b"}]}
//
// and follows the file, whether it is written in place, renamed into place, or part of a ConfigMap volume. Upstream's
// watcher does not notice the last kind of change.
package identities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long a folder must have no events before the file is read.
	quiet = 50 * time.Millisecond
	// patience is the longest wait for that. A folder that always has events must not hide a change.
	patience = 500 * time.Millisecond
	// emptyAge is the age from which an empty file counts. A file that is written in place is empty for a moment, which
	// would mean that no service account has an association.
	emptyAge = 600 * time.Millisecond
	// recheck is how often the file is read without an event, because some file systems have no events.
	recheck = 5 * time.Second
	// volumeLink is the link that the kubelet swaps to replace all files of a volume in one step.
	volumeLink = "..data"
)

// Identity is a service account.
type Identity struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// File is the list that a config file holds. It is safe for concurrent use.
type File struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[map[Identity]struct{}]
	// content is the last content that was read, valid or not. Load and Watch use it one after the other.
	content *string
}

// New makes an empty list. Load and Watch fill it.
func New(path string, log *slog.Logger) *File { return &File{path: path, log: log} }

// Has reports whether the service account has an association.
func (f *File) Has(namespace, serviceAccount string) bool {
	list := f.current.Load()
	if list == nil {
		return false
	}
	_, ok := (*list)[Identity{namespace, serviceAccount}]
	return ok
}

// Len is the number of service accounts.
func (f *File) Len() int {
	if list := f.current.Load(); list != nil {
		return len(*list)
	}
	return 0
}

// Ready says whether the file was read. A missing file counts as empty, and a malformed one counts as not read.
func (f *File) Ready() bool { return f.current.Load() != nil }

// Load reads the file once, before it is watched.
func (f *File) Load() { f.read() }

// Watch reads the file and follows it until ctx ends. Its folder must exist.
func (f *File) Watch(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch container credentials config: %w", err)
	}
	defer func() { _ = watcher.Close() }() // nothing is left to be lost
	if err := watcher.Add(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("watch folder %s of container credentials config (it must be there at the start): %w", filepath.Dir(f.path), err)
	}
	// The file is read after the watch began, so that no change is missed.
	settled := time.NewTimer(f.read())
	defer settled.Stop()
	var unread time.Time // the time of the first event since the file was read
	postpone := func() {
		if unread.IsZero() {
			unread = time.Now()
		}
		settled.Reset(max(0, min(quiet, patience-time.Since(unread))))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if name := filepath.Base(event.Name); name == filepath.Base(f.path) || name == volumeLink {
				postpone()
			}
		case err := <-watcher.Errors:
			f.log.Warn("Events about the container credentials config may be lost, reading it", "error", err)
			postpone()
		case <-settled.C:
			unread = time.Time{}
			settled.Reset(f.read())
		}
	}
}

// read loads the file's list, and says when to check again without an event. A missing or empty file is an empty list. A
// file that cannot be read or parsed changes nothing.
func (f *File) read() time.Duration {
	data, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Error("Container credentials config cannot be read, keeping what it was", "error", err)
		return recheck
	}
	if len(data) == 0 && f.Len() > 0 {
		if info, err := os.Stat(f.path); err == nil {
			if age := time.Since(info.ModTime()); info.Size() > 0 || age >= 0 && age < emptyAge {
				return quiet
			}
		}
	}
	content := string(data)
	if f.content != nil && *f.content == content {
		return recheck
	}
	f.content = &content
	list, err := parse(data)
	if err != nil {
		f.log.Error("Container credentials config is malformed, keeping what it was", "file", f.path, "error", err)
		return recheck
	}
	f.current.Store(&list)
	f.log.Info("Container credentials config loaded", "file", f.path, "identities", len(list))
	return recheck
}

func parse(data []byte) (map[Identity]struct{}, error) {
	var config struct {
		Identities []Identity `json:"identities"`
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &config); err != nil {
			return nil, err
		}
	}
	list := make(map[Identity]struct{}, len(config.Identities))
	for _, identity := range config.Identities {
		list[identity] = struct{}{}
	}
	return list, nil
}
