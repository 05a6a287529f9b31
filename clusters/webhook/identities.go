package webhook

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

	"github.com/fsnotify/fsnotify"
)

// Identity is a service account with an association.
type Identity struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// Identities are the service accounts with an association, as the container-credentials config
// file lists them: {"identities":[{"namespace":"…","serviceAccount":"…"}]}. An empty or missing
// file lists none; a malformed one changes nothing.
type Identities struct {
	file    string
	log     *slog.Logger
	current atomic.Pointer[map[Identity]struct{}]
}

// NewIdentities returns the identities that the file lists; Watch follows its changes.
func NewIdentities(file string, log *slog.Logger) *Identities {
	i := &Identities{file: file, log: log}
	i.current.Store(&map[Identity]struct{}{})
	return i
}

// Has reports whether the service account has an association.
func (i *Identities) Has(identity Identity) bool {
	_, ok := (*i.current.Load())[identity]
	return ok
}

// Load reads the file once.
func (i *Identities) Load() error {
	data, err := os.ReadFile(i.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read container credentials config: %w", err)
	}
	list, err := parseIdentities(data)
	if err != nil {
		return fmt.Errorf("read container credentials config %s: %w", i.file, err)
	}
	i.current.Store(&list)
	return nil
}

func parseIdentities(data []byte) (map[Identity]struct{}, error) {
	list := map[Identity]struct{}{}
	if len(data) == 0 {
		return list, nil
	}
	var config struct {
		Identities []Identity `json:"identities"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, err
	}
	for _, identity := range config.Identities {
		list[identity] = struct{}{}
	}
	return list, nil
}

// Watch follows the file until ctx ends. It looks at the folder, since the file may be replaced by
// rename, and a ConfigMap volume changes its contents by swapping the link "..data" beside it.
func (i *Identities) Watch(ctx context.Context, watching func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch container credentials config: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	folder := filepath.Dir(i.file)
	if err := watcher.Add(folder); err != nil {
		return fmt.Errorf("watch folder %s of container credentials config: %w", folder, err)
	}
	// What was written before the watch began makes no event.
	i.reload(ctx)
	watching()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-watcher.Events:
			if !ok {
				return errors.New("watch container credentials config: watcher ended")
			}
			if name := filepath.Base(event.Name); name == filepath.Base(i.file) || name == "..data" {
				i.reload(ctx)
			}
		case err, ok := <-watcher.Errors:
			if !ok {
				return errors.New("watch container credentials config: watcher ended")
			}
			// Events may have been lost: the file itself says what is true.
			i.log.WarnContext(ctx, "watching container credentials config", "err", err)
			i.reload(ctx)
		}
	}
}

func (i *Identities) reload(ctx context.Context) {
	if err := i.Load(); err != nil {
		i.log.ErrorContext(ctx, "container credentials config not taken: the last good one holds", "err", err)
		return
	}
	i.log.InfoContext(ctx, "container credentials config loaded", "identities", len(*i.current.Load()))
}
