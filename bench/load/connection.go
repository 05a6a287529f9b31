package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// connection makes one request after the other. fasthttp reads the answers. Its client is not used, because it builds each
// request from its parts and has no context.
type connection struct {
	net.Conn
	reader   *bufio.Reader
	request  []byte
	response fasthttp.Response
	// deadline is the socket's. Setting it for each request would cost two timers each.
	deadline time.Time
	// ctx ends the connection for good when it ends, because the connection is used for no other context. stop releases it.
	ctx  context.Context
	stop func() bool
}

func (h *HTTP) dial(ctx context.Context, began time.Time) (*connection, error) {
	inTime, cancel := context.WithDeadline(ctx, began.Add(h.options.Timeout))
	defer cancel()
	conn, err := h.dialTCP(inTime, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && h.options.NewConnections {
		// Closing resets the connection. Otherwise each of the 28,000 ports would be unusable for a minute.
		if err := tcp.SetLinger(0); err != nil {
			return nil, errors.Join(fmt.Errorf("set linger: %w", err), conn.Close())
		}
	}
	if h.tls != nil {
		secured := tls.Client(conn, h.tls)
		if err := secured.HandshakeContext(inTime); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secured
	}
	c := &connection{Conn: conn, reader: bufio.NewReaderSize(conn, 8<<10), ctx: ctx}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	c.response.SkipBody = h.options.method() == fasthttp.MethodHead
	return c, nil
}

// exchange sends the request and reads the response. It fails with io.EOF if the server closed the
// connection without a byte of an answer.
func (c *connection) exchange(began time.Time, timeout time.Duration) error {
	if c.deadline.Sub(began) < timeout {
		c.deadline = began.Add(timeout + timeout/100)
		if err := c.SetDeadline(c.deadline); err != nil {
			return err
		}
	}
	// If the context ended before the deadline was set, the new deadline replaced the one of the end.
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if _, err := c.Write(c.request); err != nil {
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			return io.EOF
		}
		return err
	}
	return c.response.ReadLimitBody(c.reader, maxAnswer)
}

func (c *connection) close() {
	c.stop()
	_ = c.Close() // the request is answered or has failed
}
