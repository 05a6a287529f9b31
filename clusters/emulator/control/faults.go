package control

import "github.com/podidentity/epi/clusters/emulator/faults"

// Fault is a rule that delays, refuses, throttles or drops requests.
type Fault = faults.Rule

// FaultStatus is a Fault and its effects so far.
type FaultStatus = faults.Status

// The parts of a Fault.
type (
	Duration    = faults.Duration
	Latency     = faults.Latency
	Uniform     = faults.Uniform
	Exponential = faults.Exponential
	LogNormal   = faults.LogNormal
	Stall       = faults.Stall
	Refusal     = faults.Refusal
	Throttle    = faults.Throttle
	Outage      = faults.Outage
)

// The kinds of a Refusal.
const (
	Throttling   = faults.Throttling
	Internal     = faults.Internal
	Unavailable  = faults.Unavailable
	AccessDenied = faults.AccessDenied
)

// faultList is the answer of GET /v1/faults.
type faultList struct {
	Faults []FaultStatus `json:"faults"`
}
