package agent

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the agent's counters, under the names of the EKS agent.
type metrics struct {
	registry  *prometheus.Registry
	responses *prometheus.CounterVec
	states    *prometheus.CounterVec
	errors    *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		responses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pod_identity_http_response", Help: "Answers to requests for credentials by status code.",
		}, []string{"code"}),
		states: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pod_identity_cache_state", Help: "Cache events: miss (first fetch), hit (renewal), evicted (right lost).",
		}, []string{"state"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pod_identity_cache_errors", Help: "Errors of EKS Auth by type and code.",
		}, []string{"type", "code"}),
	}
	m.registry.MustRegister(m.responses, m.states, m.errors)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) response(status int) { m.responses.WithLabelValues(strconv.Itoa(status)).Inc() }

func (m *metrics) state(state string) { m.states.WithLabelValues(state).Inc() }

func (m *metrics) fetchError(err error) {
	var api smithy.APIError
	if errors.As(err, &api) {
		m.errors.WithLabelValues("api", api.ErrorCode()).Inc()
		return
	}
	m.errors.WithLabelValues("transport", "").Inc()
}
