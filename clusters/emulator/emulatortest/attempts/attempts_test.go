package attempts

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestUntilAnswered(t *testing.T) {
	const answer = `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	for name, row := range map[string]struct {
		lost   int64 // answers
		status int
		sent   int64
		ok     bool
	}{
		"answered":                       {0, http.StatusOK, 1, true},
		"one answer is lost":             {1, http.StatusOK, 2, true},
		"no answer arrives":              {9, http.StatusOK, 3, false},
		"a refusal that the SDK retries": {0, http.StatusServiceUnavailable, 1, false},
		"a refusal, after a lost answer": {1, http.StatusTooManyRequests, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if sent.Add(1) <= row.lost {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(row.status)
				_, _ = w.Write([]byte(answer))
			}))
			t.Cleanup(server.Close)
			client := sts.NewFromConfig(aws.Config{Region: "us-west-2", BaseEndpoint: &server.URL, Credentials: aws.AnonymousCredentials{}, Retryer: UntilAnswered})
			_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if (err == nil) != row.ok || sent.Load() != row.sent {
				t.Errorf("%d requests, error %v; want %d", sent.Load(), err, row.sent)
			}
		})
	}
}
