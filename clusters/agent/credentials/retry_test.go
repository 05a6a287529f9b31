package credentials

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

func TestBackoff(t *testing.T) {
	throttled := &smithy.GenericAPIError{Code: "ThrottlingException"}
	broken := &smithy.GenericAPIError{Code: "InternalServerException"}
	for _, row := range []struct {
		err     error
		attempt int
		longest time.Duration
		stops   bool
	}{
		{throttled, 1, 100 * time.Millisecond, false},
		{throttled, 2, 200 * time.Millisecond, false},
		{throttled, 5, 1600 * time.Millisecond, false},
		{throttled, 6, 2 * time.Second, false},
		{throttled, 100, 2 * time.Second, false},
		{broken, 1, 100 * time.Millisecond, false},
		{broken, 2, 200 * time.Millisecond, false},
		{broken, 3, 0, true},
	} {
		var longest time.Duration
		for range 200 {
			delay, err := backoff(row.attempt, row.err)
			if delay > row.longest || row.stops != (err != nil) || err != nil && !errors.Is(err, row.err) {
				t.Fatalf("%v, attempt %d: %s, %v", row.err, row.attempt, delay, err)
			}
			longest = max(longest, delay)
		}
		// 200 draws that all are in the lower half have a chance of 2^-200.
		if longest < row.longest/2 {
			t.Errorf("%v, attempt %d: never above %s of %s", row.err, row.attempt, longest, row.longest)
		}
	}
}
