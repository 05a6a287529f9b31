// Package identityfile keeps a webhook's container-credentials config file equal to the associations of a cluster, as the
// EKS control plane does for its webhook.
package identityfile

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// Watcher is the control API. *control.Client implements it.
type Watcher interface {
	// Identities returns at once if after is not the current revision. Otherwise it returns on a change or after wait.
	Identities(ctx context.Context, cluster, after string, wait time.Duration) (control.Identities, error)
}

// Options of a Follower.
type Options struct {
	Watcher Watcher
	// Cluster is the EKS name of the cluster, Path the file to write.
	Cluster, Path string
	Log           *slog.Logger
}

// Follower writes the file after each change.
type Follower struct {
	options Options
	written atomic.Bool
}

// New makes a follower that has written nothing yet.
func New(options Options) *Follower { return &Follower{options: options} }

// Written says whether the file has the control API's answer.
func (f *Follower) Written() bool { return f.written.Load() }

const (
	// poll is how long one request waits for a change.
	poll = 30 * time.Second
	// grace is how much later than poll an answer may come.
	grace = 10 * time.Second
	// firstPause and longestPause bound the pause after a failure, which grows.
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
	// spacing is the shortest time between two changes. Each change sends and writes the whole set. With 10,000 identities
	// that takes about 16 ms of CPU.
	spacing = 200 * time.Millisecond
)

// Run follows the API until ctx ends, which is no error. Run fails only if it cannot write the file. If the API cannot be
// reached, Run asks again, and the file stays as it is.
func (f *Follower) Run(ctx context.Context) error {
	revision, pause := "", firstPause
	for ctx.Err() == nil {
		identities, err := f.ask(ctx, revision)
		if err != nil {
			if ctx.Err() == nil {
				f.options.Log.Warn("associations are not known", "error", err, "again in", pause)
			}
			wait(ctx, pause)
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		if f.written.Load() && identities.Revision == revision {
			continue
		}
		if err := write(f.options.Path, identities.Identities); err != nil {
			return err
		}
		revision = identities.Revision
		f.written.Store(true)
		f.options.Log.Info("wrote associations", "path", f.options.Path, "identities", len(identities.Identities))
		wait(ctx, spacing)
	}
	return nil
}

// ask bounds the request by more than the wait, because an API may end without closing the connection.
func (f *Follower) ask(ctx context.Context, revision string) (control.Identities, error) {
	ctx, cancel := context.WithTimeout(ctx, poll+grace)
	defer cancel()
	return f.options.Watcher.Identities(ctx, f.options.Cluster, revision, poll)
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// write replaces the file in one step, by a rename to its own name. Webhooks watch for events with exactly this name, and
// must not read half a file.
func write(path string, identities []control.Identity) (err error) {
	if identities == nil {
		identities = []control.Identity{}
	}
	data, err := json.Marshal(map[string][]control.Identity{"identities": identities})
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".identities-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // err is the error that matters
		}
	}()
	if _, err = file.Write(data); err == nil {
		// The webhook may run as another user.
		err = file.Chmod(0o644)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
