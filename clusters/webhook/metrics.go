package webhook

import (
	"net/http"
	"strconv"
	"time"

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

// instrument counts the requests of one path under upstream's names, in upstream's microseconds.
func instrument(path string, next http.Handler, registerer prometheus.Registerer) http.Handler {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_request_count",
		Help: "Requests by verb, path and response code.",
	}, []string{"verb", "path", "code"})
	latencies := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_latencies",
		Help: "Distribution of response times in microseconds by verb and path.",
		// From 125 µs to 16 s. Upstream's buckets begin at 125 ms, above nearly every answer.
		Buckets: prometheus.ExponentialBuckets(125, 2, 18),
	}, []string{"verb", "path"})
	durations := prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "http_request_duration_microseconds",
		Help: "Sum and number of response times in microseconds by verb and path.",
	}, []string{"verb", "path"})
	registerer.MustRegister(requests, latencies, durations)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started, recorder := time.Now(), &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		took := float64(time.Since(started).Microseconds())
		verb := verbOf(r.Method)
		requests.WithLabelValues(verb, path, strconv.Itoa(recorder.status)).Inc()
		latencies.WithLabelValues(verb, path).Observe(took)
		durations.WithLabelValues(verb, path).Observe(took)
	})
}

// verbOf bounds the number of series, because a client can send any method.
func verbOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "OTHER"
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController, which http.MaxBytesReader needs to close connections.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
