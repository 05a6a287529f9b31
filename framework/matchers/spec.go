package matchers

import (
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
)

// BeTheSameSpecAs holds of a corev1.PodSpec that differs from want only in its service account. An empty list is the same
// as none. The failure shows the difference.
func BeTheSameSpecAs(want corev1.PodSpec) types.GomegaMatcher {
	return &check[corev1.PodSpec]{
		expected: "the pod's specification as it was",
		holds: func(got corev1.PodSpec) (bool, string) {
			diff := cmp.Diff(want, got, cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(corev1.PodSpec{}, "ServiceAccountName", "DeprecatedServiceAccount"))
			return diff == "", "this difference (- was, + is):\n" + diff
		},
	}
}
