package eks

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/sweep"
)

// remedies are what a user can do about error codes of AWS. The first one that matches counts. eksctl reports codes in its
// text, which is searched too.
var remedies = []struct {
	phrases []string
	remedy  string
}{
	{
		[]string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"},
		"the AWS credentials have expired: log in again (aws sso login, or a new role session), then again",
	},
	{
		[]string{"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "failed to retrieve credentials", "failed to refresh cached credentials", "get credentials", "static credentials are empty", "NoCredentialProviders"},
		"see that your AWS credentials work: aws sts get-caller-identity",
	},
	{
		[]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "is not authorized to perform", "explicit deny"},
		"the caller may not do this: epi help eks has the policies that it needs; a permissions boundary or an organisation's policy may forbid it too",
	},
	{
		[]string{"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"},
		"AWS throttles this account: wait some minutes, then again",
	},
	{
		[]string{"LimitExceeded", "LimitExceededException", "ResourceLimitExceeded", "ResourceLimitExceededException", "VpcLimitExceeded", "AddressLimitExceeded", "ServiceQuotaExceededException", "quota"},
		"a quota of the account is used up: see the Service Quotas console, remove what is not needed (epi janitor lists what is epi's), or choose another --region",
	},
	{
		[]string{"UnsupportedAvailabilityZone", "InsufficientInstanceCapacity", "UnfulfillableCapacity"},
		"AWS has no such capacity in this region now: choose other --instance-types or another --region",
	},
	{
		[]string{"no such host", "connection refused", "network is unreachable", "i/o timeout", "no route to host", "connection reset"},
		"AWS does not answer: see that --region and --aws-endpoint-url are right, and that this machine reaches them (a proxy?)",
	},
	{[]string{"invalid input region"}, "set --region or AWS_REGION to a region such as us-east-1"},
	{[]string{"ROLLBACK", "could not be made"}, "look at the reason above; what was made is removed again"},
}

// explain adds what a user can do about an error of AWS.
func explain(err error) error {
	if err == nil || clusters.Remedy(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	if wrong, ok := errors.AsType[*sweep.AccountError](err); ok {
		return &clusters.EnvironmentError{Doing: "use AWS", Err: err, Remedy: "use credentials of account " + wrong.Expected + ", or another --account"}
	}
	if remedy := remedyOf(err); remedy != "" {
		return &clusters.EnvironmentError{Doing: "use AWS", Err: err, Remedy: remedy}
	}
	return err
}

func remedyOf(err error) string {
	code := ""
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		code = refusal.ErrorCode()
	}
	_, network := errors.AsType[*net.OpError](err)
	text := err.Error()
	for _, row := range remedies {
		for _, word := range row.phrases {
			if code == word || strings.Contains(text, word) || network && word == "connection refused" {
				return row.remedy
			}
		}
	}
	return ""
}
