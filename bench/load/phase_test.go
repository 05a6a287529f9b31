package load

import "testing"

func TestAPhaseReportsItsErrors(t *testing.T) {
	for want, errors := range map[string]map[string]int64{
		"":                            nil,
		"4500 refused":                {"refused": 4500},
		"9 timeout, 3 429, 3 refused": {"refused": 3, "timeout": 9, "429": 3},
	} {
		if got := (&PhaseResult{Errors: errors}).Kinds(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
