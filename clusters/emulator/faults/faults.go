// Package faults makes services slow, refuse, throttle or fall silent on demand.
package faults

import (
	"context"
	"fmt"
)

// Target is what a request is about, as far as its service knows by then.
type Target struct {
	// Operation such as "GetObject".
	Operation string
	// Association is the ID of the pod identity association that EKS Auth found; empty before that
	// and for all other services.
	Association string
}

// Error is the refusal that a fault asks for. Its service answers it in its own protocol.
type Error struct {
	// Code such as "ThrottlingException".
	Code string
	// Status is the HTTP status.
	Status  int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// At holds a request up as the faults that are set for it say. Services call it as soon as they
// know the operation and before they do anything; EKS Auth calls it again, with the association,
// when it has found that. It returns nil or an *Error; for an outage it does not return but ends
// the connection by a panic with http.ErrAbortHandler.
func At(context.Context, Target) error { return nil }
