package matchers

import (
	"fmt"

	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/podidentity/epi/framework/probe"
)

// BeTokenOf holds of a probe.Token that is bound to exactly this pod and to its service account.
func BeTokenOf(pod *corev1.Pod) types.GomegaMatcher {
	subject := "system:serviceaccount:" + pod.Namespace + ":" + pod.Spec.ServiceAccountName
	return &check[probe.Token]{
		expected: fmt.Sprintf("a token of %s, bound to pod %s (%s)", subject, pod.Name, pod.UID),
		holds: func(token probe.Token) (bool, string) {
			if token.Failure != nil {
				return false, fmt.Sprintf("no token from %q: %s", token.File, token.Failure.Message)
			}
			c := token.Claims
			holds := c.Subject == subject && c.Namespace == pod.Namespace &&
				c.ServiceAccount.Name == pod.Spec.ServiceAccountName && c.ServiceAccount.UID != "" &&
				c.Pod == probe.Reference{Name: pod.Name, UID: string(pod.UID)}
			return holds, fmt.Sprintf("a token of %s, bound to service account %s/%s (%s) and to pod %s (%s)",
				c.Subject, c.Namespace, c.ServiceAccount.Name, c.ServiceAccount.UID, c.Pod.Name, c.Pod.UID)
		},
	}
}

// AnswerWith holds of a probe.Response with the HTTP status.
func AnswerWith(status int) types.GomegaMatcher {
	return &check[probe.Response]{
		expected: fmt.Sprintf("an answer with status %d", status),
		holds: func(r probe.Response) (bool, string) {
			if r.Failure != nil {
				return false, r.Failure.String()
			}
			return r.Status == status, fmt.Sprintf("status %d: %s", r.Status, r.Body)
		},
	}
}
