package kind

import (
	"context"
	"io"
	"net/http"
)

// until ends requests also with a context of its own. The Kubernetes client's first request to an API server takes no
// context, and a server that hangs would delay the end of an interrupted command by half a minute.
type until struct {
	ctx  context.Context //nolint:containedctx // the lifetime of the client
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (u until) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	stop := context.AfterFunc(u.ctx, func() { cancel(context.Cause(u.ctx)) }) //nolint:contextcheck // the request has its own beside it
	end := func() {
		stop()
		cancel(nil)
	}
	response, err := u.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	response.Body = ending{response.Body, end}
	return response, nil
}

// ending is a body that calls end when it is closed.
type ending struct {
	io.ReadCloser
	end func()
}

func (e ending) Close() error {
	defer e.end()
	return e.ReadCloser.Close()
}
