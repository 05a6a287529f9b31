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
	// attemptTimeout is long enough for an EKS Auth that is slow: giving up and asking again would
	// double its work.
	attemptTimeout = 4 * time.Second
	// idleConnections is enough for pods that start one after the other. A burst of them is rare, and
	// its connections, with their buffers and goroutines, are most of what it would leave behind.
	idleConnections = 32
	// A request takes about 2 KiB. What an answer has above its buffer is read without one.
	readBuffer, writeBuffer = 1 << 10, 2 << 10
	// preparing is how many requests are made ready for EKS Auth, or answers decoded, at once.
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

// NewClient makes a client of EKS Auth. An empty endpoint means AWS's own for cfg's region, or
// AWS_ENDPOINT_URL_EKS_AUTH. An attempt takes four seconds at most. There are at most three, and ten
// where EKS Auth throttles.
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

// upstreamTimeout is the EKS agent's for an attempt:
// https://github.com/aws/eks-pod-identity-agent/blob/main/internal/cloud/eksauth/service.go.
const upstreamTimeout = time.Second

// Upstream makes a client as patient as the EKS agent's: an attempt takes a second at most, and the SDK's
// own retryer decides about others.
func Upstream(o *eksauth.Options) {
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(upstreamTimeout).WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout })
	o.Retryer = retry.NewStandard()
}

// Fetch exchanges a service account token for credentials. A failed call is an *Error, which holds
// the answer for the pod; no error's text holds the token or a secret.
func (c *Client) Fetch(ctx context.Context, token string) (Credentials, error) {
	// Asked for apart, so that a refusal by the instance metadata service is not taken for one by
	// EKS Auth. What is fetched here is cached and signs the call.
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
