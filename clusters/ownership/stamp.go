package ownership

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/podidentity/epi/clusters/journal"
)

// Stamp has what stamped clients add to creations.
type Stamp struct {
	Owner Owner
	// Account and Region of the clients, for the journal.
	Account, Region string
	// Endpoint of AWS, if it is not AWS's own.
	Endpoint string
	// PermissionsBoundary is the ARN of the permissions boundary of roles; empty for none.
	PermissionsBoundary string
	// Journal gets an entry before each creation; empty for none.
	Journal journal.File
}

// On makes clients of cfg stamp what they create. What a request sets itself stays: a tag of the same key, a path, a
// boundary.
func (s Stamp) On(cfg *aws.Config) {
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("epi ownership", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			stamped, entry := s.stamp(in.Parameters)
			if entry.Kind != "" {
				if err := s.record(entry); err != nil {
					return middleware.InitializeOutput{}, middleware.Metadata{}, err
				}
			}
			in.Parameters = stamped
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
}

// Record writes an entry for a creation without stamped clients, such as one by another program.
func (s Stamp) Record(kind journal.Kind, name, cluster string) error {
	return s.record(journal.Entry{Kind: kind, Name: name, Cluster: cluster})
}

func (s Stamp) record(entry journal.Entry) error {
	if s.Journal == "" {
		return nil
	}
	entry.Time, entry.Account, entry.Region, entry.Endpoint = time.Now().UTC(), s.Account, s.Region, s.Endpoint
	entry.Environment, entry.Run = s.Owner.Environment, s.Owner.Run
	if err := s.Journal.Record(entry); err != nil {
		return fmt.Errorf("write down %s %s before it is made: %w", entry.Kind, entry.Name, err)
	}
	return nil
}

// stamp returns a copy of a creation's input with the owner's marks, and the journal's entry about it. It returns any other
// input unchanged, with no kind.
func (s Stamp) stamp(input any) (any, journal.Entry) {
	switch in := input.(type) {
	case *iam.CreateRoleInput:
		out := *in
		out.Tags = iamTags(s.Owner, in.Tags)
		if out.Path == nil {
			out.Path = aws.String(s.Owner.Path())
		}
		if out.PermissionsBoundary == nil && s.PermissionsBoundary != "" {
			out.PermissionsBoundary = &s.PermissionsBoundary
		}
		return &out, journal.Entry{Kind: journal.Role, Name: aws.ToString(in.RoleName)}
	case *iam.CreatePolicyInput:
		out := *in
		out.Tags = iamTags(s.Owner, in.Tags)
		if out.Path == nil {
			out.Path = aws.String(s.Owner.Path())
		}
		return &out, journal.Entry{Kind: journal.Policy, Name: aws.ToString(out.Path) + aws.ToString(in.PolicyName)}
	case *iam.CreateOpenIDConnectProviderInput:
		out := *in
		out.Tags = iamTags(s.Owner, in.Tags)
		return &out, journal.Entry{Kind: journal.Provider, Name: aws.ToString(in.Url)}
	case *s3.CreateBucketInput:
		out := *in
		configuration := s3types.CreateBucketConfiguration{}
		if in.CreateBucketConfiguration != nil {
			configuration = *in.CreateBucketConfiguration
		}
		configuration.Tags = bucketTags(s.Owner, configuration.Tags)
		out.CreateBucketConfiguration = &configuration
		return &out, journal.Entry{Kind: journal.Bucket, Name: aws.ToString(in.Bucket)}
	case *eks.CreatePodIdentityAssociationInput:
		out := *in
		out.Tags = merge(s.Owner, in.Tags)
		return &out, journal.Entry{
			Kind: journal.Association, Name: aws.ToString(in.Namespace) + "/" + aws.ToString(in.ServiceAccount), Cluster: aws.ToString(in.ClusterName),
		}
	case *eks.CreateClusterInput:
		out := *in
		out.Tags = merge(s.Owner, in.Tags)
		return &out, journal.Entry{Kind: journal.Cluster, Name: aws.ToString(in.Name)}
	case *eks.CreateAddonInput:
		out := *in
		out.Tags = merge(s.Owner, in.Tags)
		return &out, journal.Entry{Kind: journal.Addon, Name: aws.ToString(in.AddonName), Cluster: aws.ToString(in.ClusterName)}
	case *cloudformation.CreateStackInput:
		out := *in
		out.Tags = stackTags(s.Owner, in.Tags)
		return &out, journal.Entry{Kind: journal.Stack, Name: aws.ToString(in.StackName)}
	case *ecr.CreateRepositoryInput:
		out := *in
		out.Tags = repositoryTags(s.Owner, in.Tags)
		return &out, journal.Entry{Kind: journal.Repository, Name: aws.ToString(in.RepositoryName)}
	}
	return input, journal.Entry{}
}

// merge returns tags with the owner's missing tags.
func merge(owner Owner, tags map[string]string) map[string]string {
	merged := owner.Tags()
	maps.Copy(merged, tags)
	return merged
}

// withMissing returns a service's tags with the owner's missing tags, in the order of their keys.
func withMissing[T any](owner Owner, tags []T, key func(T) *string, tag func(key, value *string) T) []T {
	out, own := slices.Clone(tags), owner.Tags()
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !slices.ContainsFunc(tags, func(t T) bool { return aws.ToString(key(t)) == name }) {
			out = append(out, tag(&name, aws.String(own[name])))
		}
	}
	return out
}

func iamTags(owner Owner, tags []iamtypes.Tag) []iamtypes.Tag {
	return withMissing(owner, tags, func(t iamtypes.Tag) *string { return t.Key },
		func(key, value *string) iamtypes.Tag { return iamtypes.Tag{Key: key, Value: value} })
}

func bucketTags(owner Owner, tags []s3types.Tag) []s3types.Tag {
	return withMissing(owner, tags, func(t s3types.Tag) *string { return t.Key },
		func(key, value *string) s3types.Tag { return s3types.Tag{Key: key, Value: value} })
}

func stackTags(owner Owner, tags []cfntypes.Tag) []cfntypes.Tag {
	return withMissing(owner, tags, func(t cfntypes.Tag) *string { return t.Key },
		func(key, value *string) cfntypes.Tag { return cfntypes.Tag{Key: key, Value: value} })
}

func repositoryTags(owner Owner, tags []ecrtypes.Tag) []ecrtypes.Tag {
	return withMissing(owner, tags, func(t ecrtypes.Tag) *string { return t.Key },
		func(key, value *string) ecrtypes.Tag { return ecrtypes.Tag{Key: key, Value: value} })
}
