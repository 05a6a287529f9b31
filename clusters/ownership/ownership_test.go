package ownership_test

import (
	"context"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/podidentity/epi/clusters/journal"
	"github.com/podidentity/epi/clusters/ownership"
)

var expires = time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)

func TestTagsReportTheOwner(t *testing.T) {
	owner := ownership.Owner{Environment: "blue", Run: "r1", Expires: expires}
	if got, own := ownership.FromTags(owner.Tags()); !own || got != owner {
		t.Errorf("%+v, %t", got, own)
	}
	for name, change := range map[string]func(map[string]string){
		"no environment":      func(tags map[string]string) { delete(tags, ownership.TagEnvironment) },
		"not a name":          func(tags map[string]string) { tags[ownership.TagEnvironment] = "../blue" },
		"no run":              func(tags map[string]string) { delete(tags, ownership.TagRun) },
		"a day for a time":    func(tags map[string]string) { tags[ownership.TagExpires] = "2026-11-28" },
		"an empty time":       func(tags map[string]string) { tags[ownership.TagExpires] = "" },
		"other keys":          func(tags map[string]string) { clear(tags); tags["Name"] = "blue" },
		"keys in other cases": func(tags map[string]string) { clear(tags); tags["EPI.podidentity.dev/environment"] = "blue" },
	} {
		tags := maps.Clone(owner.Tags())
		change(tags)
		if got, own := ownership.FromTags(tags); own {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// sent is the request that a client would have sent.
func sent(t *testing.T, stamp ownership.Stamp, call func(context.Context, aws.Config) error) any {
	t.Helper()
	cfg := aws.Config{Region: "us-west-2", Credentials: aws.AnonymousCredentials{}}
	stamp.On(&cfg)
	var input any
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("end", func(
			_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			input = in.Parameters
			return middleware.InitializeOutput{}, middleware.Metadata{}, context.Canceled
		}), middleware.After)
	})
	_ = call(t.Context(), cfg) // the request ends above
	return input
}

func TestWhatARequestSaysItselfStays(t *testing.T) {
	file := journal.File(filepath.Join(t.TempDir(), "journal"))
	stamp := ownership.Stamp{Owner: ownership.Owner{Environment: "blue", Run: "r1", Expires: expires}, Account: "123456789012", Region: "us-west-2", PermissionsBoundary: "arn:boundary", Journal: file}
	given := &iam.CreateRoleInput{
		RoleName: aws.String("epi-x"), AssumeRolePolicyDocument: aws.String("{}"), Path: aws.String("/own/"),
		Tags: []iamtypes.Tag{{Key: aws.String(ownership.TagRun), Value: aws.String("own")}, {Key: aws.String("a"), Value: aws.String("b")}},
	}
	got := sent(t, stamp, func(ctx context.Context, cfg aws.Config) error {
		_, err := iam.NewFromConfig(cfg).CreateRole(ctx, given)
		return err
	}).(*iam.CreateRoleInput)
	tags := map[string]string{}
	for _, tag := range got.Tags {
		tags[*tag.Key] = *tag.Value
	}
	want := map[string]string{ownership.TagRun: "own", "a": "b", ownership.TagEnvironment: "blue", ownership.TagExpires: "2026-11-28T08:00:00Z"}
	if !maps.Equal(tags, want) || *got.Path != "/own/" || *got.PermissionsBoundary != "arn:boundary" {
		t.Errorf("tags %v, path %s, boundary %s", tags, *got.Path, *got.PermissionsBoundary)
	}
	if len(given.Tags) != 2 || given.PermissionsBoundary != nil {
		t.Errorf("the caller's own input was changed: %+v", given)
	}
	entries, _, err := file.Read()
	if err != nil || len(entries) != 1 || entries[0].Kind != journal.Role || entries[0].Name != "epi-x" || entries[0].Account != "123456789012" {
		t.Errorf("the journal has %+v, %v", entries, err)
	}
}

func TestWhatIsNoCreationIsLeftAlone(t *testing.T) {
	file := journal.File(filepath.Join(t.TempDir(), "journal"))
	given := &eks.DescribeClusterInput{Name: aws.String("x")}
	got := sent(t, ownership.Stamp{Owner: ownership.Owner{Environment: "blue", Run: "r"}, Journal: file}, func(ctx context.Context, cfg aws.Config) error {
		_, err := eks.NewFromConfig(cfg).DescribeCluster(ctx, given)
		return err
	})
	if got != given {
		t.Errorf("%+v", got)
	}
	if entries, _, err := file.Read(); len(entries) != 0 || err != nil {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestNothingIsMadeThatIsNotWrittenDown: a creation fails if the journal cannot be written.
func TestNothingIsMadeThatIsNotWrittenDown(t *testing.T) {
	got := sent(t, ownership.Stamp{Owner: ownership.Owner{Environment: "blue", Run: "r"}, Journal: journal.File(t.TempDir())}, func(ctx context.Context, cfg aws.Config) error {
		_, err := eks.NewFromConfig(cfg).CreatePodIdentityAssociation(ctx, &eks.CreatePodIdentityAssociationInput{ClusterName: aws.String("c"), Namespace: aws.String("n"), ServiceAccount: aws.String("s"), RoleArn: aws.String("r")})
		return err
	})
	if got != nil {
		t.Errorf("sent: %+v", got)
	}
}
