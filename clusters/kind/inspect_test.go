package kind

import (
	"errors"
	"testing"

	"github.com/podidentity/epi/clusters/watch"
)

func TestContainerState(t *testing.T) {
	for state, want := range map[string]struct {
		why   string
		final bool
	}{
		"running 0\n":    {},
		"paused 0\n":     {why: "its container is paused"},
		"restarting 1\n": {why: "its container restarts"},
		"exited 137\n":   {why: "its container has ended with code 137", final: true},
		"dead 1":         {why: "its container has ended with code 1", final: true},
		"removing 0":     {why: "its container is being removed", final: true},
		"":               {},
	} {
		away, ok := errors.AsType[*watch.AwayError](containerState(state))
		if ok != (want.why != "") || ok && (away.Why != want.why || away.Final != want.final || away.Weak) {
			t.Errorf("%q: %+v", state, away)
		}
	}
}
