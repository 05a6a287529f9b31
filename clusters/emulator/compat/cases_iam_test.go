package compat

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// iamCases: https://docs.aws.amazon.com/IAM/latest/APIReference/.
func iamCases() []testCase {
	return []testCase{
		{"iam", "CreateRole", "a name and a trust policy", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &f.Name, AssumeRolePolicyDocument: aws.String(trustPods)}))
		}},
		{"iam", "CreateRole", "a role that exists", refused(409, "EntityAlreadyExists"), func(ctx context.Context, f *fixture) error {
			f.Role(f.Name, trustPods, allowAll)
			return last(f.Admin().IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &f.Name, AssumeRolePolicyDocument: aws.String(trustPods)}))
		}},
	}
}
