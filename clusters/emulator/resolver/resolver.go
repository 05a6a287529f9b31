// Package resolver is a DNS server. It answers some names with one address, and forwards questions about other names. So
// what a cluster sends to those names reaches that address and nothing else.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

const (
	// ttl is short, because a client that keeps an answer may outlive the environment.
	ttl = 10
	// patience is how long one upstream server may take.
	patience = 2 * time.Second
)

// Options of a server.
type Options struct {
	// Own says whether a name is answered with Address. The name has a dot at its end.
	Own func(name string) bool
	// Address is an IPv4 address.
	Address netip.Addr
	// Upstreams are asked about all other names, in order, as HOST:PORT. Without upstreams other names are refused.
	Upstreams []string
	// Log gets each question at level debug.
	Log *slog.Logger
}

// Upstreams reads the name servers of a file in the form of resolv.conf(5).
func Upstreams(file string) ([]string, error) {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("read name servers: %w", err)
	}
	var list []string
	for _, server := range config.Servers {
		list = append(list, net.JoinHostPort(server, config.Port))
	}
	return list, nil
}

// Server answers over UDP and TCP on one port.
type Server struct {
	handler
	packets net.PacketConn
	streams net.Listener
}

// Listen binds the address. The caller must Serve or Close.
func Listen(ctx context.Context, address string, options Options) (*Server, error) {
	if !options.Address.Is4() {
		return nil, fmt.Errorf("serve DNS: the address to answer with, %s, is not IPv4", options.Address)
	}
	var config net.ListenConfig
	streams, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve DNS: %w", err)
	}
	packets, err := config.ListenPacket(ctx, "udp", streams.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve DNS: %w", err), streams.Close())
	}
	return &Server{handler: handler{options}, packets: packets, streams: streams}, nil
}

// Addr is its address.
func (s *Server) Addr() net.Addr { return s.streams.Addr() }

// Close is for a server that was never served.
func (s *Server) Close() error { return errors.Join(s.packets.Close(), s.streams.Close()) }

// Serve answers until ctx ends or a listener fails.
func (s *Server) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range []*dns.Server{{PacketConn: s.packets, Handler: s.handler}, {Listener: s.streams, Handler: s.handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		group.Go(func() error {
			if err := server.ActivateAndServe(); err != nil {
				return fmt.Errorf("serve DNS on %s: %w", s.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			select {
			case <-started:
				_ = server.Shutdown() // open questions stay unanswered
			case <-time.After(patience): // it failed before it started
			}
			return nil
		})
	}
	return group.Wait()
}

type handler struct{ Options }

// ServeDNS implements dns.Handler.
func (h handler) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	answer := h.answer(question, w.LocalAddr().Network())
	if answer.Id = question.Id; w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if extension := question.IsEdns0(); extension != nil {
			size = max(size, int(extension.UDPSize()))
		}
		answer.Truncate(size)
	}
	if len(question.Question) == 1 {
		h.Log.Debug("DNS", "name", question.Question[0].Name, "type", dns.TypeToString[question.Question[0].Qtype],
			"code", dns.RcodeToString[answer.Rcode], "answers", len(answer.Answer))
	}
	_ = w.WriteMsg(answer) // the client closed the connection
}

// answer is never nil.
func (h handler) answer(question *dns.Msg, network string) *dns.Msg {
	reply := new(dns.Msg)
	switch {
	case question.Opcode != dns.OpcodeQuery:
		return reply.SetRcode(question, dns.RcodeNotImplemented)
	case len(question.Question) != 1:
		return reply.SetRcode(question, dns.RcodeFormatError)
	}
	asked := question.Question[0]
	if h.Own(asked.Name) {
		reply.SetReply(question)
		reply.Authoritative, reply.RecursionAvailable = true, true
		// The name has no records of other types, such as IPv6 addresses, but it exists.
		if asked.Qclass == dns.ClassINET && (asked.Qtype == dns.TypeA || asked.Qtype == dns.TypeANY) {
			reply.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}, A: h.Address.AsSlice(),
			}}
		}
		return reply
	}
	if len(h.Upstreams) == 0 {
		return reply.SetRcode(question, dns.RcodeRefused)
	}
	client := dns.Client{Net: network, Timeout: patience, UDPSize: dns.MaxMsgSize}
	for _, upstream := range h.Upstreams {
		if found, _, err := client.Exchange(question, upstream); err == nil {
			return found
		}
	}
	return reply.SetRcode(question, dns.RcodeServerFailure)
}
