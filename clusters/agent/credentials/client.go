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
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
)

const (
	dialTimeout = 500 * time.Millisecond
	// attemptTimeout is long enough for a slow EKS Auth. Giving up and asking again would double its work.
	attemptTimeout = 4 * time.Second
	// idleConnections is enough for pods that start one after the other. A burst is rare, and its connections, with their
	// buffers and goroutines, would be most of the memory that remains after it.
	idleConnections = 32
	// A request takes about 2 KiB. The part of an answer beyond its buffer is read without one.
	readBuffer, writeBuffer = 1 << 10, 2 << 10
	// preparing is the number of requests that are prepared, or answers that are decoded, at the same time.
	preparing = 2
)

// Client calls EKS Auth for one cluster.
type Client struct {
	api     *eksauth.Client
	http    attemptClient
	workers workers
	node    aws.CredentialsProvider
	cluster string
}

// NewClient makes a client of EKS Auth. An empty endpoint means AWS's own for cfg's region, or AWS_ENDPOINT_URL_EKS_AUTH.
// An attempt takes four seconds at most. There are at most three attempts, and ten if EKS Auth throttles.
func NewClient(cfg aws.Config, cluster, endpoint string, more ...func(*eksauth.Options)) *Client {
	transport := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = idleConnections
			t.ReadBufferSize, t.WriteBufferSize = readBuffer, writeBuffer
		})
	client := attemptClient{transport, attemptTimeout}
	api := eksauth.NewFromConfig(cfg, func(o *eksauth.Options) {
		o.HTTPClient = client
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		o.Retryer = newRetryer()
		for _, change := range more {
			change(o)
		}
	})
	return &Client{api: api, http: client, workers: workers{most: preparing}, node: cfg.Credentials, cluster: cluster}
}

// upstreamTimeout is the EKS agent's timeout of an attempt:
// https://github.com/aws/eks-pod-identity-agent/blob/main/internal/cloud/eksauth/service.go.
const upstreamTimeout = time.Second

// Upstream makes a client with the EKS agent's limits: an attempt takes one second at most, and the SDK's own retryer
// decides about further ones.
func Upstream(o *eksauth.Options) {
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(upstreamTimeout).WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })
	o.Retryer = retry.NewStandard()
}

// Fetch exchanges a service account token for credentials. A failed call is an *Error, which has the answer for the pod. No
// error's text contains the token or a secret.
func (c *Client) Fetch(ctx context.Context, token string) (Credentials, error) {
	// The node's credentials are fetched separately, so that a refusal of the instance metadata service does not count as
	// EKS Auth's. They are cached and sign the call.
	if _, err := c.node.Retrieve(ctx); err != nil {
		return Credentials{}, fmt.Errorf("find the credentials of the node's role: %w", err)
	}
	answer, err := c.assume(ctx, &eksauth.AssumeRoleForPodIdentityInput{
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
