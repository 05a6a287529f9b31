package s3_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func tagsOf(t testing.TB, c *sdk.Client, key string) string {
	t.Helper()
	out, err := c.GetObjectTagging(t.Context(), &sdk.GetObjectTaggingInput{Bucket: aws.String("bucket"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, tag := range out.TagSet {
		shown = append(shown, *tag.Key+"="+*tag.Value)
	}
	slices.Sort(shown)
	return strings.Join(shown, " ")
}

func tagSet(count int, key, value string) *types.Tagging {
	set := &types.Tagging{TagSet: []types.Tag{}}
	for n := range count {
		set.TagSet = append(set.TagSet, types.Tag{Key: aws.String(fmt.Sprintf(key, n)), Value: &value})
	}
	return set
}

func TestObjectTagging(t *testing.T) {
	// PutObjectTagging, GetObjectTagging, DeleteObjectTagging; object-tagging.
	c, _ := setUp(t)
	ctx, bucket, key := t.Context(), aws.String("bucket"), aws.String("top.txt")
	if got := tagsOf(t, c, *key); got != "" {
		t.Errorf("tags %q", got)
	}
	twice := tagSet(2, "k%d", "v")
	twice.TagSet[1].Key = twice.TagSet[0].Key
	for name, test := range map[string]struct {
		set  *types.Tagging
		code string
	}{
		"eleven":              {tagSet(11, "k%d", "v"), "BadRequest"},
		"a key twice":         {twice, "InvalidTag"},
		"a long key":          {tagSet(1, strings.Repeat("k", 128)+"%d", "v"), "InvalidTag"},
		"a long value":        {tagSet(1, "k%d", strings.Repeat("v", 257)), "InvalidTag"},
		"a system tag":        {tagSet(1, "aws:k%d", "v"), "InvalidTag"},
		"another character":   {tagSet(1, "k%d", "<v>"), "InvalidTag"},
		"ten":                 {tagSet(10, "k%d", "v"), ""},
		"letters beyond us":   {tagSet(1, "schlüssel:%d", "wört +-=._:/@"), ""},
		"no tags":             {tagSet(0, "", ""), ""},
		"the longest allowed": {tagSet(1, strings.Repeat("k", 127)+"%d", strings.Repeat("v", 256)), ""},
	} {
		_, err := c.PutObjectTagging(ctx, &sdk.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: test.set})
		if test.code == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if test.code != "" {
			wantError(t, err, test.code, 400)
		}
	}
	if _, err := c.PutObjectTagging(ctx, &sdk.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: tagSet(2, "k%d", "v")}); err != nil {
		t.Fatal(err)
	}
	if got := tagsOf(t, c, *key); got != "k0=v k1=v" {
		t.Errorf("tags %q", got)
	}
	// Tags belong to a version.
	setVersioning(t, c, types.BucketVersioningStatusEnabled)
	putVersion(t, c, *key, "new")
	if got := tagsOf(t, c, *key); got != "" {
		t.Errorf("tags of the new version: %q", got)
	}
	old, err := c.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: bucket, Key: key, VersionId: aws.String("null")})
	if err != nil || len(old.TagSet) != 2 || *old.VersionId != "null" {
		t.Errorf("%+v, %v", old, err)
	}
	if _, err := c.DeleteObjectTagging(ctx, &sdk.DeleteObjectTaggingInput{Bucket: bucket, Key: key, VersionId: aws.String("null")}); err != nil {
		t.Error(err)
	}
	if old, err = c.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: bucket, Key: key, VersionId: aws.String("null")}); err != nil || len(old.TagSet) != 0 {
		t.Errorf("%+v, %v", old, err)
	}
	_, err = c.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: bucket, Key: aws.String("missing")})
	wantError(t, err, "NoSuchKey", 404)
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x"), Tagging: aws.String("a=1&a=2")})
	wantError(t, err, "InvalidTag", 400)
	_, err = c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x"), Tagging: aws.String("%zz=1")})
	wantError(t, err, "InvalidArgument", 400)
}

func TestCopyDirectives(t *testing.T) {
	// CopyObject: x-amz-metadata-directive, x-amz-tagging-directive.
	c, server := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: bucket, Key: aws.String("from"), Body: strings.NewReader("x"), Metadata: map[string]string{"old": "1"}, Tagging: aws.String("old=1"), ContentType: aws.String("text/old")})
	wantError(t, err, "", 0)
	for name, test := range map[string]struct {
		metadata              types.MetadataDirective
		tagging               types.TaggingDirective
		wantMetadata, wantTag string
	}{
		"neither":  {"", "", "map[old:1] text/old", "old=1"},
		"both":     {types.MetadataDirectiveReplace, types.TaggingDirectiveReplace, "map[new:2] text/new", "new=2"},
		"metadata": {types.MetadataDirectiveReplace, types.TaggingDirectiveCopy, "map[new:2] text/new", "old=1"},
		"tags":     {types.MetadataDirectiveCopy, types.TaggingDirectiveReplace, "map[old:1] text/old", "new=2"},
	} {
		_, err := c.CopyObject(ctx, &sdk.CopyObjectInput{
			Bucket: bucket, Key: aws.String("to"), CopySource: aws.String("bucket/from"), MetadataDirective: test.metadata, TaggingDirective: test.tagging,
			Metadata: map[string]string{"new": "2"}, Tagging: aws.String("new=2"), ContentType: aws.String("text/new"),
		})
		wantError(t, err, "", 0)
		head, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: bucket, Key: aws.String("to")})
		wantError(t, err, "", 0)
		if got := fmt.Sprint(head.Metadata, " ", *head.ContentType); got != test.wantMetadata || tagsOf(t, c, "to") != test.wantTag {
			t.Errorf("%s: %s, tags %s", name, got, tagsOf(t, c, "to"))
		}
	}
	// A copy of an object to itself must change something.
	_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("from"), CopySource: aws.String("bucket/from")})
	wantError(t, err, "InvalidRequest", 400)
	_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("from"), CopySource: aws.String("bucket/from"), MetadataDirective: types.MetadataDirectiveReplace})
	wantError(t, err, "", 0)
	if status, body := raw(t, server, http.MethodPut, "/bucket/to", map[string]string{"X-Amz-Copy-Source": "bucket/from", "X-Amz-Metadata-Directive": "MERGE"}); status != 400 || !strings.Contains(body, "InvalidArgument") {
		t.Errorf("%d %s", status, body)
	}
	for name, change := range map[string]func(*sdk.CopyObjectInput){
		"if-match":      func(in *sdk.CopyObjectInput) { in.CopySourceIfMatch = aws.String("other") },
		"if-none-match": func(in *sdk.CopyObjectInput) { in.CopySourceIfNoneMatch = aws.String("*") },
	} {
		in := &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("to"), CopySource: aws.String("bucket/from")}
		change(in)
		_, err := c.CopyObject(ctx, in)
		if wantError(t, err, "PreconditionFailed", 412); t.Failed() {
			t.Log(name)
		}
	}
}

func TestBucketTagging(t *testing.T) {
	// PutBucketTagging, GetBucketTagging, DeleteBucketTagging.
	c, _ := setUp(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	_, err := c.GetBucketTagging(ctx, &sdk.GetBucketTaggingInput{Bucket: bucket})
	wantError(t, err, "NoSuchTagSet", 404)
	_, err = c.PutBucketTagging(ctx, &sdk.PutBucketTaggingInput{Bucket: bucket, Tagging: tagSet(51, "k%d", "v")})
	wantError(t, err, "BadRequest", 400)
	_, err = c.PutBucketTagging(ctx, &sdk.PutBucketTaggingInput{Bucket: bucket, Tagging: tagSet(50, "k%d", "v")})
	wantError(t, err, "", 0)
	out, err := c.GetBucketTagging(ctx, &sdk.GetBucketTaggingInput{Bucket: bucket})
	if err != nil || len(out.TagSet) != 50 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = c.DeleteBucketTagging(ctx, &sdk.DeleteBucketTaggingInput{Bucket: bucket})
	wantError(t, err, "", 0)
	_, err = c.GetBucketTagging(ctx, &sdk.GetBucketTaggingInput{Bucket: bucket})
	wantError(t, err, "NoSuchTagSet", 404)
}
