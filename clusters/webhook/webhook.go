// Package webhook is epi's reference implementation of the mutating webhook of EKS Pod Identity. A pod whose service
// account has an association gets what an AWS SDK needs to ask the agent for credentials. A pod whose service account is
// annotated with a role gets what the SDK needs to ask STS (IAM roles for service accounts).
//
// It behaves like amazon-eks-pod-identity-webhook 3bf80a34, with its flags, ports and names of metrics. The packages below
// it document their improvements: injection keeps unknown fields, identities follows ConfigMap volumes, and certificate
// loads replaced files. Three things are not part of it: certificates signed by the cluster, roles by name instead of ARN,
// and roles listed in a ConfigMap.
//
// This package imports nothing of epi's tests: a subject must not depend on what tests it.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/podidentity/epi/clusters/webhook/admission"
	"github.com/podidentity/epi/clusters/webhook/certificate"
	"github.com/podidentity/epi/clusters/webhook/identities"
	"github.com/podidentity/epi/clusters/webhook/injection"
	"github.com/podidentity/epi/clusters/webhook/serviceaccounts"
)

const (
	requestTimeout = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	drainTimeout   = 10 * time.Second
	// syncTimeout is how long the start waits for the service accounts. Pod Identity works without them.
	syncTimeout = 5 * time.Second
)

// Options configure the webhook's server.
type Options struct {
	// ConfigFile is the container-credentials config file. Its folder must exist.
	ConfigFile string
	// CertFile and KeyFile hold the certificate that the API server trusts, in PEM.
	CertFile, KeyFile string
	// MinTLSVersion is a constant of crypto/tls.
	MinTLSVersion uint16
	// Port serves /mutate, /healthz and /readyz over TLS. MetricsPort serves /metrics and /healthz without TLS.
	Port, MetricsPort uint16
	// API is the server whose service accounts are watched. If it is nil, annotations of service accounts do not count.
	API *rest.Config
	// AccountGrace is how long a pod's review waits for an unknown service account.
	AccountGrace time.Duration
	Injection    injection.Settings
	// Upstream makes the webhook behave like the EKS webhook of August 2026, also where that is worse: a metric appears
	// with its first count, and containers lose unknown fields.
	Upstream bool
}

// accounts is the part of service accounts that Run needs.
type accounts interface {
	injection.ServiceAccounts
	Run(ctx context.Context)
	WaitSynced(ctx context.Context, atMost time.Duration) bool
	Synced() bool
	Any(annotation string) bool
}

func (o Options) accounts(registry *prometheus.Registry, log *slog.Logger) (accounts, error) {
	if o.API == nil {
		log.Warn("No API server is known, so service accounts are not watched: no role of theirs is injected")
		return serviceaccounts.None{}, nil
	}
	client, err := serviceaccounts.NewClient(o.API)
	if err != nil {
		return nil, err
	}
	return serviceaccounts.New(client, o.AccountGrace, registry, log)
}

// Run serves until ctx ends, and then lets requests in progress finish.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pair, err := certificate.Load(options.CertFile, options.KeyFile, log)
	if err != nil {
		return err
	}
	list := identities.New(options.ConfigFile, log)
	list.Load() // so that the file counts for the first pod too
	registry := newRegistry()
	known, err := options.accounts(registry, log)
	if err != nil {
		return err
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pod_identity_webhook_used",
		Help: "1 if any service account has an association or a role, else 0.",
	}, func() float64 {
		if list.Len() > 0 || known.Any(options.Injection.RoleAnnotation()) {
			return 1
		}
		return 0
	}))
	options.Injection.KnownFieldsOnly = options.Upstream
	injector := injection.New(list, known, options.Injection)
	newAdmission := admission.New
	if options.Upstream {
		newAdmission = admission.NewUpstream
	}

	secure := http.NewServeMux()
	secure.Handle("/mutate", instrument("/mutate", newAdmission(injector, registry, log), registry))
	secure.HandleFunc("/healthz", healthy)
	secure.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !list.Ready():
			http.Error(w, "container credentials config was not read yet", http.StatusServiceUnavailable)
		case !known.Synced():
			http.Error(w, "service accounts are not known yet", http.StatusServiceUnavailable)
		default:
			healthy(w, r)
		}
	})
	plain := http.NewServeMux()
	plain.Handle("/metrics", metricsHandler(registry))
	plain.HandleFunc("/healthz", healthy)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		known.Run(ctx)
		return nil
	})
	// A client that uses only /healthz takes a listening webhook for a ready one.
	if !known.WaitSynced(ctx, syncTimeout) {
		log.WarnContext(ctx, "Service accounts are not known yet, serving without", "after", syncTimeout.String())
	}
	secureListener, err := listen(ctx, options.Port)
	if err != nil {
		return err
	}
	plainListener, err := listen(ctx, options.MetricsPort)
	if err != nil {
		return errors.Join(err, secureListener.Close())
	}
	secureServer, plainServer := newServer(secure, log), newServer(plain, log)
	secureServer.TLSConfig = &tls.Config{
		MinVersion: options.MinTLSVersion, GetCertificate: pair.Get,
		// An answer is one TLS record and one write, also on a new connection.
		DynamicRecordSizingDisabled: true,
	}
	log.InfoContext(ctx, "Serving admission reviews", "address", secureListener.Addr().String(), "metrics", plainListener.Addr().String())

	group.Go(func() error { return list.Watch(ctx) })
	group.Go(func() error {
		pair.Follow(ctx)
		return nil
	})
	serve(ctx, group, secureServer, func() error { return secureServer.ServeTLS(secureListener, "", "") })
	serve(ctx, group, plainServer, func() error { return plainServer.Serve(plainListener) })
	return group.Wait()
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok") // the client may have closed the connection
}

func listen(ctx context.Context, port uint16) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return nil, fmt.Errorf("serve on port %d: %w", port, err)
	}
	return listener, nil
}

func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // errors of handshakes that probes do not finish
	}
}

// serve runs a server in the group until ctx ends.
func serve(ctx context.Context, group *errgroup.Group, server *http.Server, run func() error) {
	group.Go(func() error {
		if err := run(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			return fmt.Errorf("finish requests: %w", err)
		}
		return nil
	})
}
