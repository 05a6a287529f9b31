package matchers

import (
	"errors"
	"fmt"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/onsi/gomega/types"
)

// BeRefusedWith holds of the error of an AWS request that was answered with the code and HTTP status.
func BeRefusedWith(code string, status int) types.GomegaMatcher {
	return &check[error]{
		expected: fmt.Sprintf("AWS to refuse with %s and status %d", code, status),
		holds: func(err error) (bool, string) {
			answered, answer := errors.AsType[*awshttp.ResponseError](err)
			api, coded := errors.AsType[smithy.APIError](err)
			if !answer || !coded {
				return false, fmt.Sprintf("no such answer: %v", err)
			}
			seen := fmt.Sprintf("%s and status %d: %s", api.ErrorCode(), answered.HTTPStatusCode(), api.ErrorMessage())
			return api.ErrorCode() == code && answered.HTTPStatusCode() == status, seen
		},
	}
}
