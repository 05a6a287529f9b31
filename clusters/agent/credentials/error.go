package credentials

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Error is a failed call to EKS Auth, with the answer for the pod.
type Error struct {
	// Status is EKS Auth's own HTTP status, or 500 if there was no answer.
	Status int
	// Code is the exception's name, such as ResourceNotFoundException; empty if there was no answer.
	Code string
	// Body is "[request-id]: (Code): message, fault: client" with the known parts, or "[]" if none is known. It may repeat
	// the pod's input, so it is for the pod and not for a log.
	Body string

	cause error
	text  string
}

// newError keeps the token out of the text, also if EKS Auth's message repeats it.
func newError(cause error, token string) *Error {
	e := &Error{Status: http.StatusInternalServerError, cause: cause}
	e.text = "fetch credentials from EKS Auth: " + strings.ReplaceAll(cause.Error(), token, "[token]")
	body := []string{"[]"}
	if response, ok := errors.AsType[*awshttp.ResponseError](cause); ok {
		// A success that cannot be decoded is a failure.
		if status := response.HTTPStatusCode(); status >= http.StatusBadRequest {
			e.Status = status
		}
		body[0] = "[" + response.ServiceRequestID() + "]"
	}
	if exception, ok := errors.AsType[smithy.APIError](cause); ok {
		e.Code = exception.ErrorCode()
		body = append(body, fmt.Sprintf("(%s): %s, fault: %s", e.Code, exception.ErrorMessage(), exception.ErrorFault()))
	}
	e.Body = strings.Join(body, ": ")
	return e
}

func (e *Error) Error() string { return e.text }
func (e *Error) Unwrap() error { return e.cause }

// Final says that the token will never give credentials again. Its cached credentials must then be dropped.
func (e *Error) Final() bool {
	return slices.Contains([]string{
		"AccessDeniedException", "ExpiredTokenException", "InvalidTokenException", "ResourceNotFoundException",
	}, e.Code)
}
