package compat

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// stsCases: https://docs.aws.amazon.com/STS/latest/APIReference/.
func stsCases() []testCase {
	return []testCase{
		{"sts", "GetCallerIdentity", "a user without any permission", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Nobody().STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},
		{"sts", "GetCallerIdentity", "no signature", refused(403, "MissingAuthenticationToken"), func(ctx context.Context, f *fixture) error {
			return last(f.Anonymous().STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
		}},
		{"sts", "AssumeRole", "a role that trusts the account", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(f.Role(f.Name, trustAccount, "")), RoleSessionName: aws.String("session")}))
		}},
		{"sts", "AssumeRole", "a role that does not exist", refused(403, "AccessDenied"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().STS.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(roleARN(f.Name)), RoleSessionName: aws.String("session")}))
		}},
	}
}
