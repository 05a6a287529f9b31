package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is a client of one emulator. It is safe for concurrent use.
type Client struct {
	url, token string
	http       *http.Client
}

// New makes a client of the API at a URL such as "http://127.0.0.1:4567". The token is the harness's or, for Identities
// alone, the synchronisation token.
func New(url, token string) *Client {
	// No proxy is used: the control API is on loopback or on the cluster's own network.
	return &Client{url: strings.TrimSuffix(url, "/"), token: token, http: &http.Client{Transport: &http.Transport{}}}
}

// StatusError is a refusal of the control API.
type StatusError struct {
	Status int
	// Reason is the API's own text.
	Reason string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Reason) }

// RegisterCluster makes a cluster known to EKS and EKS Auth, or changes what they know of it.
func (c *Client) RegisterCluster(ctx context.Context, name string, cluster Cluster) error {
	if err := c.do(ctx, http.MethodPut, "/v1/clusters/"+url.PathEscape(name), cluster, nil); err != nil {
		return fmt.Errorf("register cluster %s: %w", name, err)
	}
	return nil
}

// UnregisterCluster makes EKS and EKS Auth forget a cluster and all that is in it. An unknown cluster is no error.
func (c *Client) UnregisterCluster(ctx context.Context, name string) error {
	if err := c.do(ctx, http.MethodDelete, "/v1/clusters/"+url.PathEscape(name), nil, nil); err != nil {
		return fmt.Errorf("unregister cluster %s: %w", name, err)
	}
	return nil
}

// Identities returns a cluster's identities. It returns at once if after is not the current revision, and otherwise on a
// change or after wait (up to 5 minutes).
func (c *Client) Identities(ctx context.Context, cluster, after string, wait time.Duration) (Identities, error) {
	var out Identities
	query := url.Values{"after": {after}, "wait": {wait.String()}}
	if err := c.do(ctx, http.MethodGet, "/v1/clusters/"+url.PathEscape(cluster)+"/identities?"+query.Encode(), nil, &out); err != nil {
		return Identities{}, fmt.Errorf("watch identities of %s: %w", cluster, err)
	}
	return out, nil
}

// WaitHealthy returns when the API answers. After timeout it returns the last error.
func (c *Client) WaitHealthy(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		err := c.do(ctx, http.MethodGet, "/healthz", nil, nil)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // the last error says more than the end of the time
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for control API at %s: %w, last: %w", c.url, ctx.Err(), last)
		case <-ticker.C:
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode body: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		return statusError(response)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

func statusError(response *http.Response) error {
	var p problem
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10)) // part of the text is better than nothing
	if json.Unmarshal(text, &p) != nil || p.Error == "" {
		p.Error = strings.TrimSpace(string(text))
	}
	return &StatusError{Status: response.StatusCode, Reason: p.Error}
}
