package imds

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
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

// serve answers with a body of many segments, so that not only the handshake is tested.
func serve(l net.Listener, body []byte) *http.Server {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })}
	go func() { _ = server.Serve(l) }() // ends with Close
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
