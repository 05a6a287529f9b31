package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/podidentity/epi/bench/load"
	"github.com/podidentity/epi/framework/probe"
)

// s3Target makes GetObject requests with one SDK client, like an application: with the SDK's own connections and its cache
// of credentials. It is safe for concurrent use.
type s3Target struct {
	options load.S3Options
	client  *s3.Client
}

var _ load.Target = (*s3Target)(nil)

// newS3Target gets credentials before the load begins, so that all measured requests are the same. Each is tried once,
// because a retry would hide failures.
func newS3Target(ctx context.Context, options load.S3Options) (*s3Target, error) {
	if options.Timeout == 0 {
		options.Timeout = load.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	c := &check{attempts: 1}
	client, failure := c.s3(ctx)
	if failure != nil {
		return nil, fmt.Errorf("make load on S3: %s", failure)
	}
	return &s3Target{options, client}, nil
}

// Do implements load.Target. Its kinds of error are those of load.HTTP, "wrong size", and "200" if the request had to be
// denied.
func (t *s3Target) Do(ctx context.Context, _ uint64) string {
	within, cancel := context.WithTimeout(ctx, t.options.Timeout)
	defer cancel()
	size, err := t.get(within)
	failure := (*probe.Failure)(nil)
	if err != nil {
		failure = classify(err)
	}
	switch {
	case err == nil && t.options.Denied:
		return "200"
	case err == nil && size != t.options.Size:
		return "wrong size"
	case err == nil:
		return ""
	case failure.Status == http.StatusForbidden && t.options.Denied && failure.Code == "AccessDenied":
		return ""
	case failure.Status != 0:
		return strconv.Itoa(failure.Status)
	case errors.Is(within.Err(), context.DeadlineExceeded):
		return "timeout"
	default:
		return load.KindOf(err)
	}
}

// get reads the object to its end and reports its size.
func (t *s3Target) get(ctx context.Context) (int64, error) {
	answer, err := t.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(t.options.Bucket), Key: aws.String(t.options.Key)})
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(io.Discard, answer.Body)
	return size, errors.Join(err, answer.Body.Close())
}
