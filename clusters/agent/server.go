// Package agent is epi's reference implementation of the EKS Pod Identity Agent: it trades the
// projected token of a pod for AWS credentials and keeps them until they are renewed.
//
// It answers as the EKS agent does, status by status and body by body
// (github.com/aws/eks-pod-identity-agent, v0.1.37), with three deliberate differences: those who
// wait for another's fetch get its answer at once instead of polling, also when it is an error; all
// listeners share one cache; and a node without IPv6 is served over IPv4.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// CredentialsPath is where pods ask for credentials.
const CredentialsPath = "/v1/credentials"

const (
	serverTimeout = 30 * time.Second
	// requestRate and requestBurst bound the requests of all pods of a node.
	requestRate  = 1000
	requestBurst = 500
)

// Options configure the agent's server.
type Options struct {
	// Cluster is the EKS name of the cluster.
	Cluster string
	// Endpoint of EKS Auth; empty means AWS's own.
	Endpoint string
	// Hosts are the addresses to serve; a host that was not asked for by name may be missing.
	Hosts []string
	// HostsGiven says that the user named the hosts: each must be there.
	HostsGiven bool
	Port       int
	// ProbePort serves health and readiness on localhost, MetricsAddress:MetricsPort the metrics.
	ProbePort      int
	MetricsAddress string
	MetricsPort    int
	// CacheSize in tokens, Retention of credentials before they are renewed; 0 turns caching off.
	CacheSize int
	Retention time.Duration
	// RenewalQPS bounds the calls to EKS Auth for renewals, a second.
	RenewalQPS int
}

// Validate refuses options under which a full cache could not be renewed in time.
func (o Options) Validate() error {
	if o.Cluster == "" {
		return errors.New("no cluster name: set --cluster-name")
	}
	if o.CacheSize > 0 && o.Retention > 0 && float64(o.RenewalQPS)*o.Retention.Seconds() < float64(o.CacheSize)/2 {
		return fmt.Errorf("a cache of %d cannot be renewed within %s at %d calls a second: lower --max-cache-size", o.CacheSize, o.Retention, o.RenewalQPS)
	}
	return nil
}

// Run serves until ctx ends and then drains.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	if err := options.Validate(); err != nil {
		return err
	}
	source, err := newEKSAuth(ctx, options)
	if err != nil {
		return err
	}
	m := newMetrics()
	credentials, err := newCache(source, options.CacheSize, options.Retention, options.RenewalQPS, time.Now, log, m)
	if err != nil {
		return err
	}
	var servers []*http.Server
	var listeners []net.Listener
	listen := func(address string, handler http.Handler) error {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		listeners = append(listeners, listener)
		servers = append(servers, &http.Server{
			Handler: handler, ReadTimeout: serverTimeout, WriteTimeout: serverTimeout, IdleTimeout: 2 * time.Minute,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		})
		return nil
	}
	handler := newHandler(credentials, newValidator(options.Hosts, time.Now), m, time.Now, log)
	var serving []string
	for _, host := range options.Hosts {
		address := net.JoinHostPort(host, strconv.Itoa(options.Port))
		if err := listen(address, handler); err != nil {
			if options.HostsGiven || net.ParseIP(host).To4() != nil {
				return err
			}
			log.WarnContext(ctx, "address is not served", "address", address, "err", err)
			continue
		}
		serving = append(serving, address)
	}
	if err := listen(net.JoinHostPort("localhost", strconv.Itoa(options.ProbePort)), probeHandler(serving)); err != nil {
		return err
	}
	metricsMux := http.NewServeMux()
	metricsMux.Handle("/metrics", m.handler())
	if err := listen(net.JoinHostPort(options.MetricsAddress, strconv.Itoa(options.MetricsPort)), metricsMux); err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "addresses", serving, "cluster", options.Cluster)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { credentials.Run(ctx); return nil })
	for i, server := range servers {
		group.Go(func() error {
			if err := server.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", listeners[i].Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverTimeout)
			defer cancel()
			return server.Shutdown(drain)
		})
	}
	return group.Wait()
}

// newHandler serves the one path that pods know; its bodies and statuses are those of the EKS agent.
func newHandler(c *cache, v *validator, m *metrics, now func() time.Time, log *slog.Logger) http.Handler {
	limiter := rate.NewLimiter(requestRate, requestBurst)
	mux := http.NewServeMux()
	mux.HandleFunc(CredentialsPath, func(w http.ResponseWriter, r *http.Request) {
		if !limiter.Allow() {
			// As with the EKS agent, the limiter's refusals are not among the counted answers.
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
		token, err := v.token(r, now())
		var credentials Credentials
		if err == nil {
			credentials, err = c.Get(r.Context(), token)
		}
		if err != nil {
			status, text := relayed(err)
			m.response(status)
			log.WarnContext(r.Context(), "credentials refused", "status", status, "source", r.RemoteAddr)
			http.Error(w, text, status)
			return
		}
		body, err := json.Marshal(credentials)
		if err != nil {
			m.response(http.StatusInternalServerError)
			http.Error(w, "[]", http.StatusInternalServerError)
			return
		}
		m.response(http.StatusOK)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // the pod may have gone
		log.DebugContext(r.Context(), "credentials served", "source", r.RemoteAddr)
	})
	return mux
}

// probeHandler answers 200 if every served address answers 404 for a path that pods do not use.
func probeHandler(addresses []string) http.Handler {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	probe := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		for _, address := range addresses {
			if err := alive(ctx, client, address); err != nil {
				status := http.StatusInternalServerError
				if errors.Is(err, context.DeadlineExceeded) {
					status = http.StatusRequestTimeout
				}
				http.Error(w, err.Error(), status)
				return
			}
		}
		w.WriteHeader(http.StatusOK)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", probe)
	mux.HandleFunc("/readyz", probe)
	return mux
}

func alive(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", address, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("probe %s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1024))
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("probe %s: status %d", address, response.StatusCode)
	}
	return nil
}
