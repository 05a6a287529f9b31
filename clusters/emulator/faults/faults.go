// Package faults makes services slow, refuse, throttle or stop answering.
//
// A Set holds rules. Each rule says which requests it is about and what happens to them. Services call At as soon as they
// know the operation of a request.
package faults

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

// Target is the subject of a request, as far as its service knows it at that time.
type Target struct {
	// Operation such as "GetObject".
	Operation string
	// Association is the ID of the pod identity association that EKS Auth found. It is empty before that, and for all other
	// services.
	Association string
}

// Error is the refusal that a fault asks for. The service answers it in its own protocol.
type Error struct {
	// Code such as "ThrottlingException".
	Code string
	// Status is the HTTP status.
	Status  int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

type contextKey struct{}

// NewContext returns a context that carries the rules for At.
func NewContext(ctx context.Context, set *Set) context.Context {
	return context.WithValue(ctx, contextKey{}, set)
}

// At applies the faults that match a request. Services call it as soon as they know the operation and before they do
// anything. EKS Auth calls it again, with the association, when it has found that. It returns nil or an *Error. For an
// outage it does not return, but ends the connection by a panic with http.ErrAbortHandler.
//
// Service and principal are those of the journal's call in ctx, and the call's Fault becomes the ID of the rule that
// refused, or else of the first rule that delayed. If a client gives up while its request is delayed, the request is
// dropped as in an outage.
func At(ctx context.Context, target Target) error {
	set, _ := ctx.Value(contextKey{}).(*Set)
	if set == nil || set.active.Load() == 0 {
		return nil
	}
	return set.at(ctx, target)
}

// Life is the lifetime of credentials that are issued for the request, by the first rule with a life; 0 if there is none.
// EKS Auth asks for it before it issues them, with the association.
func Life(ctx context.Context, target Target) time.Duration {
	set, _ := ctx.Value(contextKey{}).(*Set)
	if set == nil || set.active.Load() == 0 {
		return 0
	}
	call := journal.FromContext(ctx)
	rule, life := set.life(target, call.Service, call.Principal)
	if rule != "" && call.Fault == "" {
		call.Fault = rule
	}
	return life
}

func (s *Set) at(ctx context.Context, target Target) error {
	call := journal.FromContext(ctx)
	found := s.decide(target, call.Service, call.Principal)
	if found.rule == "" {
		return nil
	}
	// EKS Auth's second call does not hide the effect of the first one, unless it refuses.
	if call.Fault == "" || found.refusal != nil || found.outage {
		call.Fault = found.rule
	}
	if !s.hold(ctx, found) || found.outage {
		panic(http.ErrAbortHandler)
	}
	if found.refusal != nil {
		return found.refusal
	}
	return nil
}
