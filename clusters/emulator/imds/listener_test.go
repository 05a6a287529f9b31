package imds

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func ttlOf(t *testing.T, c interface {
	SyscallConn() (syscall.RawConn, error)
}) (ttl int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlErr := raw.Control(func(fd uintptr) { ttl, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL) }); controlErr != nil {
		t.Fatal(controlErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ttl
}

func TestHopLimitOfSockets(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	connect := func() *conn {
		t.Helper()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = accepted.Close() })
		return accepted.(*conn)
	}
	first := connect()
	if got := [2]int{ttlOf(t, l), ttlOf(t, first)}; got != [2]int{1, 1} {
		t.Errorf("listener and connection have %v", got)
	}
	if err := l.SetHopLimit(2); err != nil {
		t.Fatal(err)
	}
	second := connect()
	if got := [3]int{ttlOf(t, l), ttlOf(t, first), ttlOf(t, second)}; got != [3]int{2, 2, 2} || l.HopLimit() != 2 {
		t.Errorf("after the change: %v, %d", got, l.HopLimit())
	}
	for _, bad := range []int{0, -1, 65} {
		if err := l.SetHopLimit(bad); err == nil {
			t.Errorf("%d was taken", bad)
		}
		if _, err := Listen(t.Context(), "127.0.0.1:0", bad); err == nil {
			t.Errorf("%d was taken to listen", bad)
		}
	}
	if l.HopLimit() != 2 {
		t.Errorf("a refused change left %d", l.HopLimit())
	}
	_ = first.Close()
	_ = second.Close()
	if len(l.conns) != 0 {
		t.Errorf("%d closed connections are kept", len(l.conns))
	}
}

func TestHopLimitOfIPv6Socket(t *testing.T) {
	l, err := Listen(t.Context(), "[::1]:0", 3)
	if err != nil {
		t.Skipf("no IPv6 loopback here: %v", err)
	}
	defer func() { _ = l.Close() }()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var hops int
	if controlErr := raw.Control(func(fd uintptr) { hops, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS) }); controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	if hops != 3 {
		t.Errorf("got %d hops", hops)
	}
}

// serve answers with a body of many segments, so that more than the handshake is tested.
func serve(l net.Listener, body []byte) *http.Server {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })}
	go func() { _ = server.Serve(l) }() // Close ends it
	return server
}

// fetch reads the answer over one connection.
func fetch(c net.Conn) (int, error) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: imds\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return int(n), fmt.Errorf("read body: %w", err)
	}
	return int(n), nil
}

// While IMDSv1 is on, only connections with a request for a session token have the hop limit.
func TestHopLimitOfIMDSv1(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0", 2)
	if err != nil {
		t.Fatal(err)
	}
	s, _, _ := newService(t, func(o *Options) { o.V1 = true })
	if err := s.Attach(l); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }() // Close ends it
	defer func() { _ = server.Close() }()
	var opened []net.Conn
	request := func(c net.Conn, method, path string) int {
		t.Helper()
		if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: imds\r\n%s: 60\r\n\r\n", method, path, ttlHeader); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, c)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	// ttls are those of the listener and of the connections, in the order in which they were opened.
	ttls := func() []int {
		t.Helper()
		l.mu.Lock()
		defer l.mu.Unlock()
		got := []int{ttlOf(t, l)}
		for _, c := range opened {
			got = append(got, ttlOf(t, l.conns[ends{c.LocalAddr().String(), c.RemoteAddr().String()}]))
		}
		return got
	}
	const metadata = "/latest/meta-data/instance-id"
	v1, v2 := dial(), dial()
	if code := request(v1, "GET", metadata); code != 200 {
		t.Errorf("IMDSv1: %d", code)
	}
	if code := request(v2, "PUT", "/latest/api/token"); code != 200 {
		t.Errorf("token: %d", code)
	}
	if got := ttls(); !slices.Equal(got, []int{openTTL, openTTL, 2}) {
		t.Errorf("IMDSv1 on: %v", got)
	}
	if err := l.SetHopLimit(1); err != nil {
		t.Fatal(err)
	}
	if got := ttls(); !slices.Equal(got, []int{openTTL, openTTL, 1}) {
		t.Errorf("another limit: %v", got)
	}
	setV1(t, s, false)
	if got := ttls(); !slices.Equal(got, []int{1, 1, 1}) {
		t.Errorf("IMDSv1 off: %v", got)
	}
	if code := request(v1, "GET", metadata); code != 401 {
		t.Errorf("IMDSv1 off: %d", code)
	}
	setV1(t, s, true)
	if got := ttls(); !slices.Equal(got, []int{openTTL, openTTL, 1}) {
		t.Errorf("IMDSv1 on again: %v", got)
	}
	// On other systems the limit cannot be applied, so there are no tokens.
	if w := send(s, http.MethodPut, "/latest/api/token", "10.0.0.2", ttlHeader, "60"); w.Code != 500 {
		t.Errorf("a token over another connection: %d", w.Code)
	}
}
