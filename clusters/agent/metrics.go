package agent

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// responses counts answers to requests for credentials.
type responses struct {
	ok  prometheus.Counter
	all *prometheus.CounterVec
}

func newResponses(registerer prometheus.Registerer) responses {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_http_response",
		Help: "Answers to requests for credentials, by HTTP status code.",
	}, []string{"code"})
	registerer.MustRegister(all)
	return responses{ok: all.WithLabelValues("200"), all: all}
}

func (r responses) count(status int) { r.all.WithLabelValues(strconv.Itoa(status)).Inc() }
