package imds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Bounds of HttpPutResponseHopLimit (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html).
const (
	MinHopLimit = 1
	MaxHopLimit = 64
)

// openTTL is the IP TTL of packets without a hop limit. It is Linux's default.
const openTTL = 64

// Listener accepts connections whose packets, the SYN-ACK included, have the hop limit as their IP TTL. So a client more
// hops away never gets a connection. While IMDSv1 is on, every client gets a connection, as on EC2. The limit then applies
// from the first request for a session token on (HttpPutResponseHopLimit of
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsRequest.html).
type Listener struct {
	*net.TCPListener

	mu       sync.Mutex
	hopLimit int
	open     bool
	conns    map[ends]*conn
}

// ends are the addresses of a connection. No other connection has the same at the same time.
type ends struct{ remote, local string }

// Listen listens on a TCP address such as "169.254.169.254:80" with a hop limit.
func Listen(ctx context.Context, address string, hopLimit int) (*Listener, error) {
	if err := checkHopLimit(hopLimit); err != nil {
		return nil, err
	}
	// The TTL is set before bind, so that no SYN-ACK has another TTL.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return setTTL(raw, hopLimit) }}
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for instance metadata: %w", err)
	}
	return &Listener{TCPListener: listener.(*net.TCPListener), hopLimit: hopLimit, conns: map[ends]*conn{}}, nil
}

func checkHopLimit(hopLimit int) error {
	if hopLimit < MinHopLimit || hopLimit > MaxHopLimit {
		return fmt.Errorf("hop limit %d: must be %d to %d", hopLimit, MinHopLimit, MaxHopLimit)
	}
	return nil
}

// HopLimit returns the current hop limit.
func (l *Listener) HopLimit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hopLimit
}

// SetHopLimit changes the hop limit of future and open connections.
func (l *Listener) SetHopLimit(hopLimit int) error {
	if err := checkHopLimit(hopLimit); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.hopLimit
	l.hopLimit = hopLimit
	if err := l.apply(); err != nil {
		l.hopLimit = before
		return fmt.Errorf("set hop limit: %w", err)
	}
	return nil
}

// setOpen says whether the limit applies to answers to token requests only.
func (l *Listener) setOpen(open bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.open
	l.open = open
	if err := l.apply(); err != nil {
		l.open = before
		return fmt.Errorf("set hop limit of IMDSv1: %w", err)
	}
	return nil
}

// ttl is the TTL of a connection; nil stands for future ones. The caller holds the lock.
func (l *Listener) ttl(c *conn) int {
	if l.open && (c == nil || !c.limited) {
		return openTTL
	}
	return l.hopLimit
}

// apply sets the TTL of the listener and of all connections. The caller holds the lock.
func (l *Listener) apply() error {
	raw, err := l.SyscallConn()
	if err == nil {
		err = setTTL(raw, l.ttl(nil))
	}
	failed := []error{err}
	for _, c := range l.conns {
		if err := c.setTTL(l.ttl(c)); err != nil && !errors.Is(err, net.ErrClosed) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// limit applies the hop limit to a connection from now on, for all that it carries.
func (l *Listener) limit(of ends) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.conns[of]
	if !ok {
		return fmt.Errorf("limit hops of %s: no such connection", of.remote)
	}
	c.limited = true
	if err := c.setTTL(l.ttl(c)); err != nil {
		return fmt.Errorf("limit hops of %s: %w", of.remote, err)
	}
	return nil
}

// Accept returns the next connection. The kernel gives it the listener's TTL. Accept sets the TTL again, because it may
// have changed since the handshake.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		c := &conn{TCPConn: accepted, listener: l, ends: ends{accepted.RemoteAddr().String(), accepted.LocalAddr().String()}}
		l.mu.Lock()
		err = c.setTTL(l.ttl(c))
		if err == nil {
			l.conns[c.ends] = c
		}
		l.mu.Unlock()
		if err == nil {
			return c, nil
		}
		// A connection without its hop limit must not be served. Other connections may be.
		_ = accepted.Close()
	}
}

type conn struct {
	*net.TCPConn
	listener *Listener
	ends     ends
	// The listener's lock guards limited.
	limited bool
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	// The addresses may belong to another connection now.
	if c.listener.conns[c.ends] == c {
		delete(c.listener.conns, c.ends)
	}
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

func (c *conn) setTTL(ttl int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return setTTL(raw, ttl)
}

// setTTL sets the TTL of IPv4 packets. On an IPv6 socket, which can carry both, it also sets the hop limit of IPv6 packets.
func setTTL(raw syscall.RawConn, ttl int) error {
	var optionErr error
	err := raw.Control(func(fd uintptr) {
		optionErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
		if address, err := unix.Getsockname(int(fd)); err == nil && isIPv6(address) {
			optionErr = errors.Join(optionErr, unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl))
		}
	})
	return errors.Join(err, optionErr)
}

// isIPv6 says whether a socket that is bound to the address is an IPv6 one.
func isIPv6(address unix.Sockaddr) bool {
	_, ok := address.(*unix.SockaddrInet6)
	return ok
}
