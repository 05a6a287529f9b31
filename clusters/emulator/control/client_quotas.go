package control

import (
	"context"
	"fmt"
	"net/http"
)

// AssociationLimit returns the largest number of Pod Identity associations of a cluster.
func (c *Client) AssociationLimit(ctx context.Context) (int, error) {
	var out quotas
	if err := c.do(ctx, http.MethodGet, "/v1/quotas", nil, &out); err != nil {
		return 0, fmt.Errorf("get quotas: %w", err)
	}
	return out.AssociationsPerCluster, nil
}

// SetAssociationLimit sets it. AWS's limit is fixed at 5,000. Measurements above it are about the webhook.
func (c *Client) SetAssociationLimit(ctx context.Context, limit int) error {
	if err := c.do(ctx, http.MethodPut, "/v1/quotas", quotas{AssociationsPerCluster: limit}, nil); err != nil {
		return fmt.Errorf("set limit of %d associations a cluster: %w", limit, err)
	}
	return nil
}
