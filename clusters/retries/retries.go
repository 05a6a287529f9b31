// Package retries makes clients of AWS's services wait when AWS throttles an account.
package retries

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

const (
	// attempts is the number of attempts of a throttled request. A busy account gets one throttling answer in ten. With the
	// SDK's three attempts one request in a thousand would fail, and a run sends several thousand.
	attempts = 10
	// otherAttempts is the number of attempts after other errors, which is the SDK's default.
	otherAttempts = retry.DefaultMaxAttempts
	longestPause  = 5 * time.Second
)

// On makes clients of a configuration try a throttled request more often. The user's own settings take precedence
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
func On(cfg *aws.Config) {
	if cfg.RetryMaxAttempts != 0 || cfg.RetryMode == aws.RetryModeAdaptive || cfg.Retryer != nil {
		return
	}
	cfg.Retryer = New
}

// New makes a retryer for one client.
func New() aws.Retryer {
	return retryer{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, longestPause
	})}
}

type retryer struct{ aws.RetryerV2 }

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// RetryDelay is the pause before the next attempt; the error means that there is none.
func (r retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt >= otherAttempts && throttles.IsErrorThrottle(err) != aws.TrueTernary {
		return 0, err
	}
	return r.RetryerV2.RetryDelay(attempt, err)
}
