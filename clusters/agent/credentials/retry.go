package credentials

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

const (
	// attempts at a call that fails, as upstream.
	attempts = 3
	// throttledAttempts at one that EKS Auth throttles: what half of the calls survive, all but one
	// in a thousand tokens survive. Their backoffs take 5.6 s in the mean and 11.1 s at most.
	throttledAttempts = 10
	// The n-th backoff is random, up to firstBackoff*2^(n-1) and never above longestBackoff.
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 2 * time.Second
)

// newRetryer tries throttled calls more often than others: a throttled call says that EKS Auth is
// there and will have room soon.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = throttledAttempts
		o.Backoff = retry.BackoffDelayerFunc(backoff)
		// The SDK's budget for retries is shared by the whole process: when many pods start at once
		// and EKS Auth throttles, it runs out and pods fail that one retry would have helped. A few
		// attempts a token, and calls that are shared, are bound enough.
		o.RateLimiter = ratelimit.None
	})
}

// backoff before the attempt that follows number attempt, counted from 1, which failed with err.
// The error is err itself where there is to be no other.
func backoff(attempt int, err error) (time.Duration, error) {
	throttled := retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err).Bool()
	if !throttled && attempt >= attempts {
		return 0, err
	}
	longest := longestBackoff
	if attempt < 16 { // no overflow
		longest = min(longest, firstBackoff<<(attempt-1))
	}
	return rand.N(longest + 1), nil
}
