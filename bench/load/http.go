package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"
)

// HTTPOptions describe the requests of an HTTP target. Each request is for an identity that Pick chooses.
type HTTPOptions struct {
	// URL such as "http://169.254.170.23/v1/credentials". Method; empty means GET, with a body POST.
	URL    string `json:"url"`
	Method string `json:"method,omitempty"`
	// Header has further fields, such as Host.
	Header map[string]string `json:"header,omitempty"`
	// Tokens of the identities, which are sent in Authorization. No result and no error contains them.
	Tokens []string `json:"tokens,omitempty"`
	// Body is for all requests, or Bodies has one for each identity. If there are tokens, there are as many bodies.
	Body   string   `json:"body,omitempty"`
	Bodies []string `json:"bodies,omitempty"`
	Pick   Pick     `json:"pick,omitzero"`
	// NewConnections makes a new connection for each request, as many SDKs do, instead of keeping them.
	NewConnections bool `json:"newConnections,omitempty"`
	// Timeout of a request with its connection, to within 1%; 0 means 10 s.
	Timeout time.Duration `json:"timeout,omitempty"`
	// CA has the certificates (PEM) for an https URL; empty means the system's. InsecureSkipVerify accepts any certificate.
	CA                 string `json:"ca,omitempty"`
	InsecureSkipVerify bool   `json:"insecureSkipVerify,omitempty"`
	// Expect says which answers are right, besides a status of 2xx.
	Expect Expectation `json:"expect,omitempty"`
}

// HTTP is a Target over HTTP/1.1. It is safe for concurrent use. It keeps as many connections as there were simultaneous
// requests, and reuses the one that was used last.
type HTTP struct {
	options HTTPOptions
	address string
	tls     *tls.Config
	pick    func(n uint64) int
	judge   func(body []byte) string
	// head is a request up to the token, or to the fields that depend on the body if there are no tokens.
	head []byte
	// dialTCP makes connections.
	dialTCP func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	idle []*connection
}

var _ Target = (*HTTP)(nil)

// DefaultTimeout of a request.
const DefaultTimeout = 10 * time.Second

// maxAnswer bounds the memory of a connection.
const maxAnswer = 16 << 20

// NewHTTP makes a target.
func NewHTTP(options HTTPOptions) (*HTTP, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	judge, err := options.Expect.judge()
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(options.URL)
	if err != nil {
		return nil, err
	}
	if options.Timeout == 0 {
		options.Timeout = DefaultTimeout
	}
	h := &HTTP{
		options: options, address: at.Host, judge: judge, head: options.head(at),
		pick: options.Pick.of(max(len(options.Tokens), len(options.Bodies))),
		// Loads are short, and each option of a socket costs a system call.
		dialTCP: (&net.Dialer{KeepAlive: -1}).DialContext,
	}
	if at.Port() == "" {
		h.address = net.JoinHostPort(at.Hostname(), map[string]string{"http": "80", "https": "443"}[at.Scheme])
	}
	if at.Scheme == "https" {
		h.tls = &tls.Config{ServerName: at.Hostname(), InsecureSkipVerify: options.InsecureSkipVerify, NextProtos: []string{"http/1.1"}}
		if options.CA != "" {
			h.tls.RootCAs = x509.NewCertPool()
			h.tls.RootCAs.AppendCertsFromPEM([]byte(options.CA))
		}
	}
	return h, nil
}

// check never quotes a token, a body or a field's value.
func (o HTTPOptions) check() error {
	at, err := url.Parse(o.URL)
	if err != nil || at.Hostname() == "" || at.Scheme != "http" && at.Scheme != "https" || at.User != nil {
		return fmt.Errorf("make load on %q: want a URL such as http://127.0.0.1:8080/path", o.URL)
	}
	if o.Method != "" && !httpguts.ValidHeaderFieldName(o.Method) {
		return fmt.Errorf("make load with the method %q: want one such as GET", o.Method)
	}
	for name, value := range o.Header {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return fmt.Errorf("make load with the header field %q: its name or value is none of HTTP", name)
		}
		if strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") || strings.EqualFold(name, "Connection") {
			return fmt.Errorf("make load with the header field %q: it is set by itself", name)
		}
	}
	for i, token := range o.Tokens {
		if token == "" || !httpguts.ValidHeaderFieldValue(token) {
			return fmt.Errorf("make load with token %d: it is empty or cannot be a header field", i)
		}
	}
	if len(o.Bodies) > 0 && (o.Body != "" || len(o.Tokens) > 0 && len(o.Tokens) != len(o.Bodies)) {
		return fmt.Errorf("make load with %d bodies and %d tokens: want as many, and no body of all", len(o.Bodies), len(o.Tokens))
	}
	if o.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(o.CA)) {
		return errors.New("make load on https: the CA has no certificate as PEM")
	}
	if o.Timeout < 0 || o.Timeout > maxWait {
		return fmt.Errorf("make load with a timeout of %s: want 0, which is 10 s, to %s", o.Timeout, maxWait)
	}
	if _, err := o.Expect.judge(); err != nil {
		return err
	}
	return o.Pick.check()
}

// head is the request line and the fields that are the same in all requests, and the beginning of the
// token's.
func (o HTTPOptions) head(at *url.URL) []byte {
	host := at.Host
	var fields strings.Builder
	for name, value := range o.Header {
		if strings.EqualFold(name, "Host") {
			host = value
			continue
		}
		_, _ = fmt.Fprintf(&fields, "%s: %s\r\n", name, value)
	}
	if o.NewConnections {
		fields.WriteString("Connection: close\r\n")
	}
	if len(o.Tokens) > 0 {
		fields.WriteString("Authorization: ")
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", o.method(), at.RequestURI(), host, fields.String())
}

func (o HTTPOptions) method() string {
	switch {
	case o.Method != "":
		return o.Method
	case o.Body != "" || len(o.Bodies) > 0:
		return fasthttp.MethodPost
	default:
		return fasthttp.MethodGet
	}
}

// append appends request n.
func (h *HTTP) append(request []byte, n uint64) []byte {
	identity, body := h.pick(n), h.options.Body
	request = append(request, h.head...)
	if len(h.options.Tokens) > 0 {
		request = append(request, h.options.Tokens[identity]...)
		request = append(request, "\r\n"...)
	}
	if len(h.options.Bodies) > 0 {
		body = h.options.Bodies[identity]
	}
	if body != "" {
		request = append(request, "Content-Length: "...)
		request = strconv.AppendInt(request, int64(len(body)), 10)
		request = append(request, "\r\n"...)
	}
	request = append(request, "\r\n"...)
	return append(request, body...)
}

// Do implements Target. Its kinds of error are an HTTP status such as "429", "timeout", "refused", "reset", "certificate",
// "network", and those of Expect.
func (h *HTTP) Do(ctx context.Context, n uint64) string {
	kept, began := true, time.Now()
	c := h.take(ctx)
	for {
		if c == nil {
			var err error
			if c, err = h.dial(ctx, began); err != nil {
				return KindOf(err)
			}
			kept = false
		}
		c.request = h.append(c.request[:0], n)
		err := c.exchange(began, h.options.Timeout)
		switch {
		case err == nil:
			kind := h.kind(&c.response)
			h.release(c)
			return kind
		case kept && errors.Is(err, io.EOF) && ctx.Err() == nil:
			// The server closed a kept connection without an answer. The request is sent once more, as SDKs do.
			c.close()
			c = nil
		default:
			c.close()
			return KindOf(err)
		}
	}
}

// readyRequest is one on a connection of its own that is open.
type readyRequest struct {
	target *HTTP
	n      uint64
	c      *connection
	began  chan time.Time // of 1
}

// prepare implements preparer. Connections that are opened before a herd begins are no part of its latencies, for kept and
// for new ones: a herd consists of simultaneous requests.
func (h *HTTP) prepare(ctx context.Context, n uint64) (prepared, error) {
	c, err := h.dial(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	c.request = h.append(c.request[:0], n)
	return &readyRequest{target: h, n: n, c: c, began: make(chan time.Time, 1)}, nil
}

// begin implements prepared. end returns its error.
func (r *readyRequest) begin() {
	began := time.Now()
	r.began <- began
	_ = r.c.SetDeadline(began.Add(r.target.options.Timeout))
	_, _ = r.c.Write(r.c.request)
}

// end implements prepared.
func (r *readyRequest) end(ctx context.Context) string {
	err := r.c.response.ReadLimitBody(r.c.reader, maxAnswer)
	select {
	case <-r.began:
	default: // the connection ended before a request was sent
		select {
		case <-r.began:
		case <-ctx.Done():
			r.c.close()
			return Unfinished
		}
	}
	switch {
	case err == nil:
		kind := r.target.kind(&r.c.response)
		r.target.release(r.c)
		return kind
	case errors.Is(err, io.EOF) && ctx.Err() == nil:
		// The server closed the waiting connection without an answer. The request is sent once more, as SDKs do.
		r.c.close()
		return r.target.Do(ctx, r.n)
	default:
		r.c.close()
		return KindOf(err)
	}
}

func (h *HTTP) kind(response *fasthttp.Response) string {
	if status := response.StatusCode(); status < fasthttp.StatusOK || status >= fasthttp.StatusMultipleChoices {
		return strconv.Itoa(status)
	}
	return h.judge(response.Body())
}

// take returns the connection of ctx that was used last; nil if none is free.
func (h *HTTP) take(ctx context.Context) *connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	for last := len(h.idle) - 1; last >= 0; last-- {
		c := h.idle[last]
		h.idle = h.idle[:last]
		if c.ctx == ctx {
			return c
		}
		c.close() // left over from another load
	}
	return nil
}

func (h *HTTP) release(c *connection) {
	if h.options.NewConnections || c.response.ConnectionClose() {
		c.close()
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, c)
}

// Close closes the connections that are kept.
func (h *HTTP) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.idle {
		c.close()
	}
	h.idle = nil
}

// KindOf maps network errors to a few kinds: see HTTP.Do.
func KindOf(err error) string {
	var network net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return Unfinished
	case errors.Is(err, fasthttp.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "reset"
	case errors.As(err, &certificate):
		return "certificate"
	default:
		return "network"
	}
}
