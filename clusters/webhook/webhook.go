// Package webhook is epi's reference implementation of the mutating webhook of EKS Pod Identity: it
// gives pods whose service account has an association what an AWS SDK needs to ask the agent for
// credentials.
//
// It does as amazon-eks-pod-identity-webhook 3bf80a34 does in container-credentials mode, with its
// flags, ports and metrics' names. The packages below say where they do better: injection keeps
// unknown fields, identities follows ConfigMap volumes, certificate takes replaced files. IRSA, and
// with it everything that is read from service accounts, is not part of it.
//
// Nothing here knows epi: a subject must not know its examiner.
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

	"github.com/podidentity/epi/clusters/webhook/admission"
	"github.com/podidentity/epi/clusters/webhook/certificate"
	"github.com/podidentity/epi/clusters/webhook/identities"
	"github.com/podidentity/epi/clusters/webhook/injection"
)

const (
	requestTimeout = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	drainTimeout   = 10 * time.Second
)

// Options configure the webhook's server.
type Options struct {
	// ConfigFile is the container-credentials config file; its folder must be there.
	ConfigFile string
	// CertFile and KeyFile hold the certificate that the API server trusts, in PEM.
	CertFile, KeyFile string
	// MinTLSVersion is a constant of crypto/tls.
	MinTLSVersion uint16
	// Port answers /mutate, /healthz and /readyz over TLS, MetricsPort /metrics and /healthz without.
	Port, MetricsPort uint16
	Injection         injection.Settings
}

// Run serves until ctx ends, then lets requests under way finish.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	pair, err := certificate.Load(options.CertFile, options.KeyFile, log)
	if err != nil {
		return err
	}
	list := identities.New(options.ConfigFile, log)
	list.Load() // no pod that comes early is to miss what the file says
	registry := newRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "pod_identity_webhook_used",
		Help: "1 if any service account has an association, else 0.",
	}, func() float64 { return float64(min(list.Len(), 1)) }))
	injector := injection.New(list, options.Injection)

	secure := http.NewServeMux()
	secure.Handle("/mutate", instrument("/mutate", admission.New(injector, registry, log), registry))
	secure.HandleFunc("/healthz", healthy)
	secure.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if !list.Ready() {
			http.Error(w, "container credentials config was not read yet", http.StatusServiceUnavailable)
			return
		}
		healthy(w, r)
	})
	plain := http.NewServeMux()
	plain.Handle("/metrics", metricsHandler(registry))
	plain.HandleFunc("/healthz", healthy)

	secureListener, err := listen(ctx, options.Port)
	if err != nil {
		return err
	}
	plainListener, err := listen(ctx, options.MetricsPort)
	if err != nil {
		return errors.Join(err, secureListener.Close())
	}
	secureServer, plainServer := newServer(secure, log), newServer(plain, log)
	secureServer.TLSConfig = &tls.Config{MinVersion: options.MinTLSVersion, GetCertificate: pair.Get}
	log.InfoContext(ctx, "Serving admission reviews", "address", secureListener.Addr().String(), "metrics", plainListener.Addr().String())

	group, ctx := errgroup.WithContext(ctx)
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
	_, _ = io.WriteString(w, "ok") // whoever asked may have gone
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
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // handshakes that probes break off
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
