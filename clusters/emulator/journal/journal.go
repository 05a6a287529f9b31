// Package journal keeps what callers asked of the emulator and what was decided: one Call a
// request, in a ring of bounded size, and how often each outcome was, which outlives the ring. It
// holds no secret: no token, signature, key or body.
package journal

import (
	"context"
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
	// Service is the signing name: "eks", "eks-auth", "iam", "sts", "s3", or "imds" for
	// instance metadata; "" if it is unknown.
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// Principal is the ARN of who signed; "" when the signature was not accepted.
	Principal string `json:"principal"`
	// SourceIP is the peer's address without its port.
	SourceIP string `json:"sourceIP"`
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int `json:"status"`
	// ErrorCode is the AWS error code of the answer, or NoAnswer; "" for success.
	ErrorCode string `json:"errorCode,omitempty"`
	// Repeat says that a success changed nothing, since an earlier request did: one with the same client token,
	// or the removal of what is to be removed.
	Repeat bool `json:"repeat,omitempty"`
	// Decision explains who was allowed or refused what and by which statement.
	Decision string `json:"decision,omitempty"`
	// Subject is what the call was about, in words of the service: for AssumeRoleForPodIdentity
	// "cluster/namespace/serviceaccount/pod".
	Subject string `json:"subject,omitempty"`
	// Token is the Fingerprint of the pod's token, for AssumeRoleForPodIdentity.
	Token string `json:"token,omitempty"`
	// Fault is the ID of the rule that refused the request or delayed it.
	Fault string `json:"fault,omitempty"`
	// Cause is what went wrong inside the emulator when it answered with an internal error.
	Cause string `json:"cause,omitempty"`
}

// NoAnswer is the error code of a call whose connection was ended before it was answered.
const NoAnswer = "NoAnswer"

type contextKey struct{}

// NewContext returns a context that carries call, so that the handlers of the request can fill it.
func NewContext(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, call)
}

// FromContext returns the call of this request, or one without a reader if there is none. Only
// the goroutine that serves the request may write to it.
func FromContext(ctx context.Context) *Call {
	if call, ok := ctx.Value(contextKey{}).(*Call); ok {
		return call
	}
	return &Call{}
}
