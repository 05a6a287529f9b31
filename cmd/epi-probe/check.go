package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/podidentity/epi/framework/probe"
)

const (
	// defaultTimeout bounds a check. A spec that must wait longer repeats it.
	defaultTimeout = 5 * time.Second
	// metadataTimeout is how long instance metadata may take to answer. It is on the node's own link.
	metadataTimeout = time.Second
)

// check is one check with its options.
type check struct {
	began     time.Time
	timeout   time.Duration
	attempts  int
	body      bool
	tokenFile string
	header    headers
}

// headers collects repeated --header flags.
type headers []string

func (h *headers) String() string { return strings.Join(*h, ", ") }

func (h *headers) Set(value string) error {
	if !strings.Contains(value, ":") {
		return fmt.Errorf("header %q is not Name: value", value)
	}
	*h = append(*h, value)
	return nil
}

// configuration is the SDK's default one with shorter timeouts: a pod beyond the hop limit would otherwise ask instance
// metadata for half a minute.
func (c *check) configuration(ctx context.Context) (aws.Config, error) {
	metadata := imds.New(imds.Options{
		Retryer:    aws.NopRetryer{},
		HTTPClient: metadataHTTPClient(),
		Endpoint:   os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
	})
	return config.LoadDefaultConfig(ctx,
		config.WithRetryMaxAttempts(c.attempts),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = metadata }),
	)
}

func metadataHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = metadataTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout, t.Proxy = metadataTimeout, nil })
}

// credentials resolves the default chain. Its failure distinguishes "there is no source" from "the configured source gave
// nothing". Only the first is right for a pod without an association.
func (c *check) credentials(ctx context.Context) (aws.Config, aws.Credentials, *probe.Failure) {
	cfg, err := c.configuration(ctx)
	if err != nil {
		return cfg, aws.Credentials{}, &probe.Failure{Class: probe.CredentialsFailed, Operation: "LoadDefaultConfig", Message: probe.Redact(err.Error())}
	}
	found, failure := retrieve(ctx, cfg)
	return cfg, found, failure
}

func retrieve(ctx context.Context, cfg aws.Config) (aws.Credentials, *probe.Failure) {
	found, err := cfg.Credentials.Retrieve(ctx)
	if err == nil {
		return found, nil
	}
	failure := &probe.Failure{Class: probe.NoCredentials, Operation: "Retrieve", Message: probe.Redact(err.Error())}
	for _, variable := range sources {
		if os.Getenv(variable) != "" {
			failure.Class = probe.CredentialsFailed
		}
	}
	return found, failure
}

// sources are the variables that configure a source of credentials. Without them the default chain
// ends at instance metadata.
var sources = []string{
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_PROFILE",
}

func (c *check) identity(ctx context.Context, _ []string) any {
	cfg, found, failure := c.credentials(ctx)
	if failure != nil {
		return probe.Identity{Failure: failure}
	}
	identity := probe.Identity{Source: found.Source, AccessKeyID: probe.Shorten(found.AccessKeyID)}
	callerIdentity(ctx, cfg, &identity)
	return identity
}

// callerIdentity adds the identity of cfg's credentials in AWS.
func callerIdentity(ctx context.Context, cfg aws.Config, identity *probe.Identity) {
	caller, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		identity.Failure = classify(err)
		return
	}
	identity.ARN, identity.Account, identity.UserID = aws.ToString(caller.Arn), aws.ToString(caller.Account), aws.ToString(caller.UserId)
}

// classify turns an error of an AWS request into data.
func classify(err error) *probe.Failure {
	failure := &probe.Failure{Class: probe.NetworkError, Message: probe.Redact(err.Error())}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		failure.Operation = operation.Operation()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		failure.Status = response.HTTPStatusCode()
		failure.Class = probe.APIError
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		failure.Class = probe.APIError
		failure.Code, failure.Message = api.ErrorCode(), probe.Redact(api.ErrorMessage())
	}
	return failure
}
