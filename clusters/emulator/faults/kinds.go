package faults

import (
	"maps"
	"net/http"
	"slices"
)

// Kind names an error that each service has, with a code of its own.
type Kind string

// The kinds.
const (
	Throttling   Kind = "throttling"
	Internal     Kind = "internal"
	Unavailable  Kind = "unavailable"
	AccessDenied Kind = "accessDenied"
)

// The messages are similar to those of the services. AWS does not document them.
const (
	rateExceeded = "Rate exceeded"
	internal     = "An internal error occurred."
	unavailable  = "The service is unavailable. Try again later."
	denied       = "The request is denied by a fault that was set."
)

// kinds are the errors by kind and service. The sources are the error lists of
//   - https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html, and of
//     its neighbours for EKS; EKS throttles with EKS Auth's status
//   - https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and API_CreateRole.html
//   - https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
//   - https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
//   - https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html for EC2, and
//     .../AWSCloudFormation/latest/APIReference/CommonErrors.html, .../AmazonECR/latest/APIReference/CommonErrors.html
//   - https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html for the
//     instance metadata service, whose errors are plain statuses: the codes are for the journal
var kinds = map[Kind]map[string]Error{
	Throttling: {
		"eks":      {"ThrottlingException", http.StatusTooManyRequests, rateExceeded},
		"eks-auth": {"ThrottlingException", http.StatusTooManyRequests, rateExceeded},
		"iam":      {"Throttling", http.StatusBadRequest, rateExceeded},
		"sts":      {"Throttling", http.StatusBadRequest, rateExceeded},
		"s3":       {"SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate."},
		"imds":     {"Throttled", http.StatusServiceUnavailable, rateExceeded},

		"ec2":            {"RequestLimitExceeded", http.StatusServiceUnavailable, "Request limit exceeded."},
		"cloudformation": {"Throttling", http.StatusBadRequest, rateExceeded},
		"ecr":            {"ThrottlingException", http.StatusBadRequest, rateExceeded},
	},
	Internal: {
		"eks":      {"ServerException", http.StatusInternalServerError, internal},
		"eks-auth": {"InternalServerException", http.StatusInternalServerError, internal},
		"iam":      {"ServiceFailure", http.StatusInternalServerError, internal},
		"sts":      {"InternalFailure", http.StatusInternalServerError, internal},
		"s3":       {"InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again."},
		"imds":     {"InternalError", http.StatusInternalServerError, internal},

		"ec2":            {"InternalError", http.StatusInternalServerError, internal},
		"cloudformation": {"InternalFailure", http.StatusInternalServerError, internal},
		"ecr":            {"ServerException", http.StatusInternalServerError, internal},
	},
	Unavailable: {
		"eks":      {"ServiceUnavailableException", http.StatusServiceUnavailable, unavailable},
		"eks-auth": {"ServiceUnavailableException", http.StatusServiceUnavailable, unavailable},
		"iam":      {"ServiceUnavailable", http.StatusServiceUnavailable, unavailable},
		"sts":      {"ServiceUnavailable", http.StatusServiceUnavailable, unavailable},
		"s3":       {"ServiceUnavailable", http.StatusServiceUnavailable, "Please reduce your request rate."},
		"imds":     {"ServiceUnavailable", http.StatusServiceUnavailable, unavailable},

		"ec2":            {"Unavailable", http.StatusServiceUnavailable, unavailable},
		"cloudformation": {"ServiceUnavailable", http.StatusServiceUnavailable, unavailable},
		"ecr":            {"ServiceUnavailableException", http.StatusServiceUnavailable, unavailable},
	},
	AccessDenied: {
		"eks":      {"AccessDeniedException", http.StatusForbidden, denied},
		"eks-auth": {"AccessDeniedException", http.StatusBadRequest, denied},
		"iam":      {"AccessDenied", http.StatusForbidden, denied},
		"sts":      {"AccessDenied", http.StatusForbidden, denied},
		"s3":       {"AccessDenied", http.StatusForbidden, "Access Denied"},
		"imds":     {"Forbidden", http.StatusForbidden, denied},

		"ec2":            {"UnauthorizedOperation", http.StatusForbidden, denied},
		"cloudformation": {"AccessDenied", http.StatusForbidden, denied},
		"ecr":            {"AccessDeniedException", http.StatusBadRequest, denied},
	},
}

// answer is the refusal in a service's form.
func (r Refusal) answer(service string) *Error {
	e := Error{Code: r.Code, Status: r.Status, Message: "The request is refused by a fault that was set."}
	if byService, ok := kinds[r.Kind]; ok {
		if e, ok = byService[service]; !ok {
			e = byService["eks"]
		}
	}
	if r.Message != "" {
		e.Message = r.Message
	}
	return &e
}

func kindNames() []Kind { return slices.Sorted(maps.Keys(kinds)) }
