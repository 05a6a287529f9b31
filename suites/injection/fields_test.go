package injection

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/workload"
)

// notFilled are the fields that not every pod of the suites can have.
var notFilled = map[string]string{
	"RestartPolicyRules": "since Kubernetes 1.34, behind a feature gate",
	"RestartPolicy":      "of native sidecars only, before Kubernetes 1.34",
}

// A field that a new Kubernetes adds to containers has to be in the pod of INJ-04, or to have a reason.
func TestFilledForgetsNoField(t *testing.T) {
	pod := workload.NewPod(&framework.Env{Environment: &clusters.Environment{ProbeImage: "probe"}}, "ns", "reader", append(everyKind(), filled)...)
	for _, container := range pod.Spec.Containers {
		value := reflect.ValueOf(container)
		for i := range value.NumField() {
			name := value.Type().Field(i).Name
			if _, excused := notFilled[name]; value.Field(i).IsZero() != excused {
				t.Errorf("container %s: field %s is zero: %t", container.Name, name, value.Field(i).IsZero())
			}
		}
	}
	var sidecars int
	for _, container := range pod.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars++
		}
	}
	if sidecars != 1 {
		t.Errorf("%d native sidecars", sidecars)
	}
}
