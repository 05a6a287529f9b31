package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// HTTPOptions describe the requests of an HTTP target.
type HTTPOptions struct {
	// URL such as "http://169.254.170.23/v1/credentials". Method; empty means GET.
	URL, Method string
	// Header has further fields, such as Host.
	Header map[string]string
	// Tokens are sent in Authorization, each request one: Pick chooses it by the request's number, and
	// nil takes one after the other. They appear in no result.
	Tokens []string
	Pick   func(n uint64) int
	// NewConnections makes a new connection for each request, as many SDKs do, instead of keeping them.
	NewConnections bool
	// Connections at most; 0 means as many as there are requests under way.
	Connections int
	// Timeout of a request; 0 means 10 s.
	Timeout time.Duration
	// Check, if set, judges an answer of status 2xx: "" if it is right. The body is only valid within it.
	Check func(n uint64, body []byte) (kind string)
}

// HTTP is a Target over HTTP/1.1. It is safe for concurrent use.
type HTTP struct {
	options HTTPOptions
	client  *fasthttp.HostClient
	// template is copied for each request.
	template *fasthttp.Request
	tokens   []string
}

var _ Target = (*HTTP)(nil)

// NewHTTP makes a target.
func NewHTTP(options HTTPOptions) (*HTTP, error) {
	at, err := url.Parse(options.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("make load on %q: want a URL such as http://127.0.0.1:8080/path", options.URL)
	}
	if options.Timeout == 0 {
		options.Timeout = 10 * time.Second
	}
	connections := options.Connections
	if connections == 0 {
		connections = 1 << 20
	}
	address := at.Host
	if at.Port() == "" {
		address = net.JoinHostPort(at.Hostname(), map[string]string{"http": "80", "https": "443"}[at.Scheme])
	}
	h := &HTTP{options: options, template: &fasthttp.Request{}, tokens: options.Tokens}
	h.client = &fasthttp.HostClient{
		Addr: address, IsTLS: at.Scheme == "https", MaxConns: connections,
		NoDefaultUserAgentHeader: true, DisablePathNormalizing: true,
		// Sockets are reused last in, first out: as few are open as there are requests under way.
		ConnPoolStrategy: fasthttp.LIFO,
		// Once more only where a kept connection had been closed before the request: as SDKs do.
		MaxIdemponentCallAttempts: 2,
		Dial: func(address string) (net.Conn, error) {
			// fasthttp gives no context; its own dialers keep names of hosts that have changed.
			return (&net.Dialer{Timeout: options.Timeout}).DialContext(context.Background(), "tcp", address)
		},
	}
	h.template.SetRequestURI(options.URL)
	h.template.Header.SetMethod(options.Method)
	if options.Method == "" {
		h.template.Header.SetMethod(fasthttp.MethodGet)
	}
	for name, value := range options.Header {
		if name == "Host" {
			h.template.Header.SetHost(value)
			h.template.UseHostHeader = true
			continue
		}
		h.template.Header.Set(name, value)
	}
	if options.NewConnections {
		h.template.SetConnectionClose()
	}
	return h, nil
}

// Do implements Target. Its kinds of error are an HTTP status such as "429", "timeout", "refused",
// "reset", "network", and what Check says.
func (h *HTTP) Do(ctx context.Context, n uint64) string {
	if ctx.Err() != nil {
		return Unfinished
	}
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	h.template.CopyTo(request)
	if len(h.tokens) > 0 {
		request.Header.Set(fasthttp.HeaderAuthorization, h.tokens[h.pick(n)])
	}
	if err := h.client.DoTimeout(request, response, h.options.Timeout); err != nil {
		return kindOf(err)
	}
	status := response.StatusCode()
	switch {
	case status < fasthttp.StatusOK || status >= fasthttp.StatusMultipleChoices:
		return strconv.Itoa(status)
	case h.options.Check != nil:
		return h.options.Check(n, response.Body())
	default:
		return ""
	}
}

func (h *HTTP) pick(n uint64) int {
	if h.options.Pick != nil {
		return h.options.Pick(n)
	}
	return int(n % uint64(len(h.tokens)))
}

// Close closes the connections that are kept.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// kindOf sorts errors of the network into few kinds.
func kindOf(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrTimeout), errors.Is(err, fasthttp.ErrDialTimeout), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, fasthttp.ErrConnectionClosed):
		return "reset"
	default:
		return "network"
	}
}
