package cache

import "github.com/prometheus/client_golang/prometheus"

// metrics have upstream's names. "hit" counts renewals, as upstream's does. "served" counts requests that the cache
// answered, which upstream does not count.
type metrics struct {
	served, missed, renewed, evicted, gone prometheus.Counter
	failures                               *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) metrics {
	states := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_cache_state",
		Help: "Requests that were served from the cache or missed it, renewals (hit), evictions, and what was dropped because its pod is gone.",
	}, []string{"state"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_cache_errors",
		Help: "Failed renewals: Recoverable ones keep the credentials, NonRecoverable ones drop them.",
	}, []string{"type", "code"})
	registerer.MustRegister(states, failures)
	return metrics{
		served:   states.WithLabelValues("served"),
		missed:   states.WithLabelValues("miss"),
		renewed:  states.WithLabelValues("hit"),
		evicted:  states.WithLabelValues("evicted"),
		gone:     states.WithLabelValues("gone"),
		failures: failures,
	}
}
