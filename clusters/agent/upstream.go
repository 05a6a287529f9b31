package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/smithy-go"
)

// Credentials are what a pod gets: the wire form of the container credentials provider.
type Credentials struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	Token           string    `json:"Token"`
	AccountID       string    `json:"AccountId"`
	Expiration      time.Time `json:"Expiration"`
}

// LogValue keeps credentials out of logs.
func (c Credentials) LogValue() slog.Value { return slog.TimeValue(c.Expiration) }

// upstream trades a service account token for credentials.
type upstream interface {
	Fetch(ctx context.Context, token string) (Credentials, error)
}

// eksAuth is the EKS Auth API.
type eksAuth struct {
	client  *eksauth.Client
	cluster string
}

// newEKSAuth makes the client. The agent acts as the node: its own credentials come from the
// instance metadata service and from nowhere else.
func newEKSAuth(ctx context.Context, options Options) (*eksAuth, error) {
	settings, err := config.LoadDefaultConfig(ctx,
		config.WithEC2IMDSRegion(),
		config.WithCredentialsProvider(aws.NewCredentialsCache(ec2rolecreds.New())),
	)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	if settings.Region == "" {
		return nil, errors.New("find AWS region: neither AWS_REGION nor the instance metadata service tell it")
	}
	client := eksauth.NewFromConfig(settings, func(o *eksauth.Options) {
		// A node's pods wait for the answer: connecting must not take longer than EKS Auth itself.
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(time.Second).
			WithDialerOptions(func(d *net.Dialer) { d.Timeout = 500 * time.Millisecond })
		if options.Endpoint != "" {
			o.BaseEndpoint = aws.String(options.Endpoint)
		}
	})
	return &eksAuth{client: client, cluster: options.Cluster}, nil
}

// Fetch implements upstream.
func (e *eksAuth) Fetch(ctx context.Context, token string) (Credentials, error) {
	answer, err := e.client.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
		ClusterName: aws.String(e.cluster), Token: aws.String(token),
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("assume role for pod identity: %w", err)
	}
	if answer.Credentials == nil || answer.AssumedRoleUser == nil {
		return Credentials{}, errors.New("assume role for pod identity: answer without credentials")
	}
	role, err := arn.Parse(aws.ToString(answer.AssumedRoleUser.Arn))
	if err != nil {
		return Credentials{}, fmt.Errorf("read account of assumed role: %w", err)
	}
	return Credentials{
		AccessKeyID:     aws.ToString(answer.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(answer.Credentials.SecretAccessKey),
		Token:           aws.ToString(answer.Credentials.SessionToken),
		AccountID:       role.AccountID,
		Expiration:      aws.ToTime(answer.Credentials.Expiration),
	}, nil
}

// relayed is how an error of EKS Auth is told to the pod: its own status and one line of text. What
// is no answer of the service is 500 with an empty list of causes, as the EKS agent has it.
func relayed(err error) (status int, text string) {
	var own *requestError
	if errors.As(err, &own) {
		return own.status, own.text
	}
	var expiring *expiringError
	if errors.As(err, &expiring) {
		return http.StatusInternalServerError, expiring.Error()
	}
	var api smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		return http.StatusInternalServerError, "[]"
	}
	return response.HTTPStatusCode(), fmt.Sprintf("[%s]: (%s): %s, fault: %s",
		response.ServiceRequestID(), api.ErrorCode(), api.ErrorMessage(), strings.ToLower(api.ErrorFault().String()))
}

// drops tells whether an error on renewal means that the pod has lost its right to credentials.
func drops(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ResourceNotFoundException", "ExpiredTokenException", "InvalidTokenException", "AccessDeniedException":
		return true
	}
	return false
}
