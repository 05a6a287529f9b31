package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/podidentity/epi/framework/probe"
)

// variables are the process's AWS settings. For a variable with a secret only its presence is reported.
func (c *check) variables(context.Context, []string) any {
	found := probe.Variables{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "AWS_") {
			continue
		}
		switch name {
		case "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_ACCESS_KEY_ID":
			value = probe.Redacted
		}
		found[name] = value
	}
	return found
}

func (*check) clock(context.Context, []string) any { return probe.Clock{Now: time.Now().UTC()} }

// token reads the projected token like an SDK, and reports its claims.
func (c *check) token(_ context.Context, operands []string) any {
	file := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
	if len(operands) > 0 {
		file = operands[0]
	}
	result, err := readToken(file)
	if err != nil {
		result.Failure = &probe.Failure{Class: probe.CredentialsFailed, Operation: "ReadToken", Message: probe.Redact(err.Error())}
	}
	return result
}

func readToken(file string) (probe.Token, error) {
	result := probe.Token{File: file}
	if file == "" {
		return result, errors.New("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not set")
	}
	info, err := os.Stat(file)
	if err != nil {
		return result, fmt.Errorf("read token: %w", err)
	}
	result.Mode = info.Mode().String()
	data, err := os.ReadFile(file)
	if err != nil {
		return result, fmt.Errorf("read token: %w", err)
	}
	result.Size = len(data)
	var claims struct {
		jwt.RegisteredClaims
		Kubernetes struct {
			Namespace      string          `json:"namespace"`
			ServiceAccount probe.Reference `json:"serviceaccount"`
			Pod            probe.Reference `json:"pod"`
		} `json:"kubernetes.io"`
	}
	// EKS Auth verifies the token. Here its claims are only reported.
	token, _, err := jwt.NewParser().ParseUnverified(string(data), &claims)
	if err != nil {
		return result, fmt.Errorf("parse token of %d bytes: %w", len(data), err)
	}
	result.KeyID, _ = token.Header["kid"].(string)
	result.Algorithm, _ = token.Header["alg"].(string)
	result.Claims = probe.TokenClaims{
		Issuer: claims.Issuer, Subject: claims.Subject, Audience: claims.Audience,
		IssuedAt: moment(claims.IssuedAt), NotBefore: moment(claims.NotBefore), Expires: moment(claims.ExpiresAt),
		Namespace: claims.Kubernetes.Namespace, ServiceAccount: claims.Kubernetes.ServiceAccount, Pod: claims.Kubernetes.Pod,
	}
	return result, nil
}

func moment(date *jwt.NumericDate) time.Time {
	if date == nil {
		return time.Time{}
	}
	return date.UTC()
}

// metadata gets an IMDSv2 session token and, with it, the name of the instance's role: see
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html.
func (c *check) metadata(ctx context.Context, _ []string) any {
	base := metadataURL()
	ctx, cancel := context.WithTimeout(ctx, min(c.timeout, 2*metadataTimeout))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}} // without a proxy: the address is the link's
	defer client.CloseIdleConnections()

	started := time.Now()
	status, token, err := exchange(ctx, client, http.MethodPut, base+"/latest/api/token", http.Header{ttlHeader: {"60"}})
	result := probe.Metadata{Outcome: probe.MetadataAnswered, Status: status, Waited: time.Since(started)}
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		result.Outcome = probe.MetadataTimeout
		return result
	case err != nil:
		result.Outcome, result.Message = probe.MetadataRefused, err.Error()
		return result
	case status != http.StatusOK:
		result.Message = probe.Redact(token)
		return result
	}
	status, role, err := exchange(ctx, client, http.MethodGet, base+"/latest/meta-data/iam/security-credentials/", http.Header{tokenHeader: {token}})
	switch {
	case err != nil:
		result.Message = "get role: " + err.Error()
	case status != http.StatusOK:
		result.Message = fmt.Sprintf("get role: status %d", status)
	default:
		result.Role = strings.TrimSpace(role)
	}
	return result
}

const maxResponse = 64 << 10

func exchange(ctx context.Context, client *http.Client, method, url string, header http.Header) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return response.StatusCode, "", fmt.Errorf("read body: %w", err)
	}
	return response.StatusCode, string(body), nil
}

// http makes one request without redirects and proxy, and reports the answer without its credentials.
func (c *check) http(ctx context.Context, operands []string) any {
	failed := func(err error) probe.Response {
		return probe.Response{Failure: &probe.Failure{Class: probe.NetworkError, Operation: operands[0], Message: probe.Redact(err.Error())}}
	}
	request, err := http.NewRequestWithContext(ctx, operands[0], operands[1], nil)
	if err != nil {
		return failed(err)
	}
	for _, line := range c.header {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
			continue
		}
		request.Header.Add(name, value)
	}
	if c.tokenFile != "" {
		token, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return failed(err)
		}
		request.Header.Set("Authorization", string(token))
	}
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err == nil && len(body) > maxResponse {
		err = fmt.Errorf("answer is larger than %d bytes", maxResponse) // a truncated answer could not be redacted
	}
	if err != nil {
		return failed(err)
	}
	result := probe.Response{Status: response.StatusCode, Header: map[string]string{}, Body: probe.Redact(string(body))}
	for name := range response.Header {
		result.Header[name] = response.Header.Get(name)
	}
	return result
}
