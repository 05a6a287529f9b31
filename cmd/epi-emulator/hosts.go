package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters/emulator/awshost"
	"github.com/podidentity/epi/clusters/emulator/certificate"
	"github.com/podidentity/epi/clusters/emulator/resolver"
)

// hostFlags are the flags for serving AWS under its own host names.
type hostFlags struct {
	listen, dnsListen, dnsAnswer string
}

func (f *hostFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "hosts-listen", "", "address for AWS under its own host names, over TLS, such as :443; empty for none")
	flags.StringVar(&f.dnsListen, "dns-listen", "", "address for DNS that leads AWS's host names to --dns-answer, such as :53; empty for none")
	flags.StringVar(&f.dnsAnswer, "dns-answer", "", "IPv4 address that AWS's host names have (default the first of this machine that is not loopback)")
}

func (f *hostFlags) check() error {
	if f.dnsAnswer == "" {
		return nil
	}
	if f.dnsListen == "" {
		return errors.New("flag --dns-answer: needs --dns-listen")
	}
	if address, err := netip.ParseAddr(f.dnsAnswer); err != nil || !address.Is4() {
		return fmt.Errorf("flag --dns-answer: %q is not an IPv4 address", f.dnsAnswer)
	}
	return nil
}

// resolve starts to listen for DNS; nil without the flag.
func (f *hostFlags) resolve(ctx context.Context, log *slog.Logger) (*resolver.Server, error) {
	if f.dnsListen == "" {
		return nil, nil
	}
	address, err := ownAddress(f.dnsAnswer)
	if err != nil {
		return nil, err
	}
	upstreams, err := resolver.Upstreams("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	return resolver.Listen(ctx, f.dnsListen, resolver.Options{Own: awshost.Is, Address: address, Upstreams: upstreams, Log: log})
}

// ownAddress is the given address, or this machine's first address that others can use.
func ownAddress(given string) (netip.Addr, error) {
	if given != "" {
		return netip.ParseAddr(given)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find an address for AWS's host names: %w", err)
	}
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && prefix.Addr().Is4() && prefix.Addr().IsGlobalUnicast() {
			return prefix.Addr(), nil
		}
	}
	return netip.Addr{}, errors.New("find an address for AWS's host names: this machine has none but loopback; give --dns-answer")
}

// hostCertificates makes a certificate for each host name of AWS that a client asks for. It is safe for
// concurrent use.
type hostCertificates struct {
	authority *certificate.Authority
	now       func() time.Time

	mu   sync.Mutex
	made map[string]*tls.Certificate
}

// maxCertificates bounds the certificates that clients can make the process keep.
const maxCertificates = 1000

func (c *hostCertificates) config() *tls.Config {
	return &tls.Config{GetCertificate: c.certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

func (c *hostCertificates) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := strings.ToLower(hello.ServerName)
	if !awshost.Is(host) {
		return nil, fmt.Errorf("%q is no host name of AWS", host)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.made[host]; ok && c.now().Before(known.Leaf.NotAfter) {
		return known, nil
	}
	made, err := c.authority.Server(c.now(), host)
	if err != nil {
		return nil, err
	}
	if c.made == nil || len(c.made) >= maxCertificates {
		c.made = map[string]*tls.Certificate{}
	}
	c.made[host] = &made
	return &made, nil
}

// hostsHandler passes requests on whose host is that of a served service, and refuses all others. Under AWS's own names it
// must be clear that the refusal is not AWS's.
func hostsHandler(served []string, next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, known := awshost.Parse(r.Host)
		if slices.Contains(served, name.Service) {
			next.ServeHTTP(w, r)
			return
		}
		log.Info("refused", "host", r.Host, "method", r.Method)
		what := fmt.Sprintf("the host %s is none of AWS's", r.Host)
		if known {
			what = fmt.Sprintf("epi's AWS emulator does not serve %s (host %s)", cmp.Or(name.Service, "this host"), r.Host)
		}
		refuseHost(w, r, what+"; it serves "+strings.Join(served, ", ")+". Nothing was sent to AWS.")
	})
}

// codeNotServed is not one of AWS's codes.
const codeNotServed = "ServiceNotEmulated"

// refuseHost answers with 421 (RFC 9110, 15.5.20), which SDKs do not retry, in the form of errors of the request's
// protocol.
func refuseHost(w http.ResponseWriter, r *http.Request, message string) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // an unreadable type is not JSON
	header := w.Header()
	header.Set("X-Amzn-Errortype", codeNotServed)
	if strings.HasSuffix(media, "json") || strings.HasPrefix(media, "application/x-amz-json") {
		header.Set("Content-Type", media)
		w.WriteHeader(http.StatusMisdirectedRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": codeNotServed, "message": message}) // the client has gone
		return
	}
	type refusal struct {
		Code, Message string
	}
	header.Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusMisdirectedRequest)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Error   refusal
	}{Error: refusal{codeNotServed, message}})
}
