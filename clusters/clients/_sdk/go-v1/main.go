// Command client is AWS SDK for Go v1 with its default session, as a workload has it.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/sts"
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
	if err := json.NewEncoder(os.Stdout).Encode(run(os.Args[1:])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) result {
	// SDK v1 knows no AWS_ENDPOINT_URL.
	config := aws.NewConfig().WithCredentialsChainVerboseErrors(true)
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		config = config.WithEndpoint(endpoint).WithS3ForcePathStyle(true)
	}
	current, err := session.NewSession(config)
	if err != nil {
		return credentialsFailed("NewSession", err)
	}
	if args[0] == "refresh" {
		return refresh(current, args[1])
	}
	found, err := current.Config.Credentials.Get()
	if err != nil {
		return credentialsFailed("Get", err)
	}
	switch args[0] {
	case "identity":
		caller, err := sts.New(current).GetCallerIdentity(&sts.GetCallerIdentityInput{})
		if err != nil {
			return result{Source: found.ProviderName, Failure: classify("GetCallerIdentity", err)}
		}
		return result{Source: found.ProviderName, ARN: *caller.Arn, Account: *caller.Account, UserID: *caller.UserId}
	case "s3-head":
		head, err := s3.New(current).HeadObject(&s3.HeadObjectInput{Bucket: &args[1], Key: &args[2]})
		if err != nil {
			return result{Failure: classify("HeadObject", err)}
		}
		return result{Size: *head.ContentLength}
	default: // s3-get
		object, err := s3.New(current).GetObject(&s3.GetObjectInput{Bucket: &args[1], Key: &args[2]})
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

// refresh gets credentials several times of one session, which decides when to ask again.
func refresh(current *session.Session, times string) result {
	count, err := strconv.Atoi(times)
	if err != nil {
		return credentialsFailed("refresh", err)
	}
	var seen result
	for range make([]struct{}, count) {
		found, err := current.Config.Credentials.Get()
		if err != nil {
			seen.Failure = credentialsFailed("Get", err).Failure
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
	var answer awserr.RequestFailure
	if errors.As(err, &answer) {
		return &failure{Class: "api-error", Operation: operation, Status: answer.StatusCode(), Code: answer.Code(), Message: answer.Message()}
	}
	return &failure{Class: "network-error", Operation: operation, Message: err.Error()}
}
