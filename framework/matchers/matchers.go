// Package matchers has Gomega matchers in the terms of Pod Identity, such as BeSessionOf.
package matchers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/podidentity/epi/framework/identity"
	"github.com/podidentity/epi/framework/probe"
)

// check is a matcher of one type of value.
type check[T any] struct {
	// expected completes "expected ".
	expected string
	// holds decides, and describes what was seen.
	holds func(T) (bool, string)
	seen  string
}

var _ types.GomegaMatcher = (*check[int])(nil)

func (c *check[T]) Match(actual any) (bool, error) {
	value, ok := actual.(T)
	// A nil error has no dynamic type.
	if !ok && (actual != nil || any(value) != nil) {
		return false, fmt.Errorf("expected a %T, got %T", value, actual)
	}
	holds, seen := c.holds(value)
	c.seen = seen
	return holds, nil
}

func (c *check[T]) FailureMessage(any) string {
	return fmt.Sprintf("expected %s\n     got %s", c.expected, c.seen)
}

func (c *check[T]) NegatedFailureMessage(any) string {
	return fmt.Sprintf("expected anything but %s\n     got %s", c.expected, c.seen)
}

// Either holds if one of the matchers does. Gomega's own Or shows the matchers as Go values.
func Either(matchers ...types.GomegaMatcher) types.GomegaMatcher { return &either{matchers} }

type either struct{ matchers []types.GomegaMatcher }

func (e *either) Match(actual any) (bool, error) {
	for _, matcher := range e.matchers {
		if holds, err := matcher.Match(actual); holds || err != nil {
			return holds, err
		}
	}
	return false, nil
}

func (e *either) FailureMessage(actual any) string {
	return e.message(func(m types.GomegaMatcher) string { return m.FailureMessage(actual) }, "\nor ")
}

func (e *either) NegatedFailureMessage(actual any) string {
	return e.message(func(m types.GomegaMatcher) string { return m.NegatedFailureMessage(actual) }, "\nand ")
}

func (e *either) message(of func(types.GomegaMatcher) string, between string) string {
	messages := make([]string, 0, len(e.matchers))
	for _, matcher := range e.matchers {
		messages = append(messages, of(matcher))
	}
	return strings.Join(messages, between)
}

// HaveNoCredentials holds of an identity.Caller without credentials from any source.
func HaveNoCredentials() types.GomegaMatcher {
	return &check[identity.Caller]{
		expected: "the pod to have no credentials at all",
		holds:    func(c identity.Caller) (bool, string) { return c.Kind == identity.NoCredentials, c.String() },
	}
}

// BeSessionOf holds of an identity.Caller that is a session of the named role.
func BeSessionOf(role string) types.GomegaMatcher {
	return &check[identity.Caller]{
		expected: "the pod to be a session of role " + role,
		holds: func(c identity.Caller) (bool, string) {
			return c.Kind == identity.Session && c.Role == role, c.String()
		},
	}
}

// BeTheNodeRole holds of an identity.Caller with its node's role from instance metadata.
func BeTheNodeRole(role string) types.GomegaMatcher {
	return &check[identity.Caller]{
		expected: "the pod to be its node's role " + role,
		holds: func(c identity.Caller) (bool, string) {
			return c.Kind == identity.NodeRole && c.Role == role, c.String()
		},
	}
}

// BeDenied holds of a probe.Object that AWS refused with 403 in the named operation.
func BeDenied(operation string) types.GomegaMatcher {
	return &check[probe.Object]{
		expected: "403 on " + operation,
		holds: func(o probe.Object) (bool, string) {
			f := o.Failure
			if f == nil {
				return false, fmt.Sprintf("the object, %d bytes: it was not refused", o.Size)
			}
			return f.Class == probe.APIError && f.Operation == operation && f.Status == http.StatusForbidden, f.String()
		},
	}
}

// BeDownloadOf holds of a probe.Object that is exactly contents.
func BeDownloadOf(contents []byte) types.GomegaMatcher {
	sum := sha256.Sum256(contents)
	digest := hex.EncodeToString(sum[:])
	return &check[probe.Object]{
		expected: fmt.Sprintf("the object, %d bytes with SHA-256 %s", len(contents), digest),
		holds: func(o probe.Object) (bool, string) {
			if o.Failure != nil {
				return false, o.Failure.String()
			}
			same := o.Size == int64(len(contents)) && o.SHA256 == digest && (o.Body == nil || bytes.Equal(o.Body, contents))
			return same, fmt.Sprintf("%d bytes with SHA-256 %s", o.Size, o.SHA256)
		},
	}
}

// GetNoMetadata holds of a probe.Metadata without any answer, not even an error.
func GetNoMetadata() types.GomegaMatcher {
	return &check[probe.Metadata]{
		expected: "instance metadata not to answer (hop limit 1)",
		holds: func(m probe.Metadata) (bool, string) {
			seen := m.String()
			if m.Outcome == probe.MetadataAnswered {
				seen += ": pods reach instance metadata and, with it, the node's role; set the hop limit to 1 (HttpPutResponseHopLimit=1; eksctl --disable-pod-imds)"
			}
			return m.Outcome == probe.MetadataTimeout, seen
		},
	}
}

// GetMetadataOf holds of a probe.Metadata that answered with the named role.
func GetMetadataOf(role string) types.GomegaMatcher {
	return &check[probe.Metadata]{
		expected: "instance metadata to answer with role " + role,
		holds: func(m probe.Metadata) (bool, string) {
			return m.Outcome == probe.MetadataAnswered && m.Status == http.StatusOK && m.Role == role, m.String()
		},
	}
}
