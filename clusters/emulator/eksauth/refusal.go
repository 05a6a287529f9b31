package eksauth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/podtoken"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// Error codes of the API for which the service itself has reasons. All but the last two have HTTP status 400, also access
// denied. The reference lists two more, ServiceUnavailableException (503) and ThrottlingException (429), which only faults
// answer.
const (
	codeAccessDenied     = "AccessDeniedException"
	codeExpiredToken     = "ExpiredTokenException"
	codeInvalidToken     = "InvalidTokenException"
	codeInvalidParameter = "InvalidParameterException"
	codeInvalidRequest   = "InvalidRequestException"
	codeNotFound         = "ResourceNotFoundException" // 404
	codeInternal         = "InternalServerException"   // 500
)

// SessionError is what Sessions returns if the role may be assumed, but not with the association's session name, tags or
// policy.
type SessionError struct {
	// Problem may be shown to the caller.
	Problem string
	// Packed says that policy and tags together are too large. Otherwise one of them is invalid.
	Packed bool
}

func (e *SessionError) Error() string { return e.Problem }

func refuse(code, format string, args ...any) error {
	return restjson.Errorf(code, http.StatusBadRequest, format, args...)
}

// faultRefusal returns the answer that a fault asks for.
func faultRefusal(err error) error {
	if fault, ok := errors.AsType[*faults.Error](err); ok {
		return &restjson.Error{Code: fault.Code, Status: fault.Status, Message: fault.Message}
	}
	return fmt.Errorf("ask for faults: %w", err)
}

func tokenRefusal(err error) error {
	if expired, ok := errors.AsType[*podtoken.ExpiredError](err); ok {
		return refuse(codeExpiredToken, "The token included in the request is expired: %s", expired)
	}
	return refuse(codeInvalidToken, "The token included in the request is invalid: %s", err)
}

// sessionRefusal returns the answer to an invalid session. The reference does not say how STS's PackedPolicyTooLarge is
// answered. Its InvalidRequestException is for a well-formed request that cannot be fulfilled.
func sessionRefusal(err error, association string) error {
	if errors.Is(err, ErrNotTrusted) {
		return refuse(codeAccessDenied, "Unauthorized Exception! EKS does not have permissions to assume the associated role.")
	}
	if problem, ok := errors.AsType[*SessionError](err); ok {
		code := codeInvalidParameter
		if problem.Packed {
			code = codeInvalidRequest
		}
		return refuse(code, "The role of association %s cannot be assumed: %s", association, problem)
	}
	return fmt.Errorf("assume role of association %s: %w", association, err)
}
