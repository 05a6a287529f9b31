package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// HopLimit returns the response hop limit of the instance metadata service.
func (c *Client) HopLimit(ctx context.Context) (int, error) {
	out, err := c.metadata(ctx)
	if err == nil && out.HopLimit == nil {
		err = errors.New("the answer has none")
	}
	if err != nil {
		return 0, fmt.Errorf("get hop limit: %w", err)
	}
	return *out.HopLimit, nil
}

// SetHopLimit sets it, to 1 through 64. It applies to open connections too.
func (c *Client) SetHopLimit(ctx context.Context, hopLimit int) error {
	if err := c.do(ctx, http.MethodPut, "/v1/imds", metadata{HopLimit: &hopLimit}, nil); err != nil {
		return fmt.Errorf("set hop limit %d: %w", hopLimit, err)
	}
	return nil
}

// IMDSv1 says whether the instance metadata service answers requests without a session token.
func (c *Client) IMDSv1(ctx context.Context) (bool, error) {
	out, err := c.metadata(ctx)
	if err == nil && out.V1Enabled == nil {
		err = errors.New("the answer lacks the value")
	}
	if err != nil {
		return false, fmt.Errorf("get state of IMDSv1: %w", err)
	}
	return *out.V1Enabled, nil
}

// SetIMDSv1 turns such answers on or off.
func (c *Client) SetIMDSv1(ctx context.Context, enabled bool) error {
	if err := c.do(ctx, http.MethodPut, "/v1/imds", metadata{V1Enabled: &enabled}, nil); err != nil {
		return fmt.Errorf("set IMDSv1 to %t: %w", enabled, err)
	}
	return nil
}

func (c *Client) metadata(ctx context.Context) (metadata, error) {
	var out metadata
	err := c.do(ctx, http.MethodGet, "/v1/imds", nil, &out)
	return out, err
}
