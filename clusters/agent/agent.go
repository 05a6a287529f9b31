package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters/agent/cache"
	"github.com/podidentity/epi/clusters/agent/credentials"
	"github.com/podidentity/epi/clusters/agent/neighbors"
	"github.com/podidentity/epi/clusters/agent/probe"
	"github.com/podidentity/epi/clusters/agent/upstream"
	"github.com/podidentity/epi/clusters/agent/validation"
)

const (
	// requestTimeout bounds reading a request and writing its answer.
	requestTimeout = 30 * time.Second
	// idleTimeout ends connections that pods leave open.
	idleTimeout = 2 * time.Minute
	// drainTimeout is how long requests in progress may take at the end. It is within a pod's usual grace of 30 s.
	drainTimeout = 28 * time.Second
	// maxHeader is larger than any service account token.
	maxHeader = 64 << 10
)

// Options configure the agent's server.
type Options struct {
	// Cluster is the EKS name of the cluster.
	Cluster string
	// Endpoint of EKS Auth; empty means AWS's own, or AWS_ENDPOINT_URL_EKS_AUTH.
	Endpoint string
	// Hosts are the addresses to listen on, each of which must exist. Without any, the agent listens on its own two
	// addresses, and the IPv6 one may be missing.
	Hosts []string
	Port  uint16
	// ProbePort on 127.0.0.1 and ::1 answers /healthz and /readyz.
	ProbePort uint16
	// MetricsAddress:MetricsPort answers /metrics.
	MetricsAddress string
	MetricsPort    uint16
	// CacheSize is in tokens. Retention is how long credentials are kept before they are renewed. If either is zero,
	// nothing is cached.
	CacheSize int
	Retention time.Duration
	// RenewalsPerSecond bounds the calls to EKS Auth in the background.
	RenewalsPerSecond int
	// Waiting is the largest number of waiting requests. More get 429 at once. Requests that the cache answers do not wait.
	Waiting int
	// Calls is the largest number of simultaneous calls to EKS Auth for requests. More wait for one of them.
	Calls int
	// Upstream makes the agent behave like the EKS agent v0.1.37, also where that is worse: see package upstream. Waiting
	// and Calls are then ignored.
	Upstream bool
}

// Run serves until ctx ends, and then lets requests in progress finish.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	if options.Cluster == "" {
		return errors.New("no cluster name: set --cluster-name")
	}
	cfg, err := credentials.NodeConfig(ctx)
	if err != nil {
		return err
	}
	registry := newRegistry()
	if options.Upstream {
		return runUpstream(ctx, cfg, options, registry, log)
	}
	store, err := cache.New(credentials.NewClient(cfg, options.Cluster, options.Endpoint), cache.Options{
		Entries: options.CacheSize, Retention: options.Retention, RenewalsPerSecond: options.RenewalsPerSecond,
		Waiting: options.Waiting, Calls: options.Calls, Neighbors: neighbors.New(),
		Metrics: registry, Log: log,
	})
	if err != nil {
		return err
	}
	handler := newHandler(store, newResponses(registry, "200"), log)
	return run(ctx, cfg.Region, options, registry, log, func() http.Handler { return handler },
		store.Run, func(ctx context.Context) { trim(ctx, store.Bursts(), store.Idle(), &collector{}) })
}

// runUpstream serves each address from a cache of its own, as the EKS agent does.
func runUpstream(ctx context.Context, cfg aws.Config, options Options, registry *prometheus.Registry, log *slog.Logger) error {
	client := credentials.NewClient(cfg, options.Cluster, options.Endpoint, credentials.Upstream)
	metrics, responses := upstream.NewMetrics(registry), newResponses(registry)
	var caches errgroup.Group
	defer func() { _ = caches.Wait() }() // they log their own errors
	return run(ctx, cfg.Region, options, registry, log, func() http.Handler {
		store := upstream.New(client, upstream.Options{
			Entries: options.CacheSize, Retention: options.Retention, RenewalsPerSecond: options.RenewalsPerSecond, Metrics: metrics, Log: log,
		})
		caches.Go(func() error {
			store.Run(ctx)
			return nil
		})
		return upstream.Limit(newHandler(store, responses, log))
	})
}

// run serves pods, probes and metrics. newHandler makes the handler for an address.
func run(ctx context.Context, region string, options Options, registry *prometheus.Registry, log *slog.Logger,
	newHandler func() http.Handler, background ...func(context.Context),
) error {
	var s servers
	defer s.close()
	pods, err := s.listenForPods(ctx, options, newHandler, log)
	if err != nil {
		return err
	}
	health := http.NewServeMux()
	health.Handle("/healthz", probe.New(pods, log))
	health.Handle("/readyz", probe.New(pods, log))
	if err := s.listen(ctx, net.JoinHostPort("127.0.0.1", port(options.ProbePort)), health, log); err != nil {
		return err
	}
	// The kubelet's "localhost" may be ::1. A node without IPv6 has only 127.0.0.1.
	if err := s.listen(ctx, net.JoinHostPort("::1", port(options.ProbePort)), health, log); err != nil {
		log.DebugContext(ctx, "No probes over IPv6", "error", err)
	}
	metrics := http.NewServeMux()
	metrics.Handle("/metrics", metricsHandler(registry))
	if err := s.listen(ctx, net.JoinHostPort(options.MetricsAddress, port(options.MetricsPort)), metrics, log); err != nil {
		return err
	}
	log.InfoContext(ctx, "Serving credentials", "addresses", pods, "cluster", options.Cluster, "region", region, "upstream", options.Upstream)
	return s.serve(ctx, background...)
}

func port(number uint16) string { return strconv.Itoa(int(number)) }

// servers are HTTP servers with their listeners.
type servers struct {
	listeners []net.Listener
	servers   []*http.Server
}

// listenForPods listens on the addresses for pods.
func (s *servers) listenForPods(ctx context.Context, options Options, newHandler func() http.Handler, log *slog.Logger) ([]string, error) {
	hosts, optional := options.Hosts, ""
	if len(hosts) == 0 {
		hosts, optional = []string{validation.IPv4, validation.IPv6}, validation.IPv6
	}
	var serving []string
	for _, host := range hosts {
		address := net.JoinHostPort(strings.Trim(host, "[]"), port(options.Port))
		err := s.listen(ctx, address, newHandler(), log)
		switch {
		case err == nil:
			serving = append(serving, address)
		case host == optional:
			log.WarnContext(ctx, "No IPv6 address to serve pods on, going on without", "error", err)
		default:
			return nil, fmt.Errorf("%w (has `epi-agent initialize` run on this node?)", err)
		}
	}
	return serving, nil
}

func (s *servers) listen(ctx context.Context, address string, handler http.Handler, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve on %s: %w", address, err)
	}
	s.listeners = append(s.listeners, listener)
	s.servers = append(s.servers, &http.Server{
		Handler: handler, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})
	return nil
}

// serve runs the servers and the background work until ctx ends or one of them fails.
func (s *servers) serve(ctx context.Context, background ...func(context.Context)) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, work := range background {
		group.Go(func() error {
			work(ctx)
			return nil
		})
	}
	for n, server := range s.servers {
		group.Go(func() error {
			if err := server.Serve(s.listeners[n]); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve on %s: %w", s.listeners[n].Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			if err := server.Shutdown(drain); err != nil {
				return fmt.Errorf("finish requests on %s: %w", s.listeners[n].Addr(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// close frees the addresses if serving never began. Listeners that were served are closed already.
func (s *servers) close() {
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
}
