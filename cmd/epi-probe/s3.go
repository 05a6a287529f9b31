package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/framework/probe"
)

// s3 returns a client, or the reason why there are no credentials for one.
func (c *check) s3(ctx context.Context) (*s3.Client, *probe.Failure) {
	cfg, _, failure := c.credentials(ctx)
	if failure != nil {
		return nil, failure
	}
	return newS3(cfg), nil
}

func newS3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		// A bucket's own host name exists only in AWS's domain.
		o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != ""
	})
}

// firstObject reports when it had credentials and the object.
func (c *check) firstObject(ctx context.Context, operands []string) any {
	result := probe.FirstObject{Started: c.began.UTC()}
	cfg, found, failure := c.credentials(ctx)
	if failure != nil {
		result.Failure = failure
		return result
	}
	result.Credentials, result.Source = time.Now().UTC(), found.Source
	contents, failure := get(ctx, newS3(cfg), operands[0], operands[1])
	if failure != nil {
		result.Failure = failure
		return result
	}
	result.Object, result.Size = time.Now().UTC(), int64(len(contents))
	return result
}

func (c *check) headObject(ctx context.Context, operands []string) any {
	client, failure := c.s3(ctx)
	if failure != nil {
		return probe.Object{Failure: failure}
	}
	return head(ctx, client, operands[0], operands[1])
}

func head(ctx context.Context, client *s3.Client, bucket, key string) probe.Object {
	answer, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return probe.Object{Failure: classify(err)}
	}
	return probe.Object{Size: aws.ToInt64(answer.ContentLength)}
}

func (c *check) getObject(ctx context.Context, operands []string) any {
	client, failure := c.s3(ctx)
	if failure != nil {
		return probe.Object{Failure: failure}
	}
	contents, failure := get(ctx, client, operands[0], operands[1])
	return c.describe(contents, failure)
}

// copyObject gets the object's head first, like `aws s3 cp`: for a prefix of another namespace users see a 403 on
// HeadObject.
func (c *check) copyObject(ctx context.Context, operands []string) any {
	contents, failure := c.download(ctx, operands[0], operands[1])
	return c.describe(contents, failure)
}

func (c *check) download(ctx context.Context, bucket, key string) ([]byte, *probe.Failure) {
	client, failure := c.s3(ctx)
	if failure != nil {
		return nil, failure
	}
	if object := head(ctx, client, bucket, key); object.Failure != nil {
		return nil, object.Failure
	}
	return get(ctx, client, bucket, key)
}

// errTooLarge is not AWS's fault, because the probe keeps objects in memory.
var errTooLarge = errors.New("object is larger than 64 MiB, the most that epi-probe copies")

func get(ctx context.Context, client *s3.Client, bucket, key string) ([]byte, *probe.Failure) {
	answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end, or given up
	const most = 64 << 20
	contents, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && len(contents) > most {
		err = errTooLarge
	}
	if err != nil {
		return nil, &probe.Failure{Class: probe.NetworkError, Operation: "GetObject", Message: err.Error()}
	}
	return contents, nil
}

func (c *check) describe(contents []byte, failure *probe.Failure) probe.Object {
	if failure != nil {
		return probe.Object{Failure: failure}
	}
	sum := sha256.Sum256(contents)
	object := probe.Object{Size: int64(len(contents)), SHA256: hex.EncodeToString(sum[:])}
	if c.body && len(contents) <= probe.MaxBody {
		object.Body = contents
	}
	return object
}

func (c *check) putObject(ctx context.Context, operands []string) any {
	client, failure := c.s3(ctx)
	if failure != nil {
		return probe.Object{Failure: failure}
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &operands[0], Key: &operands[1], Body: strings.NewReader(operands[2])})
	if err != nil {
		return probe.Object{Failure: classify(err)}
	}
	return c.describe([]byte(operands[2]), nil)
}

func (c *check) list(ctx context.Context, operands []string) any {
	client, failure := c.s3(ctx)
	if failure != nil {
		return probe.Listing{Failure: failure}
	}
	input := &s3.ListObjectsV2Input{Bucket: &operands[0]}
	if len(operands) > 1 {
		input.Prefix = &operands[1]
	}
	listing := probe.Listing{Keys: []string{}}
	for pages := s3.NewListObjectsV2Paginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return probe.Listing{Failure: classify(err)}
		}
		for _, object := range page.Contents {
			listing.Keys = append(listing.Keys, aws.ToString(object.Key))
		}
	}
	return listing
}
