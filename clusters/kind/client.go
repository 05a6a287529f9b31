package kind

import (
	"context"
	"io"

	"github.com/podidentity/epi/clusters/engine"
)

// client runs the command line of the engine that was found.
type client struct {
	engine *engine.Engine
	env    []string
}

func clientOf(found *engine.Engine) containerEngine { return client{engine: found} }

func (c client) Output(ctx context.Context, args ...string) (string, error) {
	command := c.engine.Command(args...)
	command.Env = append(command.Env, c.env...)
	return command.Output(ctx)
}

func (c client) Load(ctx context.Context, archive io.Reader) error {
	return c.engine.Load(ctx, archive)
}

func (c client) With(env ...string) containerEngine {
	return client{engine: c.engine, env: append(c.env[:len(c.env):len(c.env)], env...)}
}
