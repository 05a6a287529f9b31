package faults

import "time"

// Rule says which requests a fault is about, what becomes of them and for how long. A field that is
// left empty does not restrict. Patterns match as they are, or with * for any text, slashes
// included.
//
// In JSON, half of EKS Auth's answers throttled:
//
//	{"service": "eks-auth", "probability": 0.5, "error": {"kind": "throttling"}}
//
// EKS Auth silent for 30 s:
//
//	{"service": "eks-auth", "outage": {"hang": "30s"}, "for": "30s"}
//
// 200 ms per AssumeRoleForPodIdentity, with 1% stalls of 1 s:
//
//	{"operation": "AssumeRoleForPodIdentity", "latency": {"fixed": "200ms", "stall": {"probability": 0.01, "length": "1s"}}}
//
// Credentials of one association that end after 20 s:
//
//	{"association": "a-abcdefghijklmnop1", "life": "20s"}
type Rule struct {
	// ID is given by Set.Add, such as "fault-1", and never given again.
	ID string `json:"id,omitempty"`

	// Service is a pattern of signing names: "eks", "eks-auth", "iam", "sts", "s3"; "imds".
	Service string `json:"service,omitempty"`
	// Operation is a pattern such as "GetObject" or "Get*".
	Operation string `json:"operation,omitempty"`
	// Principal is a pattern of the caller's ARN, such as "arn:aws:sts::*:assumed-role/epi-node/*".
	Principal string `json:"principal,omitempty"`
	// Association is a pattern of association IDs. A rule with one is about the requests to EKS Auth
	// whose token was accepted and whose association was found, and about nothing else.
	Association string `json:"association,omitempty"`
	// Probability is the share of the matching requests that are affected, above 0 to 1; 0 means all.
	Probability float64 `json:"probability,omitempty"`

	// Exactly one of these is what happens.
	Latency  *Latency  `json:"latency,omitempty"`
	Error    *Refusal  `json:"error,omitempty"`
	Throttle *Throttle `json:"throttle,omitempty"`
	Outage   *Outage   `json:"outage,omitempty"`
	// Life is how long the credentials are good that EKS Auth issues: shorter than AWS documents, so
	// that expiry can be waited for. Where the rule names an association, it is about that one's.
	Life Duration `json:"life,omitzero"`

	// Count is how many requests are affected before the rule is spent; 0 means no limit.
	Count uint64 `json:"count,omitempty"`
	// For is how long the rule holds from when it was added, up to 24 h; 0 means no limit.
	For Duration `json:"for,omitzero"`
	// Until is when the rule ends, at most 24 h ahead; zero means never. Set.Add sets it from For.
	Until time.Time `json:"until,omitzero"`
}

// Latency delays requests. At most one of the distributions is given, and a stall with or without
// one. No delay is longer than MaxDelay.
type Latency struct {
	Fixed       Duration     `json:"fixed,omitzero"`
	Uniform     *Uniform     `json:"uniform,omitempty"`
	Exponential *Exponential `json:"exponential,omitempty"`
	LogNormal   *LogNormal   `json:"lognormal,omitempty"`
	// Stall comes on top of the distribution's delay.
	Stall *Stall `json:"stall,omitempty"`
}

// Uniform is a delay of Min to Max, each as likely.
type Uniform struct {
	Min Duration `json:"min"`
	Max Duration `json:"max"`
}

// Exponential is a delay of a mean; what is above Cap is cut to it, and lowers the mean.
type Exponential struct {
	Mean Duration `json:"mean"`
	// Cap zero means MaxDelay.
	Cap Duration `json:"cap,omitzero"`
}

// LogNormal is a delay of which half are at most P50 and 99% at most P99.
type LogNormal struct {
	P50 Duration `json:"p50"`
	P99 Duration `json:"p99"`
}

// Stall is a long delay of a few.
type Stall struct {
	// Probability above 0 to 1.
	Probability float64  `json:"probability"`
	Length      Duration `json:"length"`
}

// Refusal is an error answer: of a Kind, in the words of the service that is asked, or with a code of
// one's own.
type Refusal struct {
	// Kind is "throttling", "internal", "unavailable" or "accessDenied".
	Kind Kind `json:"kind,omitempty"`
	// Code such as "ThrottlingException" and Status, 400 to 599, are given when there is no Kind.
	Code   string `json:"code,omitempty"`
	Status int    `json:"status,omitempty"`
	// Message is for people; empty means the kind's, or one that names the fault.
	Message string `json:"message,omitempty"`
}

// Throttle lets requests through at a rate and refuses those above it: a token bucket, which is full
// when the rule is added. All requests that match share it.
type Throttle struct {
	// Rate is requests per second, above 0 to 1e6.
	Rate float64 `json:"rate"`
	// Burst is how many may come at once, 1 to 1e6; 0 means the rate, rounded up.
	Burst int `json:"burst,omitempty"`
	// Error is the answer; nil means the kind "throttling".
	Error *Refusal `json:"error,omitempty"`
}

// Outage ends connections without an answer.
type Outage struct {
	// Hang is how long the connection is held before it ends; it ends earlier when the client gives
	// up. 0 ends it at once.
	Hang Duration `json:"hang,omitzero"`
}

// Status is a rule and what it has done.
type Status struct {
	Rule
	// Hits is how many requests it has delayed, refused or dropped.
	Hits uint64 `json:"hits"`
	// Left is how many more it will affect; nil when it has no count.
	Left *uint64 `json:"left,omitempty"`
	// Remaining is how long it still holds; zero when it has no end.
	Remaining Duration `json:"remaining,omitzero"`
	// Ended rules affect nothing any more: their count is spent or their time is over.
	Ended bool `json:"ended,omitempty"`
}
