package compat

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
)

// eksAuthCases: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
func eksAuthCases() []testCase {
	const operation = "AssumeRoleForPodIdentity"
	assume := func(ctx context.Context, f *fixture, changes map[string]any) error {
		f.association()
		return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
			ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", changes)),
		}))
	}
	return []testCase{
		{"eks-auth", operation, "the token of a service account with an association", accepted, func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, nil)
		}},
		{"eks-auth", operation, "a service account without an association", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: aws.String(f.Cluster()), Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
		{"eks-auth", operation, "a cluster that does not exist", refused(404, "ResourceNotFoundException"), func(ctx context.Context, f *fixture) error {
			return last(f.Node().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
		{"eks-auth", operation, "an expired token", refused(400, "ExpiredTokenException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"exp": f.Now().Add(-time.Hour).Unix(), "iat": f.Now().Add(-2 * time.Hour).Unix(), "nbf": f.Now().Add(-2 * time.Hour).Unix()})
		}},
		{"eks-auth", operation, "a token for another audience", refused(400, "InvalidTokenException"), func(ctx context.Context, f *fixture) error {
			return assume(ctx, f, map[string]any{"aud": []string{"sts.amazonaws.com"}})
		}},
		{"eks-auth", operation, "a caller without the permission", refused(400, "AccessDeniedException"), func(ctx context.Context, f *fixture) error {
			f.association()
			return last(f.Nobody().EKSAuth.AssumeRoleForPodIdentity(ctx, &eksauth.AssumeRoleForPodIdentityInput{
				ClusterName: &f.Name, Token: aws.String(f.Token("default", "app", nil)),
			}))
		}},
	}
}
