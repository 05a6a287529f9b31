// Package admission answers the API server's admission reviews, of admission.k8s.io/v1 and v1beta1,
// about pods that are to be created.
//
// Statuses and messages are those of amazon-eks-pod-identity-webhook 3bf80a34; the answer says that
// it is JSON, and a review that is too large is refused.
package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/clusters/webhook/injection"
)

// maxReview is the size of the largest review in bytes: an object of the API server's own limit for
// requests, 3 MiB, with room for what is around it.
const maxReview = 4 << 20

// Injector decides what a pod, in JSON, gets.
type Injector interface {
	Inject(ctx context.Context, namespace string, pod []byte) (injection.Result, error)
}

type handler struct {
	injector Injector
	injected *prometheus.CounterVec
	log      *slog.Logger
}

// New answers reviews with the injector's decisions. It registers the counter
// pod_identity_webhook_pod_count{method} of injected pods.
func New(injector Injector, registerer prometheus.Registerer, log *slog.Logger) http.Handler {
	pods := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pod_identity_webhook_pod_count",
		Help: "Pods that were injected, by method.",
	}, []string{"method"})
	registerer.MustRegister(pods)
	for _, method := range []injection.Method{injection.ContainerCredentials, injection.WebIdentity} {
		pods.WithLabelValues(string(method)) // 0 is told as well
	}
	return &handler{injector: injector, injected: pods, log: log}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(w, "Invalid Content-Type, expected `application/json`", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "read review: "+err.Error(), status)
		return
	}
	answer, err := json.Marshal(h.review(r, body))
	if err != nil {
		http.Error(w, "encode answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // the API server may have given up
}

// review is for both versions: their reviews have the same members.
func (h *handler) review(r *http.Request, body []byte) admissionv1.AdmissionReview {
	var review admissionv1.AdmissionReview
	if len(body) > 0 {
		if err := json.Unmarshal(body, &review); err != nil {
			return refused(review, fmt.Errorf("couldn't get version/kind; json parse error: %w", err))
		}
	}
	if review.Request == nil {
		return refused(admissionv1.AdmissionReview{}, errors.New("bad content"))
	}
	if version := review.APIVersion; review.Kind != "AdmissionReview" ||
		version != admissionv1.SchemeGroupVersion.String() && version != admissionv1beta1.SchemeGroupVersion.String() {
		return refused(review, fmt.Errorf("got kind %q of %q, expected AdmissionReview of %s or %s",
			review.Kind, version, admissionv1.SchemeGroupVersion, admissionv1beta1.SchemeGroupVersion))
	}
	if !concerns(review.Request) {
		return answer(review, &admissionv1.AdmissionResponse{Allowed: true})
	}
	if len(review.Request.Object.Raw) == 0 {
		return refused(review, errors.New("review has no object"))
	}
	result, err := h.injector.Inject(r.Context(), review.Request.Namespace, review.Request.Object.Raw)
	log := h.log.With("namespace", review.Request.Namespace, "pod", result.Pod, "serviceAccount", result.ServiceAccount)
	if err != nil {
		log.WarnContext(r.Context(), "Refused what is no pod", "error", err)
		return refused(review, err)
	}
	response := &admissionv1.AdmissionResponse{Allowed: true}
	switch {
	case result.Method == injection.None:
		log.DebugContext(r.Context(), "Left pod alone: its service account has neither an association nor a role")
	case result.Patch == nil:
		log.InfoContext(r.Context(), "Left pod alone: it has what it needs", "method", result.Method)
	default:
		log.InfoContext(r.Context(), "Injected pod", "method", result.Method)
		h.injected.WithLabelValues(string(result.Method)).Inc()
		patchType := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = result.Patch, &patchType
	}
	return answer(review, response)
}

// concerns tells whether a review is about a pod to be created. The webhook's configuration asks
// for no others; a review that does not say what it is about is taken at its object.
func concerns(request *admissionv1.AdmissionRequest) bool {
	created := request.Operation == "" || request.Operation == admissionv1.Create
	pod := request.Kind.Kind == "" || request.Kind.Group == "" && request.Kind.Kind == "Pod"
	return created && pod && request.SubResource == ""
}

func refused(review admissionv1.AdmissionReview, reason error) admissionv1.AdmissionReview {
	return answer(review, &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: reason.Error()}})
}

// answer is in the version that the review came in.
func answer(review admissionv1.AdmissionReview, response *admissionv1.AdmissionResponse) admissionv1.AdmissionReview {
	if review.Request != nil {
		response.UID = review.Request.UID
	}
	return admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: response}
}
