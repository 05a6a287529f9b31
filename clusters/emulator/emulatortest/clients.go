package emulatortest

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Clients are one caller's clients of all services.
type Clients struct {
	Config  aws.Config
	EKS     *eks.Client
	EKSAuth *eksauth.Client
	IAM     *iam.Client
	STS     *sts.Client
	S3      *s3.Client
	EC2     *ec2.Client
	ECR     *ecr.Client

	CloudFormation *cloudformation.Client
}

// NewClients makes the clients. S3's client has the bucket in the path, because the endpoint is an IP address.
func NewClients(config aws.Config) *Clients {
	return &Clients{
		Config: config, EKS: eks.NewFromConfig(config), EKSAuth: eksauth.NewFromConfig(config), IAM: iam.NewFromConfig(config),
		STS: sts.NewFromConfig(config), S3: s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
		EC2: ec2.NewFromConfig(config), ECR: ecr.NewFromConfig(config), CloudFormation: cloudformation.NewFromConfig(config),
	}
}
