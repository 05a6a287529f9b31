package engine

import (
	"context"
	"errors"

	"github.com/podidentity/epi/clusters"
)

// ErrStopped says that epi's own engine exists and does not run. It is started when it is needed.
var ErrStopped = errors.New("epi's own container engine is stopped")

// Running returns the engine for environments of this machine, as Find does, but starts none and changes nothing. Its error
// says why none answers.
func Running(ctx context.Context, options Options) (*Engine, error) {
	private := newPrivate(options)
	if !private.exists() {
		return findUsers(ctx)
	}
	if private.pid() == 0 {
		return nil, ErrStopped
	}
	found := private.engine()
	return found, found.ping(ctx)
}

// Users returns the first of the user's own engines that answers, or the reason why none does.
func Users(ctx context.Context) (*Engine, error) { return findUsers(ctx) }

// OwnHost is the value of DOCKER_HOST for epi's own engine; "" if there is none.
func OwnHost(dirs clusters.Dirs) string {
	if private := newPrivate(Options{Dirs: dirs}); private.exists() {
		return private.engine().Host
	}
	return ""
}

// LogFile is the log of epi's own engine; "" if there is none.
func LogFile(dirs clusters.Dirs) string {
	if private := newPrivate(Options{Dirs: dirs}); private.exists() {
		return private.logFile()
	}
	return ""
}
