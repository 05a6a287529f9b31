package retries

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// short makes a retryer's pauses take no time.
type short struct{ retryer }

func (s short) RetryDelay(attempt int, err error) (time.Duration, error) {
	delay, err := s.retryer.RetryDelay(attempt, err)
	return min(delay, time.Millisecond), err
}

func TestAThrottledRequestIsTriedMoreOften(t *testing.T) {
	for name, row := range map[string]struct {
		code   string
		status int
		want   int64
	}{
		"throttled": {"ThrottlingException", http.StatusTooManyRequests, attempts}, "an error of AWS's": {"ServerException", http.StatusInternalServerError, int64(otherAttempts)},
		"refused": {"AccessDeniedException", http.StatusForbidden, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				sent.Add(1)
				w.Header().Set("X-Amzn-Errortype", row.code)
				w.WriteHeader(row.status)
			}))
			t.Cleanup(server.Close)
			cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "")}
			cfg.Retryer = func() aws.Retryer { return short{New().(retryer)} } //nolint:forcetypeassert // it is what New makes
			if _, err := eks.NewFromConfig(cfg).ListClusters(t.Context(), &eks.ListClustersInput{}); err == nil {
				t.Error("no error")
			}
			if got := sent.Load(); got != row.want {
				t.Errorf("%d attempts, want %d", got, row.want)
			}
		})
	}
}

func TestWhatTheUserHasSetStays(t *testing.T) {
	for name, row := range map[string]struct {
		cfg  aws.Config
		ours bool
	}{
		"nothing": {ours: true}, "a number": {cfg: aws.Config{RetryMaxAttempts: 2}}, "adaptive": {cfg: aws.Config{RetryMode: aws.RetryModeAdaptive}},
		"a retryer": {cfg: aws.Config{Retryer: func() aws.Retryer { return aws.NopRetryer{} }}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := row.cfg
			On(&cfg)
			ours := false
			if cfg.Retryer != nil {
				_, ours = cfg.Retryer().(retryer)
			}
			if ours != row.ours {
				t.Errorf("a retryer of its own: %t, want %t", ours, row.ours)
			}
		})
	}
	if _, err := New().RetryDelay(otherAttempts, context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error of the last attempt is lost: %v", err)
	}
}
