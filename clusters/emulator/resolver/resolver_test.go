package resolver

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func own(name string) bool { return strings.HasSuffix(name, ".aws.") }

// start serves on loopback and returns the address.
func start(t *testing.T, options Options) string {
	t.Helper()
	options.Log = slog.New(slog.DiscardHandler)
	if options.Own == nil {
		options.Own = own
	}
	options.Address = netip.MustParseAddr("192.0.2.1")
	server, err := Listen(t.Context(), "127.0.0.1:0", options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return server.Addr().String()
}

func ask(t *testing.T, network, server string, question *dns.Msg) *dns.Msg {
	t.Helper()
	client := dns.Client{Net: network, Timeout: time.Minute}
	answer, _, err := client.Exchange(question, server)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func query(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

func TestOwnNamesAndOthers(t *testing.T) {
	// The other server knows all other names.
	other := start(t, Options{Own: func(name string) bool { return name == "example.com." }})
	server := start(t, Options{Upstreams: []string{"127.0.0.1:1", other}})
	for name, row := range map[string]struct {
		question *dns.Msg
		code     int
		answers  int
	}{
		"own":                    {query("s3.aws.", dns.TypeA), dns.RcodeSuccess, 1},
		"own, any type":          {query("s3.aws.", dns.TypeANY), dns.RcodeSuccess, 1},
		"own, IPv6":              {query("s3.aws.", dns.TypeAAAA), dns.RcodeSuccess, 0},
		"own, service":           {query("s3.aws.", dns.TypeHTTPS), dns.RcodeSuccess, 0},
		"of the other":           {query("example.com.", dns.TypeA), dns.RcodeSuccess, 1},
		"of nobody":              {query("nobody.example.", dns.TypeA), dns.RcodeRefused, 0},
		"no question":            {&dns.Msg{MsgHdr: dns.MsgHdr{Id: 7}}, dns.RcodeFormatError, 0},
		"an update (RFC 2136)":   {new(dns.Msg).SetUpdate("aws."), dns.RcodeNotImplemented, 0},
		"a question for a class": {&dns.Msg{Question: []dns.Question{{Name: "s3.aws.", Qtype: dns.TypeA, Qclass: dns.ClassCHAOS}}}, dns.RcodeSuccess, 0},
	} {
		for _, network := range []string{"udp", "tcp"} {
			answer := ask(t, network, server, row.question)
			if answer.Rcode != row.code || len(answer.Answer) != row.answers {
				t.Errorf("%s over %s: %s", name, network, answer)
			}
			if row.answers == 1 && answer.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
				t.Errorf("%s over %s: %s", name, network, answer)
			}
		}
	}
}

// An upstream's answer that is too long for the client is cut, and says so. The client then asks over TCP.
func TestLongAnswers(t *testing.T) {
	long := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		for range 100 {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{strings.Repeat("x", 200)}})
		}
		_ = w.WriteMsg(m)
	})
	started := make(chan string, 1)
	upstream := &dns.Server{Addr: "127.0.0.1:0", Net: "tcp", Handler: long}
	upstream.NotifyStartedFunc = func() { started <- upstream.Listener.Addr().String() }
	go func() { _ = upstream.ListenAndServe() }()
	address := <-started
	t.Cleanup(func() { _ = upstream.Shutdown() })

	server := start(t, Options{Upstreams: []string{address}})
	if answer := ask(t, "tcp", server, query("long.example.", dns.TypeTXT)); len(answer.Answer) != 100 || answer.Truncated {
		t.Errorf("over TCP: %d answers", len(answer.Answer))
	}
}

func TestAllUpstreamsGone(t *testing.T) {
	server := start(t, Options{Upstreams: []string{"127.0.0.1:1"}})
	if answer := ask(t, "tcp", server, query("example.com.", dns.TypeA)); answer.Rcode != dns.RcodeServerFailure {
		t.Error(answer)
	}
	server = start(t, Options{})
	if answer := ask(t, "tcp", server, query("example.com.", dns.TypeA)); answer.Rcode != dns.RcodeRefused {
		t.Error(answer)
	}
}

func TestUpstreams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("# c\nsearch a b\nnameserver 127.0.0.11\nnameserver fe80::1\noptions ndots:5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Upstreams(file)
	if err != nil || !slices.Equal(got, []string{"127.0.0.11:53", "[fe80::1]:53"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Upstreams(file + ".not"); err == nil {
		t.Error("a file that is not there")
	}
}

func TestAddressMustBeIPv4(t *testing.T) {
	if _, err := Listen(t.Context(), "127.0.0.1:0", Options{Address: netip.MustParseAddr("::1")}); err == nil {
		t.Error("taken")
	}
}

func FuzzAnswer(f *testing.F) {
	packed, err := query("s3.aws.", dns.TypeA).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	h := handler{Options{Own: own, Address: netip.MustParseAddr("192.0.2.1"), Log: slog.New(slog.DiscardHandler)}}
	f.Fuzz(func(t *testing.T, data []byte) {
		question := new(dns.Msg)
		if question.Unpack(data) != nil {
			return
		}
		answer := h.answer(question, "udp")
		if answer == nil || len(answer.Answer) > 1 {
			t.Errorf("%s: %v", question, answer)
		}
		if _, err := answer.Pack(); err != nil {
			t.Errorf("%s: %v", question, err)
		}
	})
}
