package scenario

import (
	"testing"
	"time"
)

func TestRounds(t *testing.T) {
	tests := []struct {
		duration time.Duration
		samples  int
		count    int
		length   time.Duration
	}{
		{36 * time.Second, 4, 4, 9 * time.Second},
		{time.Hour, 4, 12, 5 * time.Minute},
		{21 * time.Minute, 4, 5, 252 * time.Second},
		{20 * time.Minute, 4, 4, 5 * time.Minute},
		{10 * time.Second, 1, 1, 10 * time.Second},
	}
	for _, test := range tests {
		if count, length := rounds(test.duration, test.samples); count != test.count || length != test.length {
			t.Errorf("%s in at least %d: got %d of %s, want %d of %s", test.duration, test.samples, count, length, test.count, test.length)
		}
	}
}
