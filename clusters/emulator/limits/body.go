package limits

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Body is the body of a request within the limits. Until Trust is called, all its reads together wait for BodyTime at most.
type Body struct {
	limits  *Limits
	source  io.ReadCloser
	control *http.ResponseController

	trusted     bool
	interrupted atomic.Bool
	// moved is when the deadline of a trusted body was last set.
	moved time.Time
	// spent is how long the reader has waited for the body of an unknown sender.
	spent time.Duration
	// free is the rest of Small. reserved is the part of the common memory that it has.
	free, reserved int64
	// expects says that the client waits for the permission to send. small says that little is to come.
	expects, small bool
	// read says that the source was read, ended that it has no more, and failed that a read failed.
	read, ended, failed bool
}

// Handler serves requests within the limits. r.Body is a *Body if there is a body. If next refuses a request before its
// body has come, the handler answers at once and ends the connection.
func (l *Limits) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		b := &Body{limits: l, source: r.Body, control: http.NewResponseController(w), free: Small, expects: r.Header.Get("Expect") != "", small: r.ContentLength >= 0 && r.ContentLength <= maxHeader}
		r.Body = b
		defer l.end(b)
		answer := &answer{ResponseWriter: w, body: b}
		next.ServeHTTP(answer, r)
		if !b.ended {
			b.leave(answer)
		}
	})
}

func (l *Limits) end(b *Body) {
	l.mu.Lock()
	delete(l.bodies, b)
	l.used -= b.reserved
	b.reserved = 0
	l.mu.Unlock()
}

// Trust is for a body whose sender has permission to send it. From then on the body may be slow, as long as it makes
// progress, and its memory is not counted.
func (b *Body) Trust() {
	if b.trusted {
		return
	}
	b.trusted = true
	b.limits.release(b.reserved)
	b.reserved = 0
}

// Reserve takes n bytes of the memory that all unknown senders share, until the request ends. It fails with ErrMemory.
func (b *Body) Reserve(n int64) error {
	small := min(n, b.free)
	b.free -= small
	if n -= small; n == 0 || b.trusted {
		return nil
	}
	if err := b.limits.reserve(n); err != nil {
		return err
	}
	b.reserved += n
	return nil
}

// Read implements io.Reader.
func (b *Body) Read(to []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	began := time.Now()
	if err := b.limits.await(b, began); err != nil {
		return 0, err
	}
	b.read = true
	n, err := b.source.Read(to)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
		// Later reads may wait for as long as the handler allows.
		_ = b.control.SetReadDeadline(time.Time{}) // a recorder in tests has none
	case err != nil:
		b.failed = true
		if b.interrupted.Load() {
			err = ErrInterrupted
		}
	}
	if !b.trusted {
		b.spent += time.Since(began)
	}
	return n, err
}

// await sets the deadline of the next read.
func (l *Limits) await(b *Body, now time.Time) error {
	wait := l.options.BodyTime - b.spent
	if b.trusted {
		// Setting a deadline for each kilobyte would cost more than reading it.
		if now.Sub(b.moved) < l.options.StallTime/8 && !b.interrupted.Load() {
			return nil
		}
		b.moved, wait = now, l.options.StallTime
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.interrupted.Load() {
		return ErrInterrupted
	}
	l.bodies[b] = struct{}{}
	_ = b.control.SetReadDeadline(now.Add(wait)) // a recorder in tests has none
	return nil
}

// Close implements io.Closer.
func (b *Body) Close() error { return b.source.Close() }

// linger is how long the rest of a refused body is read and dropped. pause is how long the client may send nothing in that
// time. A client that still writes would otherwise find the connection broken before it reads the answer.
const (
	linger = time.Second
	pause  = 100 * time.Millisecond
)

// leave ends a connection whose body was not read.
func (b *Body) leave(answer *answer) {
	if !answer.wrote {
		answer.WriteHeader(http.StatusOK)
	}
	_ = b.control.Flush() // fails only if the client closed the connection
	if !b.waits() && !b.failed {
		b.drop(linger)
	}
	_ = b.control.SetReadDeadline(time.Now()) // the server does not wait for more either
}

// waits says whether the client waits for the permission to send the body.
func (b *Body) waits() bool { return b.expects && !b.read }

// drop reads and drops the rest of the body for a while.
func (b *Body) drop(while time.Duration) {
	buffer := make([]byte, 4<<10)
	for end := time.Now().Add(while); ; {
		now := time.Now()
		if now.After(end) || b.control.SetReadDeadline(now.Add(min(pause, while))) != nil {
			return
		}
		if _, err := b.source.Read(buffer); err != nil {
			if b.ended = errors.Is(err, io.EOF); b.ended {
				_ = b.control.SetReadDeadline(time.Time{}) // the connection stays open
			}
			b.failed = !b.ended
			return
		}
	}
}

// answer sends an answer before the body has come.
type answer struct {
	http.ResponseWriter
	body  *Body
	wrote bool
}

func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK && !a.wrote {
		a.wrote = true
		if b := a.body; !b.ended && !b.failed && b.small && !b.waits() {
			// The body has come, or comes at once, and the connection can be used again.
			b.drop(pause)
		}
		if !a.body.ended {
			_ = a.body.control.EnableFullDuplex() // not in tests without a connection
			a.Header().Set("Connection", "close")
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(data []byte) (int, error) {
	if !a.wrote {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// accountable is a reader whose bytes are counted.
type accountable interface{ Reserve(n int64) error }

// Reserve counts n bytes of source, if source is counted.
func Reserve(source io.Reader, n int64) error {
	if counted, ok := source.(accountable); ok {
		return counted.Reserve(n)
	}
	return nil
}

// firstRead is the memory for data before any has come.
const firstRead = 4 << 10

// ReadAll reads all of source, at most most bytes. declared is the announced number, or -1. It allocates memory as the
// bytes come, and counts it if source is a Body. It fails as source does, with ErrMemory, or with an error of IsTooLarge.
// It also returns what it has read.
func ReadAll(source io.Reader, declared, most int64) ([]byte, error) {
	if declared > most {
		return nil, tooLarge{most}
	}
	room := most + 1 // one more byte shows that the source has more
	if declared >= 0 {
		room = declared + 1
	}
	var data []byte
	for {
		if len(data) == cap(data) {
			grown := min(max(2*int64(cap(data)), firstRead), room)
			if grown == int64(cap(data)) {
				return data, tooLarge{room - 1}
			}
			if err := Reserve(source, grown-int64(cap(data))); err != nil {
				return data, err
			}
			data = append(make([]byte, 0, grown), data...)
		}
		n, err := source.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			if int64(len(data)) == room {
				return data, tooLarge{room - 1}
			}
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}
