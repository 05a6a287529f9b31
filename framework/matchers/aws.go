package matchers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/onsi/gomega/types"
)

// BeRefusedWith holds of the error of an AWS request that was answered with the code and HTTP status.
func BeRefusedWith(code string, status int) types.GomegaMatcher {
	return &check[error]{
		expected: fmt.Sprintf("AWS to refuse with %s and status %d", code, status),
		holds: func(err error) (bool, string) {
			if err == nil {
				return false, "no refusal: AWS agreed"
			}
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

// sessionRandom is the end of a session's name.
var sessionRandom = regexp.MustCompile(`-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// maxSessionName is STS's limit of characters:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const maxSessionName = 64

// BeSessionName holds of EKS Auth's name for a session of the pod: eks-CLUSTER-POD-UUID. It is not documented how a name
// that is too long is shortened, so only its ends count then.
func BeSessionName(cluster, pod string) types.GomegaMatcher {
	return &check[string]{
		expected: fmt.Sprintf("a session name eks-%s-%s-UUID of at most %d characters", cluster, pod, maxSessionName),
		holds: func(name string) (bool, string) {
			random := sessionRandom.FindString(name)
			whole := "eks-" + cluster + "-" + pod
			ends := random != "" && len(name) <= maxSessionName && strings.HasPrefix(name, "eks-")
			fits := len(whole)+len(random) <= maxSessionName
			return ends && (!fits || name == whole+random), name
		},
	}
}
