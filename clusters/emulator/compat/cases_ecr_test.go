package compat

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// repository creates an empty repository and returns its ARN.
func (f *fixture) repository() (name, arn *string) {
	f.t.Helper()
	out, err := f.Admin().ECR.CreateRepository(f.t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &f.Name})
	f.must(err)
	f.cleanly(func(ctx context.Context) error {
		return last(f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &f.Name, Force: true}))
	})
	return &f.Name, out.Repository.RepositoryArn
}

func ecrCases() []testCase {
	denied, invalid, none := refused(400, "AccessDeniedException"), refused(400, "InvalidParameterException"), refused(400, "RepositoryNotFoundException")
	create := func(change func(*ecr.CreateRepositoryInput)) func(context.Context, *fixture) error {
		return func(ctx context.Context, f *fixture) error {
			in := &ecr.CreateRepositoryInput{RepositoryName: &f.Name}
			change(in)
			f.cleanly(func(ctx context.Context) error {
				return last(f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: in.RepositoryName, Force: true}))
			})
			return last(f.Admin().ECR.CreateRepository(ctx, in))
		}
	}
	tags := func(keys ...string) (tags []types.Tag) {
		for _, key := range keys {
			tags = append(tags, types.Tag{Key: aws.String(key), Value: aws.String("v")})
		}
		return tags
	}
	missing := []types.ImageIdentifier{{ImageTag: aws.String("none")}}
	return []testCase{
		{"ecr", anyOperation, "an operation that the emulator lacks", refused(400, "UnknownOperationException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.DescribeRegistry(ctx, &ecr.DescribeRegistryInput{}))
		}},
		{"ecr", anyOperation, "a wrong secret", refused(400, "InvalidSignatureException"), func(ctx context.Context, f *fixture) error {
			return last(f.Forged().ECR.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{}))
		}},
		{"ecr", anyOperation, "the registry of another account", none, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: aws.String("999999999999")}))
		}},
		{"ecr", "GetAuthorizationToken", "a caller with the permission", accepted, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{}))
		}},
		{"ecr", "GetAuthorizationToken", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			return last(f.Unprivileged().ECR.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{}))
		}},
		{"ecr", "CreateRepository", "a name in a namespace, with tags", accepted, create(func(in *ecr.CreateRepositoryInput) {
			in.RepositoryName, in.Tags = aws.String("team/"+*in.RepositoryName), tags("a", "b")
		})},
		{"ecr", "CreateRepository", "a name in capitals", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("Team")}))
		}},
		{"ecr", "CreateRepository", "a tag of AWS's", refused(400, "InvalidTagParameterException"), func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &f.Name, Tags: tags("aws:a")}))
		}},
		{"ecr", "CreateRepository", "a name that exists", refused(400, "RepositoryAlreadyExistsException"), func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Admin().ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: name}))
		}},
		{"ecr", "CreateRepository", "tags that the caller may not give", denied, func(ctx context.Context, f *fixture) error {
			may := f.User(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:CreateRepository","Resource":"*"}}`)
			return last(may.ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &f.Name, Tags: tags("a")}))
		}},
		{"ecr", "DescribeRepositories", "all", accepted, func(ctx context.Context, f *fixture) error {
			f.repository()
			return last(f.Admin().ECR.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1)}))
		}},
		{"ecr", "DescribeRepositories", "one that does not exist", none, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{f.Name}}))
		}},
		{"ecr", "DescribeRepositories", "more than a page has", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1001)}))
		}},
		{"ecr", "DeleteRepository", "an empty one", accepted, func(ctx context.Context, f *fixture) error {
			f.must(last(f.Admin().ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &f.Name})))
			return last(f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &f.Name}))
		}},
		{"ecr", "DeleteRepository", "one that does not exist", none, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &f.Name}))
		}},
		{"ecr", "DeleteRepository", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Unprivileged().ECR.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: name}))
		}},
		{"ecr", "ListImages", "an empty repository", accepted, func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Admin().ECR.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: name}))
		}},
		{"ecr", "ListImages", "a repository that does not exist", none, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.ListImages(ctx, &ecr.ListImagesInput{RepositoryName: &f.Name}))
		}},
		{"ecr", "DescribeImages", "an empty repository", accepted, func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Admin().ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: name}))
		}},
		{"ecr", "DescribeImages", "an image that does not exist", refused(400, "ImageNotFoundException"), func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Admin().ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: name, ImageIds: missing}))
		}},
		{"ecr", "BatchDeleteImage", "an image that does not exist, which is reported as a failure", accepted, func(ctx context.Context, f *fixture) error {
			name, _ := f.repository()
			return last(f.Admin().ECR.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: name, ImageIds: missing}))
		}},
		{"ecr", "BatchDeleteImage", "a repository that does not exist", none, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: &f.Name, ImageIds: missing}))
		}},
		{"ecr", "TagResource", "a repository", accepted, func(ctx context.Context, f *fixture) error {
			_, arn := f.repository()
			return last(f.Admin().ECR.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: arn, Tags: tags("a")}))
		}},
		{"ecr", "TagResource", "more tags than there may be", refused(400, "TooManyTagsException"), func(ctx context.Context, f *fixture) error {
			_, arn := f.repository()
			var keys []string
			for n := range 51 {
				keys = append(keys, fmt.Sprintf("k%d", n))
			}
			return last(f.Admin().ECR.TagResource(ctx, &ecr.TagResourceInput{ResourceArn: arn, Tags: tags(keys...)}))
		}},
		{"ecr", "UntagResource", "a repository", accepted, func(ctx context.Context, f *fixture) error {
			_, arn := f.repository()
			return last(f.Admin().ECR.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))
		}},
		{"ecr", "UntagResource", "the ARN of something else", invalid, func(ctx context.Context, f *fixture) error {
			return last(f.Admin().ECR.UntagResource(ctx, &ecr.UntagResourceInput{ResourceArn: aws.String("arn:aws:s3:::x"), TagKeys: []string{"a"}}))
		}},
		{"ecr", "ListTagsForResource", "a repository", accepted, func(ctx context.Context, f *fixture) error {
			_, arn := f.repository()
			return last(f.Admin().ECR.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: arn}))
		}},
		{"ecr", "ListTagsForResource", "a caller without the permission", denied, func(ctx context.Context, f *fixture) error {
			_, arn := f.repository()
			return last(f.Unprivileged().ECR.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: arn}))
		}},
	}
}
