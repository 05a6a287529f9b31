package kind

import "testing"

func TestContainerState(t *testing.T) {
	for text, want := range map[string]struct {
		why, started string
		final        bool
	}{
		"running 0 2026-11-27T22:31:00Z\n":    {started: "2026-11-27T22:31:00Z"},
		"paused 0 2026-11-27T22:31:00Z\n":     {why: "its container is paused", started: "2026-11-27T22:31:00Z"},
		"restarting 1 2026-11-27T22:31:00Z\n": {why: "its container restarts", started: "2026-11-27T22:31:00Z"},
		"exited 137 2026-11-27T22:31:00Z\n":   {why: "its container has ended with code 137", started: "2026-11-27T22:31:00Z", final: true},
		"dead 1":                              {why: "its container has ended with code 1", final: true},
		"removing 0":                          {why: "its container is being removed", final: true},
		"":                                    {},
	} {
		state, started := containerState(text)
		if (state != nil) != (want.why != "") || state != nil && (state.Why != want.why || state.Final != want.final || state.Weak) || started != want.started {
			t.Errorf("%q: %+v, %q", text, state, started)
		}
	}
}
