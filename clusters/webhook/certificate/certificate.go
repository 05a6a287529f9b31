// Package certificate serves a TLS certificate from files and loads a new one without a restart.
package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// interval is how often the files are checked. Certificates are replaced days before they end, so events are not needed.
// The swapped links of a Secret volume would also make events hard to follow.
const interval = 10 * time.Second

// Pair is a certificate with its key. It is safe for concurrent use.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[loaded]
}

type loaded struct {
	certificate tls.Certificate
	pem         string
}

// Load reads certificate and key in PEM.
func Load(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, log: log}
	if err := p.read(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Pair) read() error {
	certificate, err := os.ReadFile(p.certFile)
	if err != nil {
		return fmt.Errorf("read TLS certificate: %w", err)
	}
	key, err := os.ReadFile(p.keyFile)
	if err != nil {
		return fmt.Errorf("read TLS key: %w", err)
	}
	content := string(certificate) + string(key)
	if current := p.current.Load(); current != nil && current.pem == content {
		return nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("read TLS certificate %s with key %s: %w", p.certFile, p.keyFile, err)
	}
	p.current.Store(&loaded{pair, content})
	p.log.Info("TLS certificate loaded", "file", p.certFile, "subject", pair.Leaf.Subject.String(), "expires", pair.Leaf.NotAfter)
	return nil
}

// Get is for tls.Config.GetCertificate.
func (p *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &p.current.Load().certificate, nil
}

// Follow loads replaced files until ctx ends. If certificate and key do not match, as during a replacement, the old pair
// stays.
func (p *Pair) Follow(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := p.read(); err != nil {
				p.log.Warn("TLS certificate cannot be renewed, keeping the old one", "error", err)
			}
		}
	}
}
