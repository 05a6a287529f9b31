package faults

import "time"

// Rule says which requests a fault is about, what happens to them and for how long. An empty field does not restrict.
// Patterns match literally, or with * for any text, slashes included.
//
// In JSON, throttle half of EKS Auth's answers:
//
//	{"service": "eks-auth", "probability": 0.5, "error": {"kind": "throttling"}}
//
// No answers of EKS Auth for 30 s:
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
	// ID is assigned by Set.Add, such as "fault-1", and never assigned again.
	ID string `json:"id,omitempty"`

	// Service is a pattern of signing names: "eks", "eks-auth", "iam", "sts", "s3"; "imds".
	Service string `json:"service,omitempty"`
	// Operation is a pattern such as "GetObject" or "Get*".
	Operation string `json:"operation,omitempty"`
	// Principal is a pattern of the caller's ARN, such as "arn:aws:sts::*:assumed-role/epi-node/*".
	Principal string `json:"principal,omitempty"`
	// Association is a pattern of association IDs. A rule with one is only about requests to EKS Auth whose token was
	// accepted and whose association was found.
	Association string `json:"association,omitempty"`
	// Probability is the share of the matching requests that are affected, above 0 to 1; 0 means all of them.
	Probability float64 `json:"probability,omitempty"`

	// Exactly one of these is set: it says what happens.
	Latency  *Latency  `json:"latency,omitempty"`
	Error    *Refusal  `json:"error,omitempty"`
	Throttle *Throttle `json:"throttle,omitempty"`
	Outage   *Outage   `json:"outage,omitempty"`
	// Life is the lifetime of the credentials that EKS Auth issues. It is shorter than AWS's, so that a test can wait for
	// the expiry. If the rule names an association, it is about that association's credentials only.
	Life Duration `json:"life,omitzero"`

	// Count is how many requests are affected before the rule ends; 0 means no limit.
	Count uint64 `json:"count,omitempty"`
	// For is how long the rule is in effect after it was added, up to 24 h; 0 means no limit.
	For Duration `json:"for,omitzero"`
	// Until is when the rule ends, at most 24 h ahead; zero means never. Set.Add sets it from For.
	Until time.Time `json:"until,omitzero"`
}

// Latency delays requests. It has at most one of the distributions, and may have a stall. No delay is longer than MaxDelay.
type Latency struct {
	Fixed       Duration     `json:"fixed,omitzero"`
	Uniform     *Uniform     `json:"uniform,omitempty"`
	Exponential *Exponential `json:"exponential,omitempty"`
	LogNormal   *LogNormal   `json:"lognormal,omitempty"`
	// Stall is added to the distribution's delay.
	Stall *Stall `json:"stall,omitempty"`
}

// Uniform is a delay from Min to Max, with equal probabilities.
type Uniform struct {
	Min Duration `json:"min"`
	Max Duration `json:"max"`
}

// Exponential is a delay with a mean. Longer delays than Cap are cut to it, which lowers the mean.
type Exponential struct {
	Mean Duration `json:"mean"`
	// A Cap of zero means MaxDelay.
	Cap Duration `json:"cap,omitzero"`
}

// LogNormal is a delay of which half are at most P50 and 99% at most P99.
type LogNormal struct {
	P50 Duration `json:"p50"`
	P99 Duration `json:"p99"`
}

// Stall is a long delay of a few requests.
type Stall struct {
	// Probability above 0 to 1.
	Probability float64  `json:"probability"`
	Length      Duration `json:"length"`
}

// Refusal is an error answer: one of a Kind in the form of the service, or one with a code of its own.
type Refusal struct {
	// Kind is "throttling", "internal", "unavailable" or "accessDenied".
	Kind Kind `json:"kind,omitempty"`
	// Code such as "ThrottlingException", and Status, 400 to 599, are required without a Kind.
	Code   string `json:"code,omitempty"`
	Status int    `json:"status,omitempty"`
	// Message is for people. If it is empty, it is the kind's message, or one that names the fault.
	Message string `json:"message,omitempty"`
}

// Throttle accepts requests at a rate and refuses those above it. It is a token bucket, which is full when the rule is
// added. All matching requests share it.
type Throttle struct {
	// Rate is requests per second, above 0 to 1e6.
	Rate float64 `json:"rate"`
	// Burst is how many requests may come at the same time, 1 to 1e6; 0 means the rate, rounded up.
	Burst int `json:"burst,omitempty"`
	// Error is the answer; nil means the kind "throttling".
	Error *Refusal `json:"error,omitempty"`
}

// Outage ends connections without an answer.
type Outage struct {
	// Hang is how long the connection is held before it ends; 0 ends it at once. It ends earlier if the client gives up.
	Hang Duration `json:"hang,omitzero"`
}

// Status is a rule and its effects so far.
type Status struct {
	Rule
	// Hits is how many requests it has delayed, refused or dropped.
	Hits uint64 `json:"hits"`
	// Left is how many more it will affect; nil if it has no count.
	Left *uint64 `json:"left,omitempty"`
	// Remaining is how long it is still in effect; zero if it has no end.
	Remaining Duration `json:"remaining,omitzero"`
	// Ended says that the rule affects nothing any more, because its count is used up or its time is over.
	Ended bool `json:"ended,omitempty"`
}
