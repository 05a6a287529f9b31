package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Every size is measured as often as requested, half of the repeats before the largest size and half after it.
func TestItinerary(t *testing.T) {
	usual := []int{10, 1000}
	tests := []struct {
		largest, repeats int
		want             []sizeStep
	}{
		{10_000, 4, []sizeStep{{10, 2}, {1000, 2}, {10_000, 4}, {1000, 2}, {10, 2}}},
		{10_000, 3, []sizeStep{{10, 2}, {1000, 2}, {10_000, 3}, {1000, 1}, {10, 1}}},
		{10_000, 1, []sizeStep{{10, 1}, {1000, 1}, {10_000, 1}}},
		{1000, 2, []sizeStep{{10, 1}, {1000, 2}, {10, 1}}},
		{500, 2, []sizeStep{{10, 1}, {500, 2}, {10, 1}}},
		{5, 2, []sizeStep{{5, 2}}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d/%d", test.largest, test.repeats), func(t *testing.T) {
			if got := sizeSteps(usual, test.largest, test.repeats); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// A review can be read by strict decoders. Its pod has the form before the webhook: the service account's name, the API
// server's token in each container, and nothing of Pod Identity.
func TestReview(t *testing.T) {
	sent := applicationPod("team", "app-00001")
	body, err := review("uid-1", sent)
	if err != nil {
		t.Fatal(err)
	}
	var got admissionv1.AdmissionReview
	strictly(t, body, &got)
	request := got.Request
	if got.APIVersion != "admission.k8s.io/v1" || got.Kind != "AdmissionReview" || request == nil || got.Response != nil {
		t.Fatalf("got %s", body)
	}
	if request.UID != "uid-1" || request.Operation != admissionv1.Create || request.Kind.Kind != "Pod" || request.Resource.Resource != "pods" || request.Namespace != "team" {
		t.Errorf("got %+v", request)
	}
	var pod corev1.Pod
	strictly(t, request.Object.Raw, &pod)
	if pod.Kind != "Pod" || pod.Spec.ServiceAccountName != "app-00001" || len(pod.Spec.Containers) != 2 || len(pod.Spec.InitContainers) != 1 {
		t.Errorf("got %+v", pod)
	}
	if len(pod.Spec.Volumes) != 1 || pod.Spec.Volumes[0].Projected == nil {
		t.Errorf("volumes %+v, want the token for the API server", pod.Spec.Volumes)
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if len(container.VolumeMounts) != 1 || len(container.Env) != 1 {
			t.Errorf("container %s has %+v and %+v", container.Name, container.VolumeMounts, container.Env)
		}
	}
	if len(sent.Spec.Volumes)+len(sent.Spec.Containers[0].VolumeMounts) != 0 {
		t.Error("the pod that was sent was changed")
	}
	// The request of the upstream measurements, which had a smaller pod, has 1,259 bytes.
	if len(body) < 1200 || len(body) > 5000 {
		t.Errorf("%d bytes", len(body))
	}
}

func strictly(t *testing.T, data []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}

func TestMutated(t *testing.T) {
	for body, want := range map[string]bool{
		`{"response":{"uid":"1","allowed":true,"patch":"W10="}}`:  true,
		`{"response":{"uid":"1","allowed":true}}`:                 false, // an account without an association
		`{"response":{"uid":"1","allowed":false,"patch":"W10="}}`: false,
		`{"response":null}`: false,
		`Not Found`:         false,
	} {
		if got := mutated(body); got != want {
			t.Errorf("%s: %t", body, got)
		}
	}
}

func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"429":     fmt.Errorf("create: %w", apierrors.NewTooManyRequests("slow down", 1)),
		"network": errors.New("connection refused"),
	} {
		if got := reason(err); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}
