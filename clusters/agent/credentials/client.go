package credentials

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
)

const (
	dialTimeout    = 500 * time.Millisecond
	attemptTimeout = time.Second
	// idleConnections keeps the connections of a burst of starting pods for the next one.
	idleConnections = 100
)

// Client calls EKS Auth for one cluster.
type Client struct {
	api     *eksauth.Client
	node    aws.CredentialsProvider
	cluster string
}

// NewClient makes a client of EKS Auth. An empty endpoint means AWS's own for cfg's region, or
// AWS_ENDPOINT_URL_EKS_AUTH. An attempt takes one second at most, and there are at most three.
func NewClient(cfg aws.Config, cluster, endpoint string) *Client {
	transport := awshttp.NewBuildableClient().
		WithTimeout(attemptTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = idleConnections })
	api := eksauth.NewFromConfig(cfg, func(o *eksauth.Options) {
		o.HTTPClient = transport
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			// The SDK's budget for retries is shared by the whole process: when many pods start at
			// once and EKS Auth throttles, it runs out and pods fail that one retry would have
			// helped. Three attempts a token are bound enough.
			o.RateLimiter = ratelimit.None
		})
	})
	return &Client{api: api, node: cfg.Credentials, cluster: cluster}
}

// Fetch exchanges a service account token for credentials. A failed call is an *Error, which holds
// the answer for the pod; no error's text holds the token or a secret.
func (c *Client) Fetch(ctx context.Context, token string) (Credentials, error) {
	// Asked for apart, so that a refusal by the instance metadata service is not taken for one by
	// EKS Auth. What is fetched here is cached and signs the call.
	if _, err := c.node.Retrieve(ctx); err != nil {
		return Credentials{}, fmt.Errorf("find the credentials of the node's role: %w", err)
	}
	answer, err := c.api.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(c.cluster),
		Token:       aws.String(token),
	})
	if err != nil {
		return Credentials{}, newError(err, token)
	}
	fetched, user := answer.Credentials, answer.AssumedRoleUser
	if fetched == nil || user == nil || fetched.Expiration == nil {
		return Credentials{}, errors.New("answer of EKS Auth has no credentials, expiration or role")
	}
	role, err := arn.Parse(aws.ToString(user.Arn))
	if err != nil {
		return Credentials{}, fmt.Errorf("parse ARN of role session %q: %w", aws.ToString(user.Arn), err)
	}
	return Credentials{
		AccessKeyID:     aws.ToString(fetched.AccessKeyId),
		SecretAccessKey: aws.ToString(fetched.SecretAccessKey),
		SessionToken:    aws.ToString(fetched.SessionToken),
		AccountID:       role.AccountID,
		Expiration:      *fetched.Expiration,
	}, nil
}
