// Package attempts has the retryer of clients that test the emulator.
package attempts

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// UntilAnswered makes a retryer that tries a request again only if its answer did not arrive, because the connection
// ended: on a busy machine Go's client loses one at times, which the SDK retries for users
// (https://github.com/aws/aws-sdk-go-v2/issues/2737). Every answer is final, also a refusal that the SDK would retry.
func UntilAnswered() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
		o.MaxBackoff, o.RateLimiter = 100*time.Millisecond, ratelimit.None
	})
}
