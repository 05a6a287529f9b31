package scenario

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/reports"
)

func TestDoTellsWhoIsToBlame(t *testing.T) {
	tests := []struct {
		name    string
		what    func(ctx context.Context, act *Attempt)
		outcome reports.Outcome
		message string
	}{
		{"nothing wrong", func(context.Context, *Attempt) {}, reports.Pass, ""},
		{"the harness broke", func(_ context.Context, act *Attempt) { act.Fatalf("no %s", "pods") }, reports.Error, "no pods"},
		{"the subject failed", func(_ context.Context, act *Attempt) { act.Blamef("it refused") }, reports.Fail, "it refused"},
		{"a panic", func(context.Context, *Attempt) { panic("at the disco") }, reports.Error, "panic: at the disco"},
		{"the first failure counts", func(_ context.Context, act *Attempt) {
			act.Cleanup("role", func(context.Context) error { return errors.New("in use") })
			act.Blamef("it refused")
		}, reports.Fail, "it refused"},
		{"a removal that fails", func(_ context.Context, act *Attempt) {
			act.Cleanup("role", func(context.Context) error { return errors.New("in use") })
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
	act := Do(ctx, func(_ context.Context, act *Attempt) {
		act.Cleanup("namespace", remove("namespace"))
		act.Cleanup("pod", func(ctx context.Context) error {
			act.Cleanup("what the pod left", remove("what the pod left"))
			return remove("pod")(ctx)
		})
		cancel()
		act.Fatalf("create pod: %v", ctx.Err())
	})
	if want := []string{"pod", "what the pod left", "namespace"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
	if outcome, failure := act.Outcome(); outcome != reports.NotRun || failure != nil {
		t.Errorf("got %s %v, want not-run", outcome, failure)
	}
}
