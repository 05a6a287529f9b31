package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// AddFault sets a fault, and returns it with its ID and its end. Throttle half of EKS Auth's answers:
//
//	client.AddFault(ctx, control.Fault{
//		Service: "eks-auth", Probability: 0.5, Error: &control.Refusal{Kind: control.Throttling},
//	})
//
// No answers of EKS Auth for 30 s:
//
//	silence := control.Duration(30 * time.Second)
//	client.AddFault(ctx, control.Fault{Service: "eks-auth", Outage: &control.Outage{Hang: silence}, For: silence})
//
// 200 ms per AssumeRoleForPodIdentity, with 1% stalls of 1 s:
//
//	client.AddFault(ctx, control.Fault{Operation: "AssumeRoleForPodIdentity", Latency: &control.Latency{
//		Fixed: control.Duration(200 * time.Millisecond),
//		Stall: &control.Stall{Probability: 0.01, Length: control.Duration(time.Second)},
//	}})
//
// Refuse the next three sessions of one association:
//
//	client.AddFault(ctx, control.Fault{Association: id, Count: 3, Error: &control.Refusal{Kind: control.Internal}})
//
// Credentials of one association that end after 20 s:
//
//	client.AddFault(ctx, control.Fault{Association: id, Life: control.Duration(20 * time.Second)})
func (c *Client) AddFault(ctx context.Context, fault Fault) (Fault, error) {
	var out Fault
	if err := c.do(ctx, http.MethodPost, "/v1/faults", fault, &out); err != nil {
		return Fault{}, fmt.Errorf("add fault: %w", err)
	}
	return out, nil
}

// Faults returns the faults in order of creation, also those that have ended.
func (c *Client) Faults(ctx context.Context) ([]FaultStatus, error) {
	var out faultList
	if err := c.do(ctx, http.MethodGet, "/v1/faults", nil, &out); err != nil {
		return nil, fmt.Errorf("list faults: %w", err)
	}
	return out.Faults, nil
}

// RemoveFault ends a fault. It returns a *StatusError of 404 if there is none with this ID.
func (c *Client) RemoveFault(ctx context.Context, id string) error {
	if err := c.do(ctx, http.MethodDelete, "/v1/faults/"+url.PathEscape(id), nil, nil); err != nil {
		return fmt.Errorf("remove fault %s: %w", id, err)
	}
	return nil
}

// ClearFaults ends all faults and releases the requests that they delay.
func (c *Client) ClearFaults(ctx context.Context) error {
	if err := c.do(ctx, http.MethodDelete, "/v1/faults", nil, nil); err != nil {
		return fmt.Errorf("clear faults: %w", err)
	}
	return nil
}

// Reset restores the emulator's initial state: what was created through AWS's APIs, faults, calls, counts and options of
// instance metadata.
func (c *Client) Reset(ctx context.Context) error {
	if err := c.do(ctx, http.MethodPost, "/v1/reset", nil, nil); err != nil {
		return fmt.Errorf("reset emulator: %w", err)
	}
	return nil
}
