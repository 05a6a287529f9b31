package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func setVersioning(t testing.TB, c *sdk.Client, status types.BucketVersioningStatus) {
	t.Helper()
	if _, err := c.PutBucketVersioning(t.Context(), &sdk.PutBucketVersioningInput{Bucket: aws.String("bucket"), VersioningConfiguration: &types.VersioningConfiguration{Status: status}}); err != nil {
		t.Fatal(err)
	}
}

// putVersion returns the ID of the new version.
func putVersion(t testing.TB, c *sdk.Client, key, text string) string {
	t.Helper()
	out, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

// getVersion returns the content of a version, and the answer for further checks.
func getVersion(t testing.TB, c *sdk.Client, key, id string) (string, *sdk.GetObjectOutput, error) {
	t.Helper()
	out, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: &key, VersionId: aws.String(id)})
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = out.Body.Close() }()
	text, err := io.ReadAll(out.Body)
	return string(text), out, err
}

// header returns the headers of the answer that carried an error.
func headerOf(t testing.TB, err error, name string) string {
	t.Helper()
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		t.Fatalf("no answer: %v", err)
	}
	return response.Response.Header.Get(name)
}

func TestVersions(t *testing.T) {
	// PutBucketVersioning, GetObject, DeleteObject and ListObjectVersions.
	c, _ := setUp(t)
	ctx, bucket, key := t.Context(), aws.String("bucket"), "top.txt"
	status, err := c.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: bucket})
	if err != nil || status.Status != "" {
		t.Errorf("never versioned: %+v, %v", status, err)
	}
	if id := putVersion(t, c, "top.txt", "plain"); id != "" {
		t.Errorf("version %q in a bucket that was never versioned", id)
	}
	setVersioning(t, c, types.BucketVersioningStatusEnabled)
	if status, err = c.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: bucket}); err != nil || status.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("%+v, %v", status, err)
	}
	first, second := putVersion(t, c, key, "first"), putVersion(t, c, key, "second")
	for id, want := range map[string]string{first: "first", second: "second", "null": "plain"} {
		text, out, err := getVersion(t, c, key, id)
		if err != nil || text != want || aws.ToString(out.VersionId) != id {
			t.Errorf("version %s: %q, %v", id, text, err)
		}
		head, err := c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: bucket, Key: &key, VersionId: &id})
		if err != nil || aws.ToString(head.VersionId) != id || *head.ContentLength != int64(len(want)) {
			t.Errorf("head of version %s: %+v, %v", id, head, err)
		}
	}
	_, _, err = getVersion(t, c, key, "nosuchversion")
	wantError(t, err, "NoSuchVersion", 404)

	deleted, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: &key})
	if err != nil || !aws.ToBool(deleted.DeleteMarker) || aws.ToString(deleted.VersionId) == "" {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
	_, err = get(ctx, c, key)
	wantError(t, err, "NoSuchKey", 404)
	if headerOf(t, err, "X-Amz-Delete-Marker") != "true" || headerOf(t, err, "X-Amz-Version-Id") != *deleted.VersionId {
		t.Error("the answer does not name the delete marker")
	}
	_, _, err = getVersion(t, c, key, *deleted.VersionId)
	wantError(t, err, "MethodNotAllowed", 405)
	if headerOf(t, err, "Allow") != "DELETE" {
		t.Error("the answer does not say what is allowed")
	}

	listed, err := c.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: bucket, Prefix: &key})
	if err != nil || len(listed.Versions) != 3 || len(listed.DeleteMarkers) != 1 || !*listed.DeleteMarkers[0].IsLatest ||
		*listed.Versions[0].VersionId != second || *listed.Versions[2].VersionId != "null" || *listed.Versions[0].IsLatest {
		t.Errorf("listed %+v, %v", listed, err)
	}
	removed, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: &key, VersionId: deleted.VersionId})
	if err != nil || !aws.ToBool(removed.DeleteMarker) || *removed.VersionId != *deleted.VersionId {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if text, err := get(ctx, c, key); err != nil || text != "second" {
		t.Errorf("after the marker: %q, %v", text, err)
	}
	// A delete of the version "null" removes that version.
	if _, err := c.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: bucket, Key: &key, VersionId: aws.String("null")}); err != nil {
		t.Error(err)
	}
	if text, err := get(ctx, c, key); err != nil || text != "second" {
		t.Errorf("after deleting version null: %q, %v", text, err)
	}
	_, _, err = getVersion(t, c, key, "null")
	wantError(t, err, "NoSuchVersion", 404)

	_, err = c.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String("bucket/" + key + "?versionId=" + first)})
	wantError(t, err, "", 0)
	if text, err := get(ctx, c, "copy"); err != nil || text != "first" {
		t.Errorf("copy of a version: %q, %v", text, err)
	}
	setVersioning(t, c, types.BucketVersioningStatusSuspended)
	if id := putVersion(t, c, key, "suspended"); id != "null" {
		t.Errorf("version %q while suspended", id)
	}
	_, err = c.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{}})
	wantError(t, err, "IllegalVersioningConfigurationException", 400)
	_, err = c.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled", MFADelete: "Enabled"}})
	wantError(t, err, "NotImplemented", 501)
}

func TestDeleteVersions(t *testing.T) {
	// DeleteObjects: with and without version IDs.
	c, _ := setUp(t)
	setVersioning(t, c, types.BucketVersioningStatusEnabled)
	ctx, bucket := t.Context(), aws.String("bucket")
	id := putVersion(t, c, "k", "x")
	out, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("k")}, {Key: aws.String("k"), VersionId: &id}, {Key: aws.String("top.txt"), VersionId: aws.String("null")},
	}}})
	if err != nil || len(out.Deleted) != 3 || len(out.Errors) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if one := out.Deleted[0]; !aws.ToBool(one.DeleteMarker) || aws.ToString(one.DeleteMarkerVersionId) == "" || one.VersionId != nil {
		t.Errorf("marker: %+v", one)
	}
	if one := out.Deleted[1]; aws.ToBool(one.DeleteMarker) || aws.ToString(one.VersionId) != id {
		t.Errorf("version: %+v", one)
	}
	quiet, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{
		{Key: aws.String("k"), VersionId: out.Deleted[0].DeleteMarkerVersionId},
	}}})
	if err != nil || len(quiet.Deleted) != 0 {
		t.Errorf("quiet: %+v, %v", quiet, err)
	}
	listed, err := c.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: bucket, Prefix: aws.String("k")})
	if err != nil || len(listed.Versions)+len(listed.DeleteMarkers) != 0 {
		t.Errorf("left: %+v, %v", listed, err)
	}
	for name, body := range map[string]string{
		"no object":         `<Delete></Delete>`,
		"another document":  `<Remove><Object><Key>k</Key></Object></Remove>`,
		"an empty version":  `<Delete><Object><Key>k</Key><VersionId></VersionId></Object></Delete>`,
		"1001 objects":      `<Delete>` + strings.Repeat(`<Object><Key>k</Key></Object>`, 1001) + `</Delete>`,
		"two documents":     `<Delete><Object><Key>k</Key></Object></Delete><Delete></Delete>`,
		"an entity":         `<!DOCTYPE d [<!ENTITY e "k">]><Delete><Object><Key>&e;</Key></Object></Delete>`,
		"text, not a list":  `top.txt`,
		"an unclosed list":  `<Delete><Object><Key>k</Key></Object>`,
		"nothing whatever ": ``,
	} {
		_, server := setUp(t)
		status, answer := rawBody(t, server, http.MethodPost, "/bucket?delete", body, nil)
		if status != 400 || !strings.Contains(answer, "<Code>MalformedXML</Code>") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestPagesOfVersions(t *testing.T) {
	c, _ := setUp(t)
	setVersioning(t, c, types.BucketVersioningStatusEnabled)
	for n := range 3 {
		for _, key := range []string{"p/a b", "p/+", "p/ü"} {
			putVersion(t, c, key, fmt.Sprint(n))
		}
	}
	pages := sdk.NewListObjectVersionsPaginator(c, &sdk.ListObjectVersionsInput{Bucket: aws.String("bucket"), Prefix: aws.String("p/"), MaxKeys: aws.Int32(2)})
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			text, _, err := getVersion(t, c, *v.Key, *v.VersionId)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, *v.Key+"="+text)
		}
	}
	if want := "[p/+=2 p/+=1 p/+=0 p/a b=2 p/a b=1 p/a b=0 p/ü=2 p/ü=1 p/ü=0]"; fmt.Sprint(got) != want {
		t.Errorf("got %v", got)
	}
	_, err := c.ListObjectVersions(t.Context(), &sdk.ListObjectVersionsInput{Bucket: aws.String("bucket"), VersionIdMarker: aws.String("x")})
	wantError(t, err, "InvalidArgument", 400)
}
