package iam

import (
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

func notFound(format string, args ...any) *query.Error {
	return query.Errorf("NoSuchEntity", http.StatusNotFound, format, args...)
}

func conflict(format string, args ...any) *query.Error {
	return query.Errorf("EntityAlreadyExists", http.StatusConflict, format, args...)
}

func limitExceeded(format string, args ...any) *query.Error {
	return query.Errorf("LimitExceeded", http.StatusConflict, format, args...)
}

func deleteConflict(format string, args ...any) *query.Error {
	return query.Errorf("DeleteConflict", http.StatusConflict, format, args...)
}

func malformed(format string, args ...any) *query.Error {
	return query.Errorf("MalformedPolicyDocument", http.StatusBadRequest, format, args...)
}

func invalidInput(format string, args ...any) *query.Error {
	return query.Errorf("InvalidInput", http.StatusBadRequest, format, args...)
}

// signatureErrors are the codes of refused signatures in the Query protocol
// (https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html). Where the message is empty, the verifier's is
// used.
var signatureErrors = map[sigv4.Kind]query.Error{
	sigv4.MissingAuthentication: {Code: "MissingAuthenticationToken", Status: http.StatusForbidden, Message: "Request is missing Authentication Token"},
	sigv4.Incomplete:            {Code: "IncompleteSignature", Status: http.StatusBadRequest},
	sigv4.UnsignedHeaders:       {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.UnknownAccessKey:      {Code: "InvalidClientTokenId", Status: http.StatusForbidden, Message: "The security token included in the request is invalid."},
	sigv4.InvalidToken:          {Code: "InvalidClientTokenId", Status: http.StatusForbidden, Message: "The security token included in the request is invalid"},
	sigv4.ExpiredToken:          {Code: "ExpiredToken", Status: http.StatusForbidden, Message: "The security token included in the request is expired"},
	sigv4.SignatureMismatch:     {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden, Message: "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
	sigv4.WrongScope:            {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.Skewed:                {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.PresignedExpired:      {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.BodyMismatch:          {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden},
	sigv4.TooLarge:              {Code: "RequestEntityTooLarge", Status: http.StatusRequestEntityTooLarge},
	sigv4.BadBody:               {Code: "MalformedInput", Status: http.StatusBadRequest},
	sigv4.Slow:                  {Code: "RequestTimeout", Status: http.StatusRequestTimeout},
	sigv4.Busy:                  {Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
}

// SignatureError is the answer of a Query service (IAM, STS) to a request whose signature is refused.
func SignatureError(err *sigv4.Error) *query.Error {
	refusal, ok := signatureErrors[err.Kind]
	if !ok {
		refusal = signatureErrors[sigv4.Incomplete]
	}
	if refusal.Message == "" {
		refusal.Message = err.Message
	}
	return &refusal
}

// WriteSignatureError answers a request of IAM whose signature is refused, and notes the code in the journal's call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	query.WriteError(w, r, namespace, SignatureError(err))
}
