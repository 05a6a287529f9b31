package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	fetchTimeout = 10 * time.Second
	maxDocument  = 1 << 20
	// discovery is an issuer's document about the place of its keys (OpenID Connect Discovery 1.0, section 4).
	discovery = "/.well-known/openid-configuration"
)

// ReadSet reads a key set from a file, or from an http or https URL. An empty location finds it by the issuer's discovery
// document. Only an operator may name the location, and never the caller of an API. A redirect is followed on the same host
// only. An answer has at most 1 MiB.
func ReadSet(ctx context.Context, issuer, location string) ([]byte, error) {
	if location == "" {
		found, err := discover(ctx, issuer)
		if err != nil {
			return nil, fmt.Errorf("discover keys of %s: %w", issuer, err)
		}
		location = found
	}
	if !strings.HasPrefix(location, "http://") && !strings.HasPrefix(location, "https://") {
		set, err := os.ReadFile(location)
		if err != nil {
			return nil, fmt.Errorf("read keys of %s: %w", issuer, err)
		}
		return set, nil
	}
	set, err := fetch(ctx, location)
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", issuer, err)
	}
	return set, nil
}

// discover returns the URL of the key set, which must be on the issuer's own host.
func discover(ctx context.Context, issuer string) (string, error) {
	text, err := fetch(ctx, strings.TrimSuffix(issuer, "/")+discovery)
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return "", fmt.Errorf("read %s: %w", discovery, err)
	}
	if document.Issuer != issuer {
		return "", fmt.Errorf("it says that it is %q", document.Issuer)
	}
	from, err := url.Parse(issuer)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(document.JWKSURI)
	if err != nil || to.Host != from.Host || to.Scheme != from.Scheme {
		return "", fmt.Errorf("its keys are at %q, which is another host: name that URL if you trust it", document.JWKSURI)
	}
	return document.JWKSURI, nil
}

func fetch(ctx context.Context, location string) ([]byte, error) {
	target, err := url.Parse(location)
	if err != nil {
		return nil, err
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil {
		return nil, fmt.Errorf("%q is no http or https URL without a password", target.Redacted())
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	client := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != target.Host || r.URL.Scheme != target.Scheme || len(via) > 3 {
			return errors.New("redirected to another host")
		}
		return nil
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", location, response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", location, err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("get %s: more than %d bytes", location, maxDocument)
	}
	return text, nil
}
