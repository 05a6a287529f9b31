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

// Listener accepts connections whose packets carry the hop limit as their IP TTL, from the SYN-ACK
// on: a client more hops away never gets a connection, as on EC2.
type Listener struct {
	*net.TCPListener

	mu       sync.Mutex
	hopLimit int
	conns    map[*conn]struct{}
}

// Listen listens on a TCP address such as "169.254.169.254:80" with a hop limit.
func Listen(ctx context.Context, address string, hopLimit int) (*Listener, error) {
	if err := checkHopLimit(hopLimit); err != nil {
		return nil, err
	}
	// Before bind, so that no SYN-ACK leaves with another TTL.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return setTTL(raw, hopLimit) }}
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for instance metadata: %w", err)
	}
	return &Listener{TCPListener: listener.(*net.TCPListener), hopLimit: hopLimit, conns: map[*conn]struct{}{}}, nil
}

func checkHopLimit(hopLimit int) error {
	if hopLimit < MinHopLimit || hopLimit > MaxHopLimit {
		return fmt.Errorf("hop limit %d: must be %d to %d", hopLimit, MinHopLimit, MaxHopLimit)
	}
	return nil
}

// HopLimit returns the hop limit of now.
func (l *Listener) HopLimit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hopLimit
}

// SetHopLimit changes the hop limit of connections to come and of those that are open.
func (l *Listener) SetHopLimit(hopLimit int) error {
	if err := checkHopLimit(hopLimit); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	raw, err := l.SyscallConn()
	if err == nil {
		err = setTTL(raw, hopLimit)
	}
	if err != nil {
		return fmt.Errorf("set hop limit: %w", err)
	}
	l.hopLimit = hopLimit
	var failed []error
	for c := range l.conns {
		if err := c.setTTL(hopLimit); err != nil && !errors.Is(err, net.ErrClosed) {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("set hop limit of open connections: %w", err)
	}
	return nil
}

// Accept returns the next connection. It inherits the listener's TTL in the kernel; setting it again
// covers a change between the handshake and now.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		c := &conn{TCPConn: accepted, listener: l}
		l.mu.Lock()
		err = c.setTTL(l.hopLimit)
		if err == nil {
			l.conns[c] = struct{}{}
		}
		l.mu.Unlock()
		if err == nil {
			return c, nil
		}
		// A connection without its hop limit must not be served; the others may.
		_ = accepted.Close()
	}
}

type conn struct {
	*net.TCPConn
	listener *Listener
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

func (c *conn) setTTL(hopLimit int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return setTTL(raw, hopLimit)
}

// setTTL sets the TTL of IPv4 packets and, on an IPv6 socket, which may carry either, the hop
// limit of IPv6 packets too.
func setTTL(raw syscall.RawConn, hopLimit int) error {
	var optionErr error
	err := raw.Control(func(fd uintptr) {
		optionErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, hopLimit)
		if family, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && family == unix.AF_INET6 {
			optionErr = errors.Join(optionErr, unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hopLimit))
		}
	})
	return errors.Join(err, optionErr)
}
