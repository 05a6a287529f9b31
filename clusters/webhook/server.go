// Package webhook is epi's reference implementation of the mutating webhook of EKS Pod Identity:
// it gives pods whose service account has an association the two variables and the projected token
// that an AWS SDK needs to ask the agent for credentials.
//
// Its patches are those of the EKS webhook (github.com/aws/amazon-eks-pod-identity-webhook), with
// three deliberate differences: fields that it does not know are kept; the swap of a ConfigMap
// volume is seen; and a replaced certificate is taken without a restart.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
)

// Options configure the webhook's server.
type Options struct {
	// ConfigFile is the container-credentials config file; its folder must exist.
	ConfigFile string
	// CertFile and KeyFile hold the certificate that the API server trusts.
	CertFile, KeyFile string
	MinTLSVersion     uint16
	Port, MetricsPort int
	Injection         Injection
}

// Spread is the random spread of token life times.
func Spread(most int64) int64 { return rand.Int64N(most + 1) }

func uidOf(in review) types.UID { return types.UID(in.Request.UID) }

type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	pods     *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_request_count", Help: "Requests by verb, path and status."}, []string{"verb", "path", "code"}),
		latency:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_latencies", Help: "Duration of requests in seconds."}, []string{"verb", "path"}),
		pods:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pod_identity_webhook_pod_count", Help: "Injected pods by method."}, []string{"method"}),
	}
	m.registry.MustRegister(m.requests, m.latency, m.pods)
	return m
}

func (m *metrics) injected() { m.pods.WithLabelValues("container_credentials").Inc() }

// watch counts the requests of one path.
func (m *metrics) watch(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		recorded := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorded, r)
		m.requests.WithLabelValues(r.Method, path, strconv.Itoa(recorded.status)).Inc()
		m.latency.WithLabelValues(r.Method, path).Observe(time.Since(started).Seconds())
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Run serves until ctx ends and then drains.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	identities := NewIdentities(options.ConfigFile, log)
	m := newMetrics()
	certificates := &certificates{certFile: options.CertFile, keyFile: options.KeyFile}
	if _, err := certificates.get(nil); err != nil {
		return err
	}
	var ready atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("/mutate", m.watch("/mutate", &handler{identities: identities, injection: options.Injection, metrics: m, log: log}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "container credentials config not read yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok"))
	})
	metricsMux := http.NewServeMux()
	metricsMux.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))

	listen := func(port int) (net.Listener, error) {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(port))
		if err != nil {
			return nil, fmt.Errorf("listen on port %d: %w", port, err)
		}
		return listener, nil
	}
	secure, err := listen(options.Port)
	if err != nil {
		return err
	}
	plain, err := listen(options.MetricsPort)
	if err != nil {
		return errors.Join(err, secure.Close())
	}
	secure = tls.NewListener(secure, &tls.Config{
		MinVersion: options.MinTLSVersion, GetCertificate: certificates.get, NextProtos: []string{"h2", "http/1.1"},
	})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return identities.Watch(ctx, func() { ready.Store(true) }) })
	for _, serving := range []struct {
		listener net.Listener
		handler  http.Handler
	}{{secure, mux}, {plain, metricsMux}} {
		server := &http.Server{
			Handler: serving.handler, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		}
		group.Go(func() error {
			if err := server.Serve(serving.listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", serving.listener.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			return server.Shutdown(drain)
		})
	}
	log.InfoContext(ctx, "serving", "port", options.Port, "metrics", options.MetricsPort, "config", options.ConfigFile)
	return group.Wait()
}

// certificates reads the certificate again when its file has changed.
type certificates struct {
	certFile, keyFile string

	mu       sync.Mutex
	modified time.Time
	current  *tls.Certificate
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.certFile)
	if err == nil && c.current != nil && info.ModTime().Equal(c.modified) {
		return c.current, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		if c.current != nil {
			return c.current, nil // half written: the next connection looks again
		}
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	c.current = &pair
	if info != nil {
		c.modified = info.ModTime()
	}
	return c.current, nil
}
