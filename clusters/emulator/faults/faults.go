// Package faults makes services slow, refuse, throttle or fall silent on demand.
//
// A Set holds rules; each says which requests it is about and what becomes of them. Services ask At
// as soon as they know what a request wants.
package faults

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/journal"
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

type contextKey struct{}

// NewContext returns a context that carries the rules for At.
func NewContext(ctx context.Context, set *Set) context.Context {
	return context.WithValue(ctx, contextKey{}, set)
}

// At holds a request up as the faults that are set for it say. Services call it as soon as they
// know the operation and before they do anything; EKS Auth calls it again, with the association,
// when it has found that. It returns nil or an *Error; for an outage it does not return but ends
// the connection by a panic with http.ErrAbortHandler.
//
// Service and principal are those of the journal's call in ctx, and the call's Fault becomes the ID
// of the rule that refused or else of the first that delayed. A client that gives up while its
// request is held up gets no answer either: the request is then dropped like in an outage.
func At(ctx context.Context, target Target) error {
	set, _ := ctx.Value(contextKey{}).(*Set)
	if set == nil || set.active.Load() == 0 {
		return nil
	}
	return set.at(ctx, target)
}

// Life is how long credentials are to be good that are issued for the request, as the first rule with
// a life says; 0 if none does. EKS Auth asks before it issues them, with the association.
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
	// The second look of EKS Auth does not hide what the first one did, unless it refuses.
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
