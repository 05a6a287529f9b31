package credentials

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

const (
	// attempts is the number of attempts of a failing call, as upstream's.
	attempts = 3
	// throttledAttempts is the number of attempts if EKS Auth throttles. If it throttles half of the calls, all but one in
	// a thousand tokens succeed. The backoffs take 5.6 s on average and 11.1 s at most.
	throttledAttempts = 10
	// The n-th backoff is random, up to firstBackoff*2^(n-1) and never above longestBackoff.
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 2 * time.Second
)

// newRetryer tries throttled calls more often than others: a throttled call shows that EKS Auth works and will soon have
// capacity.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = throttledAttempts
		o.Backoff = retry.BackoffDelayerFunc(backoff)
		// The whole process shares the SDK's budget for retries. If many pods start at the same time and EKS Auth
		// throttles, the budget is used up, and pods fail that one retry would have helped. A few attempts for each token,
		// and shared calls, limit the load enough.
		o.RateLimiter = ratelimit.None
	})
}

// backoff is the pause after attempt number attempt, counted from 1, which failed with err. The error is err itself if
// there is no further attempt.
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
