package limits

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// state of a connection.
type state uint8

const (
	// reading: the connection is new, waits for a request, or is in a request of an unknown sender.
	reading state = iota
	// busy: the connection is in a request of a known sender.
	busy
	// idle: the connection was in one, and waits for the next.
	idle
)

// Listener accepts connections up to the limits. At the limit, a new connection replaces the one that has been without a
// known sender for longest. If all have a known sender, the new one gets 503 and is closed.
type Listener struct {
	net.Listener
	limits *Limits

	mu    sync.Mutex
	conns map[*connection]struct{}
	// headers are the bytes that connections in the state reading have sent.
	headers int64
	refused int
}

// Listen accepts connections of a listener within the limits. TLS is added outside of it.
func (l *Limits) Listen(listener net.Listener) *Listener {
	return &Listener{Listener: listener, limits: l, conns: map[*connection]struct{}{}}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: accepted, listener: l, since: time.Now()}
		if l.admit(c) {
			return c, nil
		}
	}
}

// admit makes room for c, or refuses it.
func (l *Listener) admit(c *connection) bool {
	l.mu.Lock()
	var victim *connection
	if options := l.limits.options; len(l.conns) >= min(options.Connections, options.Unknown) {
		oldest, unknown := l.victim()
		switch full := len(l.conns) >= options.Connections; {
		case full && oldest == nil:
			l.refuse(c.Conn)
			l.mu.Unlock()
			return false
		case full, unknown >= options.Unknown:
			victim = oldest
			l.forget(victim)
		}
	}
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close() // its server notices
	}
	return true
}

// victim is the connection to close in favour of another one; nil if all are busy. unknown is the number without a known
// sender. The caller holds the lock.
func (l *Listener) victim() (found *connection, unknown int) {
	for c := range l.conns {
		if c.state == busy {
			continue
		}
		if c.state == reading {
			unknown++
		}
		if found == nil || c.state < found.state || c.state == found.state && c.since.Before(found.since) {
			found = c
		}
	}
	return found, unknown
}

// forget requires that the caller holds the lock.
func (l *Listener) forget(c *connection) {
	l.headers -= c.headers
	c.headers = 0
	delete(l.conns, c)
}

const (
	// maxRefusals is how many refusals get an answer at the same time. Other connections are closed without one.
	maxRefusals = 64
	refusal     = "too many connections; try again later\n"
)

// refuse answers 503 and closes the connection. The caller holds the lock.
func (l *Listener) refuse(c net.Conn) {
	if l.refused >= maxRefusals {
		_ = c.Close() // nothing was sent on it
		return
	}
	l.refused++
	go func() {
		_ = c.SetDeadline(time.Now().Add(linger)) // if it is closed, the write below fails
		_, err := io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: "+
			strconv.Itoa(len(refusal))+"\r\n\r\n"+refusal)
		if half, ok := c.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
			// A close with unread bytes would lose the answer.
			_, _ = io.CopyN(io.Discard, c, maxHeader)
		}
		_ = c.Close() // the answer was sent, or cannot be
		l.mu.Lock()
		l.refused--
		l.mu.Unlock()
	}()
}

// connection is a connection of a Listener. The listener's lock guards all fields but Conn.
type connection struct {
	net.Conn
	listener *Listener
	state    state
	// since is when it entered its state.
	since time.Time
	// headers are the bytes that were read in the state reading, without bodies.
	headers int64
	inBody  bool

	// written is when the deadline for writing was set; only the writer uses it.
	written time.Time
}

// Read counts the bytes of headers. If all connections together have sent too many, the one that has sent most is closed.
func (c *connection) Read(to []byte) (int, error) {
	n, err := c.Conn.Read(to)
	if n == 0 {
		return n, err
	}
	l := c.listener
	l.mu.Lock()
	var greedy *connection
	if _, open := l.conns[c]; open && c.state != busy && !c.inBody {
		c.headers += int64(n)
		if l.headers += int64(n); l.headers > l.limits.options.Headers {
			for other := range l.conns {
				if greedy == nil || other.headers > greedy.headers {
					greedy = other
				}
			}
			l.forget(greedy)
		}
	}
	l.mu.Unlock()
	if greedy != nil {
		_ = greedy.Conn.Close() // its server notices
	}
	return n, err
}

// writePiece is the number of bytes that must be written within StallTime.
const writePiece = 256 << 10

// Write fails after StallTime if the client does not read its answer.
func (c *connection) Write(data []byte) (int, error) {
	stall, total := c.listener.limits.options.StallTime, 0
	for {
		if now := time.Now(); now.Sub(c.written) > stall/8 {
			c.written = now
			if err := c.SetWriteDeadline(now.Add(stall)); err != nil {
				return total, err
			}
		}
		piece := data[total:min(len(data), total+writePiece)]
		n, err := c.Conn.Write(piece)
		total += n
		if err != nil || total == len(data) {
			return total, err
		}
	}
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.listener.mu.Lock()
	if _, open := c.listener.conns[c]; open {
		c.listener.forget(c)
	}
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets the server end an answer before it closes the connection.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type connectionKey struct{}

// of returns the connection for one that a server has.
func of(conn net.Conn) (*connection, bool) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*connection)
	return c, ok
}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := of(conn); ok {
		return context.WithValue(ctx, connectionKey{}, c)
	}
	return ctx
}

// Known is called when the sender of ctx's request is known. The request's connection then stays until the answer.
func Known(ctx context.Context) {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		c.set(busy)
	}
}

// changed follows the states of the server. A connection is active when all headers of a request were read.
func changed(conn net.Conn, to http.ConnState) {
	c, ok := of(conn)
	if !ok {
		return
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	switch to {
	case http.StateActive:
		if c.state == idle {
			c.state, c.since = reading, time.Now()
		}
		c.inBody = true
	case http.StateIdle:
		if c.state == busy {
			c.state, c.since = idle, time.Now()
		}
		c.inBody = false
		c.settle()
	}
}

func (c *connection) set(to state) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.state, c.since = to, time.Now()
	c.settle()
}

// settle removes the count of headers. The caller holds the listener's lock.
func (c *connection) settle() {
	c.listener.headers -= c.headers
	c.headers = 0
}
