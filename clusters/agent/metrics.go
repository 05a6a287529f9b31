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
	ok  prometheus.Counter // nil until its first count
	all *prometheus.CounterVec
}

// newResponses also reports the series of codes before their first count.
func newResponses(registerer prometheus.Registerer, codes ...string) responses {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_http_response",
		Help: "Answers to requests for credentials, by HTTP status code.",
	}, []string{"code"})
	registerer.MustRegister(all)
	r := responses{all: all}
	for _, code := range codes {
		counter := all.WithLabelValues(code)
		if code == strconv.Itoa(http.StatusOK) {
			r.ok = counter // nearly all answers have this status, so it is not looked up
		}
	}
	return r
}

func (r responses) count(status int) {
	if status == http.StatusOK && r.ok != nil {
		r.ok.Inc()
		return
	}
	r.all.WithLabelValues(strconv.Itoa(status)).Inc()
}
