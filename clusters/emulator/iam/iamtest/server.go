// Package iamtest serves services of the emulator to AWS SDK clients in tests. It verifies signatures and puts the caller
// into the context, as the emulator does.
package iamtest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/podidentity/epi/clusters/emulator/emulatortest/attempts"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// The administrator's key, the account and the region.
const (
	AccessKeyID     = "AKIAADMINISTRATOR000"
	SecretAccessKey = "not a secret"
	AccountID       = "123456789012"
	Region          = "us-west-2"
)

// Service is a handler with its function for refused signatures.
type Service struct {
	Handler http.Handler
	Refuse  func(http.ResponseWriter, *http.Request, *sigv4.Error)
	// MaxBody is in bytes; 0 means sigv4's default.
	MaxBody int64
}

// Server is a running set of services over one set of accounts.
type Server struct {
	URL      string
	Accounts *iam.Accounts
	// Journal has the calls. It has a call before the client has read the whole answer.
	Journal *journal.Ring

	services map[string]Service
	verifier *sigv4.Verifier
}

// New serves services, by their signing names, until the test ends. Unsigned requests go to the service "". build makes the
// services over the accounts.
func New(t testing.TB, now func() time.Time, build func(*iam.Accounts) map[string]Service) *Server {
	t.Helper()
	return NewWith(t, iam.Options{Now: now}, build)
}

// NewWith is New with options for the accounts. AccountID names the first one.
func NewWith(t testing.TB, options iam.Options, build func(*iam.Accounts) map[string]Service) *Server {
	t.Helper()
	options.AccountID = AccountID
	accounts, err := iam.NewAccounts(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.CreateAdministrator("epi-admin", AccessKeyID, SecretAccessKey); err != nil {
		t.Fatal(err)
	}
	s := &Server{Accounts: accounts, Journal: journal.NewRing(1000), services: build(accounts)}
	limits := map[string]int64{}
	for name, service := range s.services {
		if service.MaxBody > 0 {
			limits[name] = service.MaxBody
		}
	}
	s.verifier = sigv4.NewVerifier(accounts, sigv4.Options{Now: options.Now, MaxBody: limits})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &journal.Call{RequestID: "11111111-2222-3333-4444-555555555555"}
	r = r.WithContext(journal.NewContext(r.Context(), call))
	defer func() { s.Journal.Add(*call) }()
	_, name, _ := sigv4.Scope(r)
	service, ok := s.services[name]
	if !ok {
		http.Error(w, "no service "+name, http.StatusTeapot)
		return
	}
	identity, err := s.verifier.Verify(r)
	refusal, refused := errors.AsType[*sigv4.Error](err)
	environment := iam.EnvironmentOf(r, Region)
	if refused && refusal.Kind == sigv4.MissingAuthentication {
		service.Handler.ServeHTTP(w, r.WithContext(iam.WithEnvironment(r.Context(), &environment)))
		return
	}
	if refused {
		service.Refuse(w, r, refusal)
		return
	}
	principal, _ := s.Accounts.Principal(r.Context(), identity.AccessKeyID, identity.SessionToken)
	environment.Region = identity.Region
	service.Handler.ServeHTTP(w, r.WithContext(iam.WithCaller(r.Context(), &iam.Caller{
		Principal: principal, AccessKeyID: identity.AccessKeyID, Environment: environment,
	})))
}

// LastCall returns the newest call.
func (s *Server) LastCall(t testing.TB) journal.Call {
	t.Helper()
	calls, _ := s.Journal.After(0)
	if len(calls) == 0 {
		t.Fatal("no call")
	}
	return calls[len(calls)-1]
}

// Config makes the configuration of clients with the given credentials. They do not retry what was answered.
func (s *Server) Config(accessKeyID, secretAccessKey, sessionToken string) aws.Config {
	return aws.Config{
		Region: Region, BaseEndpoint: aws.String(s.URL), Retryer: attempts.UntilAnswered,
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, sessionToken),
	}
}

// Admin makes the configuration of the administrator's clients.
func (s *Server) Admin() aws.Config { return s.Config(AccessKeyID, SecretAccessKey, "") }
