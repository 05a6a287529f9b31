// Package limits bounds what clients take of the process before it is known who they are: connections,
// time and memory. What a client declares, such as a Content-Length, takes nothing; what it sends takes
// what the bounds leave.
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
	// Connections that a listener has open at most, and Unknown those of them without a known sender.
	Connections, Unknown int
	// Headers is how many bytes of headers all unknown connections of a listener have in memory at most.
	Headers int64
	// Memory is how many bytes the bodies of unknown senders have in memory at most, beyond Small of each.
	Memory int64
	// HeaderTime and BodyTime are how long the headers and the body of a request may take.
	HeaderTime, BodyTime time.Duration
	// StallTime is how long a trusted body, or a client that reads an answer, may stand still.
	StallTime time.Duration
	// IdleTime is how long a connection may wait for its next request.
	IdleTime time.Duration
}

const (
	// Small is how much of every body is taken without being counted: a request for credentials fits.
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
	// bodies are those that are being read.
	bodies map[*Body]struct{}
}

// New makes limits.
func New(options Options) *Limits {
	options.complete()
	return &Limits{options: options, bodies: map[*Body]struct{}{}}
}

// ErrMemory is the error of reading a body that would take more memory than unknown senders have together.
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

// Interrupt ends the reading of all bodies that are being read: it fails with ErrInterrupted.
func (l *Limits) Interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for b := range l.bodies {
		b.interrupted.Store(true)
		_ = b.control.SetReadDeadline(time.Unix(1, 0)) // a connection that is gone is not read either
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

// tooLarge is the error of ReadAll for more than most bytes.
type tooLarge struct{ most int64 }

func (e tooLarge) Error() string { return fmt.Sprintf("the body is larger than %d bytes", e.most) }

// IsTooLarge says whether ReadAll failed because of the size.
func IsTooLarge(err error) bool {
	_, is := errors.AsType[tooLarge](err)
	return is
}
