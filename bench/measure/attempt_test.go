package measure

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/reports"
)

func TestDoDecidesTheOutcome(t *testing.T) {
	tests := []struct {
		name    string
		what    func(ctx context.Context, attempt *Attempt)
		outcome reports.Outcome
		message string
	}{
		{"nothing wrong", func(context.Context, *Attempt) {}, reports.Pass, ""},
		{"the harness broke", func(_ context.Context, attempt *Attempt) { attempt.Fatalf("no %s", "pods") }, reports.Error, "no pods"},
		{"the subject failed", func(_ context.Context, attempt *Attempt) { attempt.Blamef("it refused") }, reports.Fail, "it refused"},
		{"a panic", func(context.Context, *Attempt) { panic("no pods") }, reports.Error, "panic: no pods"},
		{"the first failure counts", func(_ context.Context, attempt *Attempt) {
			attempt.Cleanup("role", func(context.Context) error { return errors.New("in use") })
			attempt.Blamef("it refused")
		}, reports.Fail, "it refused"},
		{"a removal that fails", func(_ context.Context, attempt *Attempt) {
			attempt.Cleanup("role", func(context.Context) error { return errors.New("in use") })
		}, reports.Error, "remove role: in use"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			outcome, failure := Do(t.Context(), test.what).Outcome()
			message := ""
			if failure != nil {
				message = failure.Message
			}
			if outcome != test.outcome || !strings.HasPrefix(message, test.message) || (message == "") != (test.message == "") {
				t.Errorf("got %s %q, want %s %q", outcome, message, test.outcome, test.message)
			}
		})
	}
}

func TestDoRemovesTheNewestFirstAlsoWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var removed []string
	remove := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			removed = append(removed, what)
			return ctx.Err()
		}
	}
	attempt := Do(ctx, func(_ context.Context, attempt *Attempt) {
		attempt.Cleanup("namespace", remove("namespace"))
		attempt.Cleanup("pod", func(ctx context.Context) error {
			attempt.Cleanup("what the pod left", remove("what the pod left"))
			return remove("pod")(ctx)
		})
		cancel()
		attempt.Fatalf("create pod: %v", ctx.Err())
	})
	if want := []string{"pod", "what the pod left", "namespace"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
	if outcome, failure := attempt.Outcome(); outcome != reports.NotRun || failure != nil {
		t.Errorf("got %s %v, want not-run", outcome, failure)
	}
}
