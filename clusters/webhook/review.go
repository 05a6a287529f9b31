package webhook

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxReview bounds the body of a review; the API server's own limit for requests is 3 MiB.
const maxReview = 4 << 20

// review is an AdmissionReview request of either version: their fields are the same, and the answer
// carries the version that it was sent with.
type review struct {
	metav1.TypeMeta `json:",inline"`
	Request         *struct {
		UID       string          `json:"uid"`
		Namespace string          `json:"namespace"`
		Object    json.RawMessage `json:"object"`
	} `json:"request"`
}

type handler struct {
	identities *Identities
	injection  Injection
	metrics    *metrics
	log        *slog.Logger
}

// ServeHTTP answers an admission review of a pod. What cannot be injected is admitted as it is or
// refused as the EKS webhook does; it never fails the API server's call.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "Invalid Content-Type, expected `application/json`", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := json.Marshal(h.review(r, body))
	if err != nil {
		http.Error(w, "encode response: "+err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(answer) // the API server may have given up
}

func (h *handler) review(r *http.Request, body []byte) admissionv1.AdmissionReview {
	if len(body) == 0 {
		return refusal("bad content")
	}
	var in review
	if err := json.Unmarshal(body, &in); err != nil {
		return refusal("couldn't get version/kind; json parse error: " + err.Error())
	}
	if in.Request == nil {
		return refusal("bad content")
	}
	out := admissionv1.AdmissionReview{TypeMeta: in.TypeMeta, Response: &admissionv1.AdmissionResponse{Allowed: true}}
	out.Response.UID = uidOf(in)
	var pod struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Spec struct {
			ServiceAccountName string `json:"serviceAccountName"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(in.Request.Object, &pod); err != nil {
		out.Response.Allowed = false
		out.Response.Result = &metav1.Status{Message: "decode pod: " + err.Error()}
		return out
	}
	namespace := in.Request.Namespace
	if namespace == "" {
		namespace = pod.Metadata.Namespace
	}
	if !h.identities.Has(Identity{Namespace: namespace, ServiceAccount: pod.Spec.ServiceAccountName}) {
		return out
	}
	patch, err := h.injection.Patch(in.Request.Object)
	if err != nil {
		out.Response.Allowed = false
		out.Response.Result = &metav1.Status{Message: err.Error()}
		return out
	}
	jsonPatch := admissionv1.PatchTypeJSONPatch
	out.Response.Patch, out.Response.PatchType = patch, &jsonPatch
	h.metrics.injected()
	h.log.InfoContext(r.Context(), "pod injected", "namespace", namespace, "serviceAccount", pod.Spec.ServiceAccountName)
	return out
}

func refusal(message string) admissionv1.AdmissionReview {
	return admissionv1.AdmissionReview{Response: &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: message}}}
}
