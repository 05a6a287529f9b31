package eks

import (
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

// Error codes of the EKS API.
const (
	codeInvalidParameter = "InvalidParameterException"
	codeInvalidRequest   = "InvalidRequestException"
	codeNotFound         = "ResourceNotFoundException"
	codeInUse            = "ResourceInUseException"
	codeLimitExceeded    = "ResourceLimitExceededException"
	codeAccessDenied     = "AccessDeniedException"
	codeServer           = "ServerException"

	// Error codes of operations on tags.
	codeBadRequest  = "BadRequestException"
	codeTagNotFound = "NotFoundException"
)

func invalidParameter(format string, args ...any) *restjson.Error {
	return restjson.Errorf(codeInvalidParameter, http.StatusBadRequest, format, args...)
}

// about adds the members that name the refusal's cluster and add-on, which are those of the path, to the errors that have
// such members in https://docs.aws.amazon.com/eks/latest/APIReference/.
func about(r *http.Request, err error) error {
	if fault, ok := errors.AsType[*faults.Error](err); ok {
		err = restjson.Errorf(fault.Code, fault.Status, "%s", fault.Message)
	}
	refusal, ok := errors.AsType[*restjson.Error](err)
	if !ok {
		// The text of an unexpected error is not shown to callers.
		refusal = restjson.Errorf(codeServer, http.StatusInternalServerError, "Internal error.")
	}
	switch refusal.Code {
	case codeInvalidParameter, codeInvalidRequest, codeNotFound, codeInUse, codeLimitExceeded, codeServer:
		for _, member := range []string{"clusterName", "addonName"} {
			if value := r.PathValue(member); value != "" {
				refusal = refusal.With(member, value)
			}
		}
	}
	return refusal
}
