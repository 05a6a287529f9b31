package credentials

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// NodeConfig is the agent's own AWS configuration: the node's role from the instance metadata service, version 2 only; an
// access key in AWS_ACCESS_KEY_ID takes precedence. No other member of the SDK's default chain is used, because a pod
// identity, a web identity or a profile is not the node's. The region is AWS_REGION or the instance's.
func NodeConfig(ctx context.Context) (aws.Config, error) {
	environment, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, fmt.Errorf("read AWS variables of the environment: %w", err)
	}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}),
		config.WithCredentialsProvider(aws.AnonymousCredentials{}),
		config.WithEC2IMDSRegion())
	if err != nil {
		return aws.Config{}, fmt.Errorf("find the AWS region (set AWS_REGION where there is no instance metadata): %w", err)
	}
	var provider aws.CredentialsProvider = ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.NewFromConfig(cfg, func(o *imds.Options) { o.EnableFallback = aws.FalseTernary })
	})
	if environment.Credentials.HasKeys() {
		provider = credentials.StaticCredentialsProvider{Value: environment.Credentials}
	}
	cfg.Credentials = aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		// The node's credentials are renewed well before their end, at a time that differs between nodes.
		o.ExpiryWindow = 5 * time.Minute
		o.ExpiryWindowJitterFrac = 0.5
	})
	return cfg, nil
}
