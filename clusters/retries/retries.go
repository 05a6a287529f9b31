// Package retries has clients of AWS's services wait where AWS throttles an account.
package retries

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

const (
	// attempts are those of a request that AWS throttles. At one answer in ten that is a throttling one, as a busy
	// account gets them, the SDK's three attempts fail a request in a thousand: a run sends several thousand.
	attempts = 10
	// otherAttempts are those of a request that fails in another way, as the SDK has them.
	otherAttempts = retry.DefaultMaxAttempts
	longestPause  = 5 * time.Second
)

// On has clients of a configuration try a throttled request more often. What the user has set stays
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
func On(cfg *aws.Config) {
	if cfg.RetryMaxAttempts != 0 || cfg.RetryMode == aws.RetryModeAdaptive || cfg.Retryer != nil {
		return
	}
	cfg.Retryer = New
}

// New is a retryer for one client.
func New() aws.Retryer {
	return retryer{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, longestPause
	})}
}

type retryer struct{ aws.RetryerV2 }

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// RetryDelay is how long to wait before the next attempt; the error if there is to be none.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt >= otherAttempts && throttles.IsErrorThrottle(err) != aws.TrueTernary {
		return 0, err
	}
	return r.RetryerV2.RetryDelay(attempt, err)
}
