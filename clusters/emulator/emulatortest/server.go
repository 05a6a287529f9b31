// Package emulatortest runs the whole emulator for tests that use it over HTTP, as AWS clients do. It creates what those
// tests start from: callers, roles, buckets, clusters and tokens.
package emulatortest

import (
	"context"
	"crypto/elliptic"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/emulatortest/attempts"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

// The emulator's account and region, the administrator's key, and the issuer of service account tokens.
const (
	Region  = "us-west-2"
	Account = "123456789012"
	// Member is a second account. Account may assume its administrator role.
	Member          = "210987654321"
	NodeRole        = "epi-node"
	AccessKeyID     = "AKIAEPIEXAMPLE000000"
	SecretAccessKey = "administrators-secret-access-key-000000"
	Issuer          = "https://kubernetes.default.svc.cluster.local"
)

// Server is an emulator that listens on 127.0.0.1 until its test ends.
type Server struct {
	Emulator *emulator.Emulator
	// URL is the URL of all AWS services. TLS serves the same with a certificate that TLS.Client trusts. MetadataURL is the
	// URL of the instance metadata service.
	URL         string
	TLS         *httptest.Server
	MetadataURL string
	Control     *control.Client
	// HTTP is the transport of the clients that the server makes.
	HTTP *http.Client

	tokens oidctest.Issuer

	mu     sync.Mutex
	offset time.Duration
}

// Start runs an emulator.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, func(*emulator.Options) {})
}

// StartWith runs an emulator with changed options.
func StartWith(t testing.TB, change func(*emulator.Options)) *Server {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	t.Cleanup(transport.CloseIdleConnections)
	s := &Server{HTTP: &http.Client{Transport: transport}}
	const controlToken, syncToken = "token-of-the-harness", "token-to-sync"
	options := emulator.Options{
		Region: Region, Account: Account, NodeRole: NodeRole, AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey,
		Members: []string{Member}, ControlToken: controlToken, SyncToken: syncToken, Now: s.Now,
	}
	change(&options)
	var err error
	s.Emulator, err = emulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := s.Emulator.ControlHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Emulator.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done //nolint:errcheck // how it ends is for the tests of Run
	})
	s.tokens = oidctest.Issuer{Key: oidctest.EC(elliptic.P256())}
	s.URL = listen(t, s.Emulator.Handler()).URL
	s.MetadataURL = listen(t, s.Emulator.MetadataHandler()).URL
	s.Control = control.New(listen(t, handler).URL, controlToken)
	s.TLS = httptest.NewTLSServer(s.Emulator.Handler())
	t.Cleanup(s.TLS.Close)
	return s
}

func listen(t testing.TB, handler http.Handler) *httptest.Server {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// Now is the emulator's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
}

// SetClock sets the emulator's clock to that much after the real one. AWS SDKs sign with the real clock.
func (s *Server) SetClock(offset time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = offset
}

// Config is the configuration of a caller's SDK clients. Clients send their input unchecked, so input that the SDK would
// refuse reaches the emulator.
func (s *Server) Config(provider aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: Region, BaseEndpoint: &s.URL, Credentials: provider, HTTPClient: s.HTTP, Retryer: attempts.UntilAnswered,
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			// Not every operation has this step.
			_, _ = stack.Initialize.Remove("OperationInputValidation")
			return nil
		}},
	}
}
