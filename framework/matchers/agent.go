package matchers

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/podidentity/epi/framework/probe"
)

// GrantCredentials holds of a probe.Answer that has credentials, with status 200.
func GrantCredentials() types.GomegaMatcher {
	return &check[probe.Answer]{
		expected: "credentials, with status 200",
		holds: func(a probe.Answer) (bool, string) {
			return a.Failure == nil && a.Status == http.StatusOK && a.Credentials != nil, sawAnswer(a)
		},
	}
}

// GrantTheSameAs holds of a probe.Answer with the same credentials as another one.
func GrantTheSameAs(first probe.Answer) types.GomegaMatcher {
	return &check[probe.Answer]{
		expected: "the same credentials as " + sawAnswer(first),
		holds: func(a probe.Answer) (bool, string) {
			return a.Failure == nil && a.Status == http.StatusOK && sameKey(a, first), sawAnswer(a)
		},
	}
}

// GrantOthersThan holds of a probe.Answer with other credentials than another one.
func GrantOthersThan(first probe.Answer) types.GomegaMatcher {
	return &check[probe.Answer]{
		expected: "credentials other than " + sawAnswer(first),
		holds: func(a probe.Answer) (bool, string) {
			return a.Failure == nil && a.Status == http.StatusOK && a.Credentials != nil && !sameKey(a, first), sawAnswer(a)
		},
	}
}

func sameKey(a, b probe.Answer) bool {
	return a.Credentials != nil && b.Credentials != nil && a.Credentials.AccessKeyID == b.Credentials.AccessKeyID
}

// RefuseWith holds of a probe.Answer without credentials, with the status and a text that matches the regular expression.
func RefuseWith(status int, pattern string) types.GomegaMatcher {
	form := regexp.MustCompile(pattern)
	return &check[probe.Answer]{
		expected: fmt.Sprintf("a refusal with status %d and a text like %s", status, form),
		holds: func(a probe.Answer) (bool, string) {
			return a.Failure == nil && a.Status == status && a.Credentials == nil && form.MatchString(strings.TrimSpace(a.Body)), sawAnswer(a)
		},
	}
}

// GrantNothing holds of a probe.Answer without credentials, and of a missing answer.
func GrantNothing() types.GomegaMatcher {
	return &check[probe.Answer]{
		expected: "no credentials",
		holds: func(a probe.Answer) (bool, string) {
			return a.Credentials == nil && (a.Failure != nil || a.Status >= http.StatusBadRequest), sawAnswer(a)
		},
	}
}

// sawAnswer describes an answer in one line.
func sawAnswer(a probe.Answer) string {
	switch {
	case a.Failure != nil:
		return a.Failure.String()
	case a.Credentials != nil:
		return fmt.Sprintf("status %d and credentials %.8s until %s", a.Status, a.Credentials.AccessKeyID, a.Credentials.Expiration)
	default:
		return fmt.Sprintf("status %d: %s", a.Status, strings.TrimSpace(a.Body))
	}
}
