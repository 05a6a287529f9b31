// Package journal keeps what callers asked of the emulator and what was decided: one Call a
// request, in a ring of bounded size. It holds no secret: no token, signature, key or body.
package journal

import (
	"context"
	"sync"
	"time"
)

// Call is one request to an AWS service.
type Call struct {
	// Seq counts calls from 1 since the emulator started.
	Seq uint64 `json:"seq"`
	// Time at which the request arrived.
	Time time.Time `json:"time"`
	// Duration until the answer was written, in nanoseconds.
	Duration time.Duration `json:"duration"`
	// RequestID is the x-amzn-RequestId (S3: x-amz-request-id) of the answer.
	RequestID string `json:"requestID"`
	// Service is the signing name: "eks", "eks-auth", "iam", "sts", "s3"; "" if it could not be told.
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// Principal is the ARN of who signed; "" when the signature was not accepted.
	Principal string `json:"principal"`
	// SourceIP is the peer's address without its port.
	SourceIP string `json:"sourceIP"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// ErrorCode is the AWS error code of the answer; "" for success.
	ErrorCode string `json:"errorCode,omitempty"`
	// Decision explains who was allowed or refused what and by which statement.
	Decision string `json:"decision,omitempty"`
	// Subject is what the call was about, in words of the service: for AssumeRoleForPodIdentity
	// "cluster/namespace/serviceaccount/pod".
	Subject string `json:"subject,omitempty"`
	// Token is the Fingerprint of the pod's token, for AssumeRoleForPodIdentity.
	Token string `json:"token,omitempty"`
	// Fault is the ID of the rule that refused the request or delayed it.
	Fault string `json:"fault,omitempty"`
}

type contextKey struct{}

// NewContext returns a context that carries call, so that the handlers of the request can fill it.
func NewContext(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, call)
}

// FromContext returns the call of this request, or one that nobody reads if there is none. Only
// the goroutine that serves the request may write to it.
func FromContext(ctx context.Context) *Call {
	if call, ok := ctx.Value(contextKey{}).(*Call); ok {
		return call
	}
	return &Call{}
}

// Ring keeps the newest calls. The zero value is not usable: see NewRing.
type Ring struct {
	mu    sync.Mutex
	last  uint64
	calls []Call
}

// NewRing makes a ring that keeps the newest size calls; size must be at least 1.
func NewRing(size int) *Ring { return &Ring{calls: make([]Call, 0, max(size, 1))} }

// Add numbers call and keeps it, in place of the oldest one when the ring is full.
func (r *Ring) Add(call Call) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	call.Seq = r.last
	if len(r.calls) < cap(r.calls) {
		r.calls = append(r.calls, call)
	} else {
		r.calls[(r.last-1)%uint64(cap(r.calls))] = call
	}
	return call.Seq
}

// After returns the kept calls with a number above seq, oldest first, and the number of the newest
// call of all. A first call whose number is not seq+1 tells that older ones were dropped.
func (r *Ring) After(seq uint64) (calls []Call, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.last - uint64(len(r.calls))
	calls = []Call{}
	for n := max(seq, oldest); n < r.last; n++ {
		calls = append(calls, r.calls[n%uint64(cap(r.calls))])
	}
	return calls, r.last
}
