package eks

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/podidentity/epi/clusters"
)

// TestErrorsSayWhatToDo: the codes are those of each service's common errors
// (https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html and the pages of the other services), in an error
// of the SDK and in eksctl's output.
func TestErrorsSayWhatToDo(t *testing.T) {
	for code, want := range map[string]string{
		"ExpiredToken": "log in again", "ExpiredTokenException": "log in again", "RequestExpired": "log in again",
		"InvalidClientTokenId": "get-caller-identity", "UnrecognizedClientException": "get-caller-identity", "AuthFailure": "get-caller-identity",
		"AccessDenied": "policies that it needs", "AccessDeniedException": "policies that it needs", "UnauthorizedOperation": "policies that it needs",
		"VpcLimitExceeded": "a quota", "ResourceLimitExceededException": "a quota", "LimitExceeded": "a quota", "AddressLimitExceeded": "a quota",
		"InsufficientInstanceCapacity": "--instance-types", "RequestLimitExceeded": "throttles", "ThrottlingException": "throttles",
	} {
		for form, err := range map[string]error{
			"of the SDK": fmt.Errorf("make it: %w", &smithy.GenericAPIError{Code: code, Message: "no"}),
			"of eksctl":  errors.New("run eksctl: exit status 1\nError: operation error X, api error " + code + ": no"),
		} {
			if got := clusters.Remedy(explain(err)); !strings.Contains(got, want) {
				t.Errorf("%s %s: %q, want %q", code, form, got, want)
			}
		}
	}
	if got := explain(errors.New("something else")); clusters.Remedy(got) != "" {
		t.Errorf("%q", clusters.Remedy(got))
	}
}

func TestThePlanReportsWhatIsUncertain(t *testing.T) {
	plan := Plan{Nodes: 1, Version: "1.33", InstanceTypes: []string{"m5.large"}}
	low, high := plan.Hour()
	if low < 0.11 || high > 0.15 || low >= high {
		t.Errorf("%g to %g", low, high)
	}
	plan.Extended = true
	if more, _ := plan.Hour(); more-low < 0.49 || !strings.Contains(plan.String(), "extended support") || !strings.Contains(plan.String(), "price of m5.large is not verified") {
		t.Errorf("%g\n%s", more, plan)
	}
}
