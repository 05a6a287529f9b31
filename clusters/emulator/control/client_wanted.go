package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Wanted returns the clusters that EKS is asked for. It returns at once if after is not the current revision, and otherwise
// on a change or after wait (up to 5 minutes).
func (c *Client) Wanted(ctx context.Context, after string, wait time.Duration) (Wanted, error) {
	var out Wanted
	query := url.Values{"after": {after}, "wait": {wait.String()}}
	if err := c.do(ctx, http.MethodGet, "/v1/wanted?"+query.Encode(), nil, &out); err != nil {
		return Wanted{}, fmt.Errorf("watch wanted clusters: %w", err)
	}
	return out, nil
}

// Observe reports on a cluster. The error is ErrStale if the cluster is no longer wanted.
func (c *Client) Observe(ctx context.Context, cluster string, report Observed) error {
	return c.report(ctx, "cluster "+cluster, "/v1/observed/"+url.PathEscape(cluster), report)
}

// ObserveNodegroup reports on a node group. The error is ErrStale if it is no longer wanted.
func (c *Client) ObserveNodegroup(ctx context.Context, cluster, name string, report ObservedPart) error {
	return c.report(ctx, "node group "+name+" of "+cluster, "/v1/observed/"+url.PathEscape(cluster)+"/nodegroups/"+url.PathEscape(name), report)
}

// ObserveAddon reports on an add-on. The error is ErrStale if it is no longer wanted.
func (c *Client) ObserveAddon(ctx context.Context, cluster, name string, report ObservedPart) error {
	return c.report(ctx, "add-on "+name+" of "+cluster, "/v1/observed/"+url.PathEscape(cluster)+"/addons/"+url.PathEscape(name), report)
}

func (c *Client) report(ctx context.Context, what, path string, report any) error {
	err := c.do(ctx, http.MethodPut, path, report, nil)
	if refusal, ok := errors.AsType[*StatusError](err); ok && refusal.Status == http.StatusConflict {
		err = errors.Join(ErrStale, err)
	}
	if err != nil {
		return fmt.Errorf("report about %s: %w", what, err)
	}
	return nil
}
