// Package limits bounds what clients can take of the process before it knows who they are: connections, time and memory. A
// declared size, such as a Content-Length, takes nothing. Data takes memory within the limits.
package limits

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options of Limits; each zero field has its default.
type Options struct {
	// Connections is the largest number of open connections of a listener. Unknown is the largest number of them without a
	// known sender.
	Connections, Unknown int
	// Headers is the largest number of bytes of headers that all unknown connections of a listener have in memory.
	Headers int64
	// Memory is the largest number of bytes that the bodies of unknown senders have in memory, beyond Small for each.
	Memory int64
	// HeaderTime and BodyTime are how long the headers and the body of a request may take.
	HeaderTime, BodyTime time.Duration
	// StallTime is how long a trusted body, or a client that reads an answer, may make no progress.
	StallTime time.Duration
	// IdleTime is how long a connection may wait for its next request.
	IdleTime time.Duration
}

const (
	// Small is how much of every body is not counted. A request for credentials fits.
	Small = 8 << 10
	// maxHeader bounds the headers of one request: STS takes a web identity token of 20,000 bytes in a query.
	maxHeader = 32 << 10
)

func (o *Options) complete() {
	setDefault(&o.Connections, 1024)
	setDefault(&o.Unknown, min(256, o.Connections))
	setDefault(&o.Headers, 1<<20)
	setDefault(&o.Memory, 8<<20)
	setDefault(&o.HeaderTime, 10*time.Second)
	setDefault(&o.BodyTime, 10*time.Second)
	setDefault(&o.StallTime, 30*time.Second)
	setDefault(&o.IdleTime, 2*time.Minute)
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Limits are shared by the listeners and handlers of one process. They are safe for concurrent use.
type Limits struct {
	options Options

	mu   sync.Mutex
	used int64
	// bodies are the bodies that are being read.
	bodies map[*Body]struct{}
}

// New makes limits.
func New(options Options) *Limits {
	options.complete()
	return &Limits{options: options, bodies: map[*Body]struct{}{}}
}

// ErrMemory is the error of a read that would need more memory than unknown senders share.
var ErrMemory = errors.New("too many requests of unknown senders at a time")

// ErrInterrupted is the error of reading a body after Interrupt.
var ErrInterrupted = errors.New("the emulator is being reset")

func (l *Limits) reserve(n int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used+n > l.options.Memory {
		return ErrMemory
	}
	l.used += n
	return nil
}

func (l *Limits) release(n int64) {
	l.mu.Lock()
	l.used -= n
	l.mu.Unlock()
}

// Interrupt ends all reads of bodies. They fail with ErrInterrupted.
func (l *Limits) Interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for b := range l.bodies {
		b.interrupted.Store(true)
		_ = b.control.SetReadDeadline(time.Unix(1, 0)) // a closed connection is not read either
	}
}

// Server makes a server of one listener, which Listen must have made.
func (l *Limits) Server(ctx context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: l.options.HeaderTime,
		IdleTimeout:       l.options.IdleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConnection,
		ConnState:         changed,
	}
}

// tooLarge is ReadAll's error for more than most bytes.
type tooLarge struct{ most int64 }

func (e tooLarge) Error() string { return fmt.Sprintf("the body is larger than %d bytes", e.most) }

// IsTooLarge says whether ReadAll failed because of the size.
func IsTooLarge(err error) bool {
	_, is := errors.AsType[tooLarge](err)
	return is
}
