//go:build !linux

package link

import (
	"errors"
	"log/slog"
)

// Setup needs Linux.
func Setup(*slog.Logger) error {
	return errors.New("the agent's link can only be made on Linux")
}
