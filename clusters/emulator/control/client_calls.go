package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Calls returns the kept calls with a number above after; 0 returns all.
func (c *Client) Calls(ctx context.Context, after uint64) (Calls, error) {
	return c.CallsWhere(ctx, Query{After: after}, 0)
}

// CallsWhere returns the kept calls that match query. If there is none, it waits for the first one, for wait at most (up to
// 5 minutes). To follow calls, pass Calls.Last as the next After. Exactly one call to EKS Auth for a pod's token:
//
//	calls, err := client.CallsWhere(ctx, control.Query{
//		Operation: "AssumeRoleForPodIdentity", Token: control.Fingerprint(token), After: mark,
//	}, 0)
func (c *Client) CallsWhere(ctx context.Context, query Query, wait time.Duration) (Calls, error) {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	for name, value := range textFilters(&query) {
		set(name, *value)
	}
	if query.Succeeded {
		set("succeeded", "true")
	}
	set("after", strconv.FormatUint(query.After, 10))
	if wait != 0 {
		set("wait", wait.String())
	}
	var out Calls
	if err := c.do(ctx, http.MethodGet, "/v1/calls?"+values.Encode(), nil, &out); err != nil {
		return Calls{}, fmt.Errorf("get calls: %w", err)
	}
	return out, nil
}

// textFilters are the parameters of /v1/calls that are texts, with their fields.
func textFilters(query *Query) map[string]*string {
	return map[string]*string{
		"service": &query.Service, "operation": &query.Operation, "principal": &query.Principal,
		"subjectPrefix": &query.SubjectPrefix, "token": &query.Token, "errorCode": &query.ErrorCode, "fault": &query.Fault,
	}
}

// Counts returns how many calls had which outcome since the start or the last reset, sorted. Calls that are no longer kept
// count too.
func (c *Client) Counts(ctx context.Context) ([]Count, error) {
	var out countList
	if err := c.do(ctx, http.MethodGet, "/v1/counts", nil, &out); err != nil {
		return nil, fmt.Errorf("get counts: %w", err)
	}
	return out.Counts, nil
}

// ClearCalls forgets calls and counts. Numbers continue.
func (c *Client) ClearCalls(ctx context.Context) error {
	if err := c.do(ctx, http.MethodDelete, "/v1/calls", nil, nil); err != nil {
		return fmt.Errorf("clear calls: %w", err)
	}
	return nil
}
