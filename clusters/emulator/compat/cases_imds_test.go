package compat

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// imdsCases: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html.
func imdsCases() []testCase {
	const (
		tokens      = "PUT /latest/api/token"
		credentials = "GET /latest/meta-data/iam/security-credentials/epi-node"
		info        = "GET /latest/meta-data/iam/info"
		interfaces  = "GET /latest/meta-data/network/interfaces/macs/"
		document    = "GET /latest/dynamic/instance-identity/document"
	)
	const ttl = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	token := func(ctx context.Context, f *fixture, seconds string) error {
		return last(f.metadata(ctx, http.MethodPut, "/latest/api/token", ttl, seconds))
	}
	get := func(ctx context.Context, f *fixture, path string) error {
		token, err := f.metadata(ctx, http.MethodPut, "/latest/api/token", ttl, "60")
		f.must(err)
		return last(f.metadata(ctx, http.MethodGet, path, "X-Aws-Ec2-Metadata-Token", token))
	}
	return []testCase{
		{"imds", tokens, "a TTL of 60 seconds", accepted, func(ctx context.Context, f *fixture) error { return token(ctx, f, "60") }},
		{"imds", tokens, "a TTL of 6 hours", accepted, func(ctx context.Context, f *fixture) error { return token(ctx, f, "21600") }},
		{"imds", tokens, "a TTL of 6 hours and a second", refused(400, ""), func(ctx context.Context, f *fixture) error { return token(ctx, f, "21601") }},
		{"imds", tokens, "no TTL", refused(400, ""), func(ctx context.Context, f *fixture) error { return token(ctx, f, "") }},
		{"imds", tokens, "a request that passed a proxy", refused(403, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodPut, "/latest/api/token", "X-Forwarded-For", "192.0.2.1"))
		}},
		{"imds", tokens, "a TTL of 0 seconds", refused(400, ""), func(ctx context.Context, f *fixture) error { return token(ctx, f, "0") }},
		{"imds", anyOperation, "a method that the path does not take", refused(405, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodPost, "/latest/api/token", ttl, "60"))
		}},
		{"imds", anyOperation, "a token below a dated version", refused(403, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodPut, "/2021-03-23/api/token", ttl, "60"))
		}},
		{"imds", info, "a session token", accepted, func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/meta-data/iam/info")
		}},
		{"imds", info, "no session token", refused(401, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodGet, "/latest/meta-data/iam/info", "X-Aws-Ec2-Metadata-Token", ""))
		}},
		{"imds", interfaces, "a session token", accepted, func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/meta-data/network/interfaces/macs/")
		}},
		{"imds", interfaces, "no session token", refused(401, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodGet, "/latest/meta-data/network/interfaces/macs/", "X-Aws-Ec2-Metadata-Token", ""))
		}},
		{"imds", credentials, "a session token", accepted, func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/meta-data/iam/security-credentials/epi-node")
		}},
		{"imds", credentials, "no session token", refused(401, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodGet, "/latest/meta-data/iam/security-credentials/epi-node", "X-Aws-Ec2-Metadata-Token", ""))
		}},
		{"imds", anyOperation, "credentials of a role that is not the instance's", refused(404, ""), func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/meta-data/iam/security-credentials/other")
		}},
		{"imds", document, "a session token", accepted, func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/dynamic/instance-identity/document")
		}},
		{"imds", document, "a session token that is not one", refused(401, ""), func(ctx context.Context, f *fixture) error {
			return last(f.metadata(ctx, http.MethodGet, "/latest/dynamic/instance-identity/document", "X-Aws-Ec2-Metadata-Token", "x"))
		}},
		{"imds", anyOperation, "a path that does not exist", refused(404, ""), func(ctx context.Context, f *fixture) error {
			return get(ctx, f, "/latest/meta-data/no-such-thing")
		}},
	}
}

// metadata sends a request to the instance metadata service with one header.
func (f *fixture) metadata(ctx context.Context, method, path, header, value string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, f.MetadataURL+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(header, value)
	response, err := f.HTTP.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return string(body), err
}
