package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/podidentity/epi/framework/probe"
)

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	// ruleTimeout bounds one request: the probe is within the hop limit, so there is an answer.
	ruleTimeout = 5 * time.Second
	// expiry is how long a token that is valid for one second is tried.
	expiry      = 3 * time.Second
	expiryEvery = 100 * time.Millisecond
)

// metadataURL is where the instance metadata service is.
func metadataURL() string {
	if endpoint := os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"); endpoint != "" {
		return strings.TrimSuffix(endpoint, "/")
	}
	return "http://169.254.169.254"
}

// metadataRules sends the requests that must be refused by
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html.
func (c *check) metadataRules(ctx context.Context, _ []string) any {
	ask := metadataClient{client: &http.Client{Transport: &http.Transport{}, Timeout: ruleTimeout}} // without a proxy: the address is the link's
	defer ask.client.CloseIdleConnections()

	var rules probe.MetadataRules
	brief, token := "", ""
	rules.PutTTL1, brief = ask.put(ctx, http.Header{ttlHeader: {"1"}})
	rules.PutTTL21600, token = ask.put(ctx, http.Header{ttlHeader: {"21600"}})
	rules.PutTTL0, _ = ask.put(ctx, http.Header{ttlHeader: {"0"}})
	rules.PutTTL21601, _ = ask.put(ctx, http.Header{ttlHeader: {"21601"}})
	rules.PutNoTTL, _ = ask.put(ctx, http.Header{})
	rules.PutForwarded, _ = ask.put(ctx, http.Header{ttlHeader: {"60"}, "X-Forwarded-For": {"203.0.113.7"}})
	rules.GetWithToken = ask.get(ctx, token)
	rules.GetWithout = ask.get(ctx, "")
	rules.GetWithOther = ask.get(ctx, another(token))
	rules.GetWithExpired = ask.get(ctx, brief)
	for started := time.Now(); rules.GetWithExpired == http.StatusOK && time.Since(started) < expiry && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(expiryEvery):
			rules.GetWithExpired = ask.get(ctx, brief)
		}
	}
	rules.Failure = ask.failure
	return rules
}

// metadataClient asks the instance metadata service and keeps the first failure.
type metadataClient struct {
	client  *http.Client
	failure *probe.Failure
}

func (a *metadataClient) put(ctx context.Context, header http.Header) (status int, token string) {
	return a.ask(ctx, http.MethodPut, "/latest/api/token", header)
}

func (a *metadataClient) get(ctx context.Context, token string) (status int) {
	header := http.Header{}
	if token != "" {
		header[tokenHeader] = []string{token}
	}
	status, _ = a.ask(ctx, http.MethodGet, "/latest/meta-data/instance-id", header)
	return status
}

func (a *metadataClient) ask(ctx context.Context, method, path string, header http.Header) (int, string) {
	status, body, err := exchange(ctx, a.client, method, metadataURL()+path, header)
	if err != nil && a.failure == nil {
		a.failure = &probe.Failure{Class: probe.NetworkError, Operation: method, Message: probe.Redact(err.Error())}
	}
	return status, body
}

// another token of the same form.
func another(token string) string {
	middle := len(token) / 2
	if token == "" || token[middle] == 'A' {
		return token[:middle] + "B" + token[min(middle+1, len(token)):]
	}
	return token[:middle] + "A" + token[middle+1:]
}
