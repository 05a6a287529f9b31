//go:build !linux

package link

import (
	"context"
	"errors"
	"log/slog"
)

// Setup needs Linux.
func Setup(context.Context, *slog.Logger) error {
	return errors.New("the agent's link can only be made on Linux")
}
