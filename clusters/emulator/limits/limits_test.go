package limits_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/limits"
)

// serve runs a server within limits, and returns its address and the limits.
func serve(t *testing.T, options limits.Options, handler http.HandlerFunc) (string, *limits.Limits) {
	t.Helper()
	l := limits.New(options)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := l.Server(context.Background(), l.Handler(handler), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(l.Listen(listener)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String(), l
}

// send opens a connection, writes text, and returns the connection.
func send(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c
}

// answer reads the status of an answer; an error for a closed connection.
func answer(c net.Conn) (int, error) {
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_ = response.Body.Close()
	return response.StatusCode, nil
}

func want(t *testing.T, c net.Conn, status int) {
	t.Helper()
	if got, err := answer(c); err != nil || got != status {
		t.Errorf("got %d, %v; want %d", got, err, status)
	}
}

// closed waits for the end of the connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// readAll answers with the result of reading the body.
func readAll(w http.ResponseWriter, r *http.Request) {
	data, err := limits.ReadAll(r.Body, r.ContentLength, 1<<20)
	switch {
	case err == nil:
		_, _ = fmt.Fprint(w, len(data))
	case limits.IsTooLarge(err):
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case errors.Is(err, limits.ErrMemory):
		w.WriteHeader(http.StatusServiceUnavailable)
	case errors.Is(err, limits.ErrInterrupted):
		w.WriteHeader(http.StatusConflict)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.WriteHeader(http.StatusRequestTimeout)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func post(length int, body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, body)
}

func TestABodyThatDoesNotComeEnds(t *testing.T) {
	address, _ := serve(t, limits.Options{BodyTime: 50 * time.Millisecond}, readAll)
	for _, request := range []string{
		post(100, "x"),
		post(100, ""),
		strings.Replace(post(100, "x"), "1.1", "1.0", 1),
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		c := send(t, address, request)
		want(t, c, http.StatusRequestTimeout)
		closed(t, c)
	}
}

func TestABodyThatDripsEnds(t *testing.T) {
	address, _ := serve(t, limits.Options{BodyTime: 100 * time.Millisecond}, readAll)
	c := send(t, address, post(1<<20, ""))
	stop := make(chan struct{})
	dripped := make(chan struct{})
	go func() {
		defer close(dripped)
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond): // the test sends one byte at a time
			}
		}
	}()
	want(t, c, http.StatusRequestTimeout)
	close(stop)
	<-dripped
}

func TestATrustedBodyTakesItsTimeWhileItMoves(t *testing.T) {
	trusting := func(w http.ResponseWriter, r *http.Request) {
		r.Body.(*limits.Body).Trust()
		readAll(w, r)
	}
	address, _ := serve(t, limits.Options{BodyTime: time.Millisecond, StallTime: 10 * time.Second}, trusting)
	c := send(t, address, post(10, ""))
	for range 10 {
		time.Sleep(5 * time.Millisecond) // in all much longer than BodyTime: the test is about slow bodies
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	want(t, c, http.StatusOK)
	address, _ = serve(t, limits.Options{BodyTime: time.Hour, StallTime: 50 * time.Millisecond}, trusting)
	c = send(t, address, post(30, "x"))
	want(t, c, http.StatusRequestTimeout)
}

func TestHeadersThatDoNotComeEnd(t *testing.T) {
	address, _ := serve(t, limits.Options{HeaderTime: 50 * time.Millisecond}, readAll)
	for _, text := range []string{"", "POST / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"} {
		closed(t, send(t, address, text))
	}
	c := send(t, address, "GET / HTTP/1.1\r\nHost: x\r\nX-A: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	want(t, c, http.StatusRequestHeaderFieldsTooLarge)
}

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	address, _ := serve(t, limits.Options{BodyTime: time.Hour, StallTime: time.Hour}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	})
	for _, request := range []string{
		post(100, "x"), post(250<<20, "x"),
		"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		c := send(t, address, request)
		want(t, c, http.StatusForbidden)
		closed(t, c)
	}
	// A client that is still writing can read the answer.
	c := send(t, address, post(1<<20, ""))
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c, strings.Repeat("x", 1<<20)) // the other side may have closed the connection
	}()
	want(t, c, http.StatusForbidden)
	_ = c.Close() // ends the write
	<-written
}

func TestNothingIsTakenByWhatIsDeclared(t *testing.T) {
	for _, declared := range []int64{-1, 10, 250 << 20} {
		data, err := limits.ReadAll(strings.NewReader("ten bytes."), declared, 250<<20)
		if err != nil || string(data) != "ten bytes." || cap(data) > 8<<10 {
			t.Errorf("declared %d: %d bytes in %d, %v", declared, len(data), cap(data), err)
		}
	}
}

func TestReadAllBounds(t *testing.T) {
	for _, row := range []struct {
		have           int
		declared, most int64
		tooLarge       bool
	}{
		{0, 0, 10, false}, {0, -1, 10, false}, {10, 10, 10, false}, {10, -1, 10, false}, {11, -1, 10, true}, {11, 11, 10, true},
		{5000, 5000, 1 << 20, false}, {70000, -1, 70000, false}, {70001, -1, 70000, true}, {3, 2, 10, true},
	} {
		data, err := limits.ReadAll(bytes.NewReader(make([]byte, row.have)), row.declared, row.most)
		if limits.IsTooLarge(err) != row.tooLarge || !row.tooLarge && (err != nil || len(data) != row.have) {
			t.Errorf("%+v: %d bytes, %v", row, len(data), err)
		}
	}
}

func TestUnknownSendersShareMemory(t *testing.T) {
	address, _ := serve(t, limits.Options{Memory: 256 << 10, BodyTime: time.Hour}, readAll)
	// One body takes most of the memory and does not end, so the next large one is refused. Small ones are served.
	held := send(t, address, post(200<<10, strings.Repeat("x", 200<<10-1)))
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, err := answer(send(t, address, post(200<<10, strings.Repeat("x", 200<<10))))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("got %d, %v; want 503", status, err)
		}
		if status == http.StatusServiceUnavailable {
			break
		}
	}
	want(t, send(t, address, post(4<<10, strings.Repeat("x", 4<<10))), http.StatusOK)
	if _, err := held.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	want(t, held, http.StatusOK)
	// The memory is released.
	for {
		status, err := answer(send(t, address, post(200<<10, strings.Repeat("x", 200<<10))))
		if err == nil && status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d, %v; want 200", status, err)
		}
	}
}

func TestInterruptEndsReading(t *testing.T) {
	reading := make(chan struct{}, 2)
	address, l := serve(t, limits.Options{BodyTime: time.Hour, StallTime: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/trusted" {
			r.Body.(*limits.Body).Trust()
		}
		one := make([]byte, 1)
		_, _ = r.Body.Read(one)
		reading <- struct{}{}
		readAll(w, r)
	})
	for _, path := range []string{"/", "/trusted"} {
		c := send(t, address, strings.Replace(post(100, "x"), " / ", " "+path+" ", 1))
		<-reading
		l.Interrupt()
		want(t, c, http.StatusConflict)
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	hold := make(chan struct{})
	var inside atomic.Int32
	address, _ := serve(t, limits.Options{Connections: 4, HeaderTime: time.Hour, BodyTime: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			limits.Known(r.Context())
			inside.Add(1)
			<-hold
		}
	})
	// Four connections that send nothing, or not enough, are closed in favour of later ones.
	strangers := []net.Conn{send(t, address, ""), send(t, address, "GET"), send(t, address, "GET / HTTP/1.1\r\n"), send(t, address, "")}
	want(t, send(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), http.StatusOK)
	closed(t, strangers[0])
	// Known connections stay, and the fifth gets 503.
	var known []net.Conn
	for n := range 4 {
		known = append(known, send(t, address, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"))
		for deadline := time.Now().Add(20 * time.Second); int(inside.Load()) <= n; {
			if time.Now().After(deadline) {
				t.Fatal("a request does not come in")
			}
			time.Sleep(time.Millisecond) // between two reads
		}
	}
	want(t, send(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), http.StatusServiceUnavailable)
	close(hold)
	for _, c := range known {
		want(t, c, http.StatusOK)
	}
	want(t, send(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), http.StatusOK)
}

func TestHeadersOfUnknownConnectionsShareMemory(t *testing.T) {
	address, _ := serve(t, limits.Options{Headers: 64 << 10, HeaderTime: time.Hour}, func(http.ResponseWriter, *http.Request) {})
	small := send(t, address, "GET / HTTP/1.1\r\nHost: x\r\n")
	greedy := "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 24<<10)
	first, second, third := send(t, address, greedy), send(t, address, greedy), send(t, address, greedy)
	// 72 KiB came: one of the three connections is closed, and not the small one.
	ended := make(chan net.Conn, 3)
	for _, c := range []net.Conn{first, second, third} {
		go func() {
			_, _ = io.Copy(io.Discard, c)
			ended <- c
		}()
	}
	<-ended
	if _, err := io.WriteString(small, "\r\n"); err != nil {
		t.Fatal(err)
	}
	want(t, small, http.StatusOK)
}

func TestAnAnswerThatIsNotReadEnds(t *testing.T) {
	done := make(chan error, 1)
	address, _ := serve(t, limits.Options{StallTime: 100 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		data := make([]byte, 1<<20)
		for {
			if _, err := w.Write(data); err != nil {
				done <- err
				return
			}
		}
	})
	send(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-done: //nolint:errcheck // that it ends is what counts
	case <-time.After(20 * time.Second):
		t.Error("the answer is still being written")
	}
}
