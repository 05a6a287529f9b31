package matchers

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestBeRefusedWith(t *testing.T) {
	refusal := func(code string, status int) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: "no"},
		}}
	}
	for name, row := range map[string]struct {
		err   error
		holds bool
		says  string
	}{
		"refused":             {refusal("ResourceInUseException", 409), true, ""},
		"with another status": {refusal("ResourceInUseException", 400), false, "ResourceInUseException and status 400: no"},
		"with another code":   {refusal("InvalidRequestException", 409), false, "InvalidRequestException and status 409"},
		"not answered":        {errors.New("connection refused"), false, "no such answer: connection refused"},
		"accepted":            {nil, false, "AWS agreed"},
	} {
		matcher := BeRefusedWith("ResourceInUseException", 409)
		holds, err := matcher.Match(row.err)
		if err != nil || holds != row.holds || !strings.Contains(matcher.FailureMessage(row.err), row.says) {
			t.Errorf("%s: %v (error %v): %s", name, holds, err, matcher.FailureMessage(row.err))
		}
	}
}

func TestBeSessionName(t *testing.T) {
	const random = "-f47ac10b-58cc-4372-a567-0e02b2c3d479"
	for name, row := range map[string]struct {
		session, pod string
		holds        bool
	}{
		"as documented":        {"eks-epi-web" + random, "web", true},
		"of another pod":       {"eks-epi-db" + random, "web", false},
		"without the prefix":   {"epi-web" + random, "web", false},
		"without random end":   {"eks-epi-web-0", "web", false},
		"of a long name":       {"eks-epi-" + strings.Repeat("w", 19) + random, strings.Repeat("w", 100), true},
		"of a long name, long": {"eks-epi-" + strings.Repeat("w", 100) + random, strings.Repeat("w", 100), false},
		"shortened needlessly": {"eks-epi-w" + random, "web", false},
	} {
		if holds, err := BeSessionName("epi", row.pod).Match(row.session); err != nil || holds != row.holds {
			t.Errorf("%s: %v (error %v)", name, holds, err)
		}
	}
}
