package framework

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/ownership"
)

// Clients of AWS's services, all with the credentials of one caller.
type Clients struct {
	EKS     *eks.Client
	EKSAuth *eksauth.Client
	IAM     *iam.Client
	STS     *sts.Client
	S3      *s3.Client

	config aws.Config
}

func newClients(cfg aws.Config, stamp ownership.Stamp) Clients {
	unstamped := cfg.Copy()
	stamp.On(&cfg)
	return Clients{
		config: unstamped,
		EKS:    eks.NewFromConfig(cfg), EKSAuth: eksauth.NewFromConfig(cfg), IAM: iam.NewFromConfig(cfg), STS: sts.NewFromConfig(cfg),
		S3: s3.NewFromConfig(cfg, func(o *s3.Options) {
			// A bucket's own host name exists only in AWS's domain.
			o.UsePathStyle = o.BaseEndpoint != nil
		}),
	}
}

// Credentials are those of the caller.
func (c *Clients) Credentials() aws.CredentialsProvider { return c.config.Credentials }

// String returns no content, so that formatted clients, for example in a failed expectation, show no credentials.
func (*Clients) String() string { return "AWS clients" }

// GomegaString implements format.GomegaStringer, for the same reason.
func (c *Clients) GomegaString() string { return c.String() }

// As returns clients of another caller of the environment's account.
func (e *Env) As(provider aws.CredentialsProvider) *Clients { return e.AsOf(e.AccountID, provider) }

// AsOf returns clients of a caller of an account.
func (e *Env) AsOf(account string, provider aws.CredentialsProvider) *Clients {
	cfg := e.config.Copy()
	cfg.Credentials = aws.NewCredentialsCache(provider)
	clients := newClients(cfg, e.stamp(account))
	return &clients
}

// AsKey returns clients of a caller with an access key, such as a session's.
func (e *Env) AsKey(accessKeyID, secretAccessKey, sessionToken string) *Clients {
	return e.As(credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, sessionToken))
}
