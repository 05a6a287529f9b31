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

// Error is a call to EKS Auth that gave no credentials, with the answer that a pod gets for it.
type Error struct {
	// Status is EKS Auth's own HTTP status, or 500 if there was no answer.
	Status int
	// Code is the exception's name, such as ResourceNotFoundException; empty if there was no answer.
	Code string
	// Body is "[request-id]: (Code): message, fault: client", as far as known: "[]" if nothing is.
	// It may repeat what the pod sent, so it is for the pod and for no log.
	Body string

	cause error
	text  string
}

// newError keeps the token out of the text, even if EKS Auth's message repeats it.
func newError(cause error, token string) *Error {
	e := &Error{Status: http.StatusInternalServerError, cause: cause}
	e.text = "fetch credentials from EKS Auth: " + strings.ReplaceAll(cause.Error(), token, "[token]")
	body := []string{"[]"}
	if response, ok := errors.AsType[*awshttp.ResponseError](cause); ok {
		// A success that cannot be decoded is a failure all the same.
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

// Final reports whether the token will never give credentials again, so that those it gave before
// are not to be kept.
func (e *Error) Final() bool {
	return slices.Contains([]string{
		"AccessDeniedException", "ExpiredTokenException", "InvalidTokenException", "ResourceNotFoundException",
	}, e.Code)
}
