// Command client is AWS SDK for Go v2 with its default configuration, as a workload has it.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// What a client prints: framework/probe has the words.
type (
	failure struct {
		Class     string `json:"class"`
		Operation string `json:"operation,omitempty"`
		Status    int    `json:"status,omitempty"`
		Code      string `json:"code,omitempty"`
		Message   string `json:"message,omitempty"`
	}
	result struct {
		Source       string   `json:"source,omitempty"`
		ARN          string   `json:"arn,omitempty"`
		Account      string   `json:"account,omitempty"`
		UserID       string   `json:"userID,omitempty"`
		Size         int64    `json:"size"`
		SHA256       string   `json:"sha256,omitempty"`
		AccessKeyIDs []string `json:"accessKeyIDs,omitempty"`
		Failure      *failure `json:"failure,omitempty"`
	}
)

func main() {
	if err := json.NewEncoder(os.Stdout).Encode(run(context.Background(), os.Args[1:])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) result {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return credentialsFailed("LoadDefaultConfig", err)
	}
	if args[0] == "refresh" {
		return refresh(ctx, cfg, args[1])
	}
	found, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return credentialsFailed("Retrieve", err)
	}
	files := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" })
	switch args[0] {
	case "identity":
		caller, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return result{Source: found.Source, Failure: classify("GetCallerIdentity", err)}
		}
		return result{Source: found.Source, ARN: *caller.Arn, Account: *caller.Account, UserID: *caller.UserId}
	case "s3-head":
		head, err := files.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &args[1], Key: &args[2]})
		if err != nil {
			return result{Failure: classify("HeadObject", err)}
		}
		return result{Size: head.ContentLength}
	default: // s3-get
		object, err := files.GetObject(ctx, &s3.GetObjectInput{Bucket: &args[1], Key: &args[2]})
		if err != nil {
			return result{Failure: classify("GetObject", err)}
		}
		defer object.Body.Close()
		sum := sha256.New()
		size, err := io.Copy(sum, object.Body)
		if err != nil {
			return result{Failure: &failure{Class: "network-error", Operation: "GetObject", Message: err.Error()}}
		}
		return result{Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}
	}
}

// refresh gets credentials several times of one configuration, which decides when to ask again.
func refresh(ctx context.Context, cfg aws.Config, times string) result {
	count, err := strconv.Atoi(times)
	if err != nil {
		return credentialsFailed("refresh", err)
	}
	var seen result
	for range make([]struct{}, count) {
		found, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			seen.Failure = credentialsFailed("Retrieve", err).Failure
			return seen
		}
		seen.AccessKeyIDs = append(seen.AccessKeyIDs, found.AccessKeyID[:4]+"…"+found.AccessKeyID[len(found.AccessKeyID)-4:])
	}
	return seen
}

func credentialsFailed(operation string, err error) result {
	class := "no-credentials"
	for _, variable := range []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if os.Getenv(variable) != "" {
			class = "credentials-failed"
		}
	}
	return result{Failure: &failure{Class: class, Operation: operation, Message: err.Error()}}
}

func classify(operation string, err error) *failure {
	found := &failure{Class: "network-error", Operation: operation, Message: err.Error()}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		found.Class, found.Status = "api-error", answer.HTTPStatusCode()
	}
	var refused smithy.APIError
	if errors.As(err, &refused) {
		found.Code, found.Message = refused.ErrorCode(), refused.ErrorMessage()
	}
	return found
}
