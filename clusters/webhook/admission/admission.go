// Package admission answers the API server's admission reviews, of admission.k8s.io/v1 and v1beta1, about pods that are to
// be created.
//
// Statuses and messages are those of amazon-eks-pod-identity-webhook 3bf80a34; but the answer has the content type of JSON,
// and a review that is too large is refused.
package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"

	"github.com/podidentity/epi/clusters/webhook/injection"
)

// maxReview is the size of the largest review in bytes: an object of the API server's own limit for requests, 3 MiB, with
// room for the rest of the review.
const maxReview = 4 << 20

// Injector decides about the patch of a pod, which is in JSON.
type Injector interface {
	Inject(ctx context.Context, namespace string, pod []byte) (injection.Result, error)
}

type handler struct {
	injector    Injector
	injected    *prometheus.CounterVec
	log         *slog.Logger
	contentType string
}

// New answers reviews with the injector's decisions. It registers the counter
// pod_identity_webhook_pod_count{method} of injected pods.
func New(injector Injector, registerer prometheus.Registerer, log *slog.Logger) http.Handler {
	h := newReviewer(injector, registerer, log)
	for _, method := range []injection.Method{injection.ContainerCredentials, injection.WebIdentity} {
		h.injected.WithLabelValues(string(method)) // so that 0 is reported too
	}
	return h
}

// NewUpstream is New with the faults of upstream's webhook: it reports no counter before its first count, and its answers
// have the content type of text.
func NewUpstream(injector Injector, registerer prometheus.Registerer, log *slog.Logger) http.Handler {
	h := newReviewer(injector, registerer, log)
	h.contentType = "text/plain; charset=utf-8"
	return h
}

func newReviewer(injector Injector, registerer prometheus.Registerer, log *slog.Logger) *handler {
	pods := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_webhook_pod_count",
		Help: "Pods that were injected, by method.",
	}, []string{"method"})
	registerer.MustRegister(pods)
	return &handler{injector: injector, injected: pods, log: log, contentType: "application/json"}
}

// exchange has the buffers of a request, which are reused. Nothing in them is used after the request.
type exchange struct {
	body   bytes.Buffer
	answer []byte
}

var exchanges = sync.Pool{New: func() any { return &exchange{} }}

// largestKept is the capacity in bytes of the largest buffer that is reused.
const largestKept = 64 << 10

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r.Header.Get("Content-Type")) {
		http.Error(w, "Invalid Content-Type, expected `application/json`", http.StatusUnsupportedMediaType)
		return
	}
	x := exchanges.Get().(*exchange)
	defer func() {
		if max(x.body.Cap(), cap(x.answer)) <= largestKept {
			x.body.Reset()
			exchanges.Put(x)
		}
	}()
	if _, err := x.body.ReadFrom(http.MaxBytesReader(w, r.Body, maxReview)); err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "read review: "+err.Error(), status)
		return
	}
	x.answer = h.review(r.Context(), x.body.Bytes(), x.answer[:0])
	w.Header().Set("Content-Type", h.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(x.answer))) // otherwise it would be sent in chunks
	_, _ = w.Write(x.answer)                                      // the API server may have closed the connection
}

func isJSON(contentType string) bool {
	const want = "application/json"
	if contentType == want {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == want
}

// review appends the answer to out. It is for both versions, whose reviews have the same members.
func (h *handler) review(ctx context.Context, body, out []byte) []byte {
	var q question
	if len(body) > 0 {
		var err error
		if q, err = readQuestion(body); err != nil {
			return q.refusal(fmt.Errorf("couldn't get version/kind; json parse error: %w", err))
		}
	}
	request := q.request
	if request == nil {
		q.kind, q.apiVersion = "", ""
		return q.refusal(errors.New("bad content"))
	}
	if version := q.apiVersion; q.kind != "AdmissionReview" ||
		version != admissionv1.SchemeGroupVersion.String() && version != admissionv1beta1.SchemeGroupVersion.String() {
		return q.refusal(fmt.Errorf("got kind %q of %q, expected AdmissionReview of %s or %s",
			q.kind, version, admissionv1.SchemeGroupVersion, admissionv1beta1.SchemeGroupVersion))
	}
	if !request.concernsPods() {
		return q.answer(out, nil)
	}
	if len(request.object) == 0 {
		return q.refusal(errors.New("review has no object"))
	}
	result, err := h.injector.Inject(ctx, request.namespace, request.object)
	if err != nil {
		h.tell(ctx, slog.LevelWarn, "Refused what is no pod", request, result, slog.Any("error", err))
		return q.refusal(err)
	}
	method := slog.String("method", string(result.Method))
	switch {
	case result.Method == injection.None:
		h.tell(ctx, slog.LevelDebug, "Left pod alone: its service account has neither an association nor a role", request, result)
	case result.Patch == nil:
		h.tell(ctx, slog.LevelInfo, "Left pod alone: it has what it needs", request, result, method)
	default:
		h.tell(ctx, slog.LevelInfo, "Injected pod", request, result, method)
		h.injected.WithLabelValues(string(result.Method)).Inc()
	}
	return q.answer(out, result.Patch)
}

// tell logs the decision about a pod.
func (h *handler) tell(ctx context.Context, level slog.Level, message string, request *request, result injection.Result, more ...slog.Attr) {
	if h.log.Enabled(ctx, level) {
		about := []slog.Attr{slog.String("namespace", request.namespace), slog.String("pod", result.Pod), slog.String("serviceAccount", result.ServiceAccount)}
		h.log.LogAttrs(ctx, level, message, append(about, more...)...)
	}
}

// concernsPods says whether a request is about a pod to create. The webhook's configuration asks for no others. If a review
// does not name the kind, its object decides.
func (r *request) concernsPods() bool {
	created := r.operation == "" || r.operation == string(admissionv1.Create)
	pod := r.kind == "" || r.group == "" && r.kind == "Pod"
	return created && pod && r.subResource == ""
}
