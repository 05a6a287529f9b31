// Package journal keeps the requests of callers and the emulator's decisions: one Call a request, in a ring of bounded
// size. It also counts each outcome, independently of the ring. It holds no secret: no token, signature, key or body.
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
	// Principal is the ARN of the signer; "" if the signature was not accepted.
	Principal string `json:"principal"`
	// SourceIP is the peer's address without its port.
	SourceIP string `json:"sourceIP"`
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int `json:"status"`
	// ErrorCode is the AWS error code of the answer, or NoAnswer; "" for success.
	ErrorCode string `json:"errorCode,omitempty"`
	// Repeat says that a successful call changed nothing, because an earlier one did. It had the same client token, or
	// removed something that is removed already.
	Repeat bool `json:"repeat,omitempty"`
	// Decision explains who was allowed or refused what, and by which statement.
	Decision string `json:"decision,omitempty"`
	// Subject is what the call is about, in the service's terms. For AssumeRoleForPodIdentity it is
	// "cluster/namespace/serviceaccount/pod".
	Subject string `json:"subject,omitempty"`
	// Token is the Fingerprint of the pod's token, for AssumeRoleForPodIdentity.
	Token string `json:"token,omitempty"`
	// Fault is the ID of the rule that refused or delayed the request.
	Fault string `json:"fault,omitempty"`
	// Cause is the emulator's internal error behind an answer of internal failure.
	Cause string `json:"cause,omitempty"`
}

// NoAnswer is the error code of a call whose connection ended before an answer.
const NoAnswer = "NoAnswer"

type contextKey struct{}

// NewContext returns a context that carries call, so that the handlers of the request can fill it.
func NewContext(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, contextKey{}, call)
}

// FromContext returns the call of this request, or a new one without a reader if there is none. Only the goroutine that
// serves the request may write to it.
func FromContext(ctx context.Context) *Call {
	if call, ok := ctx.Value(contextKey{}).(*Call); ok {
		return call
	}
	return &Call{}
}
