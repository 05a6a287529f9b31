package sweep

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

const noSuchBucket = "NoSuchBucket"

// buckets are those of the region.
func (s *Sweeper) buckets() kind {
	return kind{
		name: journal.Bucket,
		list: func(ctx context.Context, _ Scope) ([]string, error) {
			var names []string
			pages := s3.NewListBucketsPaginator(s.s3, &s3.ListBucketsInput{BucketRegion: &s.region, Prefix: aws.String(ownership.Prefix)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, bucket := range page.Buckets {
					names = append(names, aws.ToString(bucket.Name))
				}
			}
			return names, nil
		},
		look: s.lookAtBucket,
		remove: func(ctx context.Context, found Found, progress func(string)) error {
			return s.removeBucket(ctx, found.ID, progress)
		},
	}
}

func (s *Sweeper) lookAtBucket(ctx context.Context, name string) (*Found, map[string]string, error) {
	// The account is checked too, because another account may have the name now.
	out, err := s.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &name, ExpectedBucketOwner: &s.account})
	if err != nil {
		return nil, nil, ignore(err, noSuchBucket, "NoSuchTagSet")
	}
	tags := map[string]string{}
	for _, tag := range out.TagSet {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	found := &Found{}
	list, err := s.s3.ListBuckets(ctx, &s3.ListBucketsInput{Prefix: &name, BucketRegion: &s.region})
	if err != nil {
		return nil, nil, err
	}
	for _, bucket := range list.Buckets {
		if aws.ToString(bucket.Name) == name {
			found.Created = aws.ToTime(bucket.CreationDate)
		}
	}
	return found, tags, nil
}

func (s *Sweeper) removeBucket(ctx context.Context, name string, progress func(string)) error {
	uploads := s3.NewListMultipartUploadsPaginator(s.s3, &s3.ListMultipartUploadsInput{Bucket: &name})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return ignore(err, noSuchBucket)
		}
		for _, upload := range page.Uploads {
			if _, err := s.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &name, Key: upload.Key, UploadId: upload.UploadId}); ignore(err, noSuchBucket, "NoSuchUpload") != nil {
				return err
			}
		}
	}
	versions := s3.NewListObjectVersionsPaginator(s.s3, &s3.ListObjectVersionsInput{Bucket: &name})
	for versions.HasMorePages() {
		page, err := versions.NextPage(ctx)
		if err != nil {
			return ignore(err, noSuchBucket)
		}
		var objects []s3types.ObjectIdentifier
		for _, version := range page.Versions {
			objects = append(objects, s3types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
		}
		for _, marker := range page.DeleteMarkers {
			objects = append(objects, s3types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
		}
		for _, object := range objects {
			progress("deleting " + aws.ToString(object.Key))
			if _, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: object.Key, VersionId: object.VersionId}); ignore(err, noSuchBucket) != nil {
				return err
			}
		}
	}
	_, err := s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	return ignore(err, noSuchBucket)
}

const noSuchRepository = "RepositoryNotFoundException"

func (s *Sweeper) repositories() kind {
	return kind{
		name: journal.Repository,
		list: func(ctx context.Context, _ Scope) ([]string, error) {
			var names []string
			pages := ecr.NewDescribeRepositoriesPaginator(s.ecr, &ecr.DescribeRepositoriesInput{})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, repository := range page.Repositories {
					names = append(names, aws.ToString(repository.RepositoryName))
				}
			}
			return names, nil
		},
		look: func(ctx context.Context, name string) (*Found, map[string]string, error) {
			out, err := s.ecr.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{name}})
			if err != nil || len(out.Repositories) == 0 {
				return nil, nil, ignore(err, noSuchRepository)
			}
			repository := out.Repositories[0]
			listed, err := s.ecr.ListTagsForResource(ctx, &ecr.ListTagsForResourceInput{ResourceArn: repository.RepositoryArn})
			if err != nil {
				return nil, nil, ignore(err, noSuchRepository)
			}
			tags := map[string]string{}
			for _, tag := range listed.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			return &Found{Created: aws.ToTime(repository.CreatedAt)}, tags, nil
		},
		remove: func(ctx context.Context, found Found, _ func(string)) error {
			_, err := s.ecr.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: &found.ID, Force: true})
			return ignore(err, noSuchRepository)
		},
	}
}
