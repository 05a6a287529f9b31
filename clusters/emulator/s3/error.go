package s3

import (
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// Error is an error response of S3
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
type Error struct {
	Code    string
	Status  int
	Message string
	// Bucket, Key and Region are told with some codes.
	Bucket, Key, Region string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

var errAccessDenied = &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Access Denied"}

func notImplemented(message string) *Error {
	return &Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: message}
}

type errorBody struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	BucketName string `xml:",omitempty"`
	Key        string `xml:",omitempty"`
	Region     string `xml:",omitempty"`
	RequestID  string `xml:"RequestId"`
	HostID     string `xml:"HostId"`
}

// writeError answers with err: an *Error as it is, anything else as InternalError without its text.
// An answer to HEAD has no body.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	call := journal.FromContext(r.Context())
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		refusal = &Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: "We encountered an internal error. Please try again."}
	}
	call.ErrorCode = refusal.Code
	if refusal.Status == http.StatusNotModified {
		w.WriteHeader(refusal.Status)
		return
	}
	body, err := xml.Marshal(errorBody{
		Code: refusal.Code, Message: refusal.Message, BucketName: refusal.Bucket, Key: refusal.Key, Region: refusal.Region,
		RequestID: call.RequestID, HostID: call.RequestID,
	})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(refusal.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append([]byte(xml.Header), body...)) // the client is gone: nobody is left to tell
	}
}

// signatureErrors are the codes and texts with which S3 refuses a signature. An empty message takes
// the verifier's.
var signatureErrors = map[sigv4.Kind]Error{
	sigv4.MissingAuthentication: *errAccessDenied,
	sigv4.Incomplete:            {Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest},
	sigv4.UnsignedHeaders:       {Code: "AccessDenied", Status: http.StatusForbidden},
	sigv4.UnknownAccessKey:      {Code: "InvalidAccessKeyId", Status: http.StatusForbidden, Message: "The AWS Access Key Id you provided does not exist in our records."},
	sigv4.InvalidToken:          {Code: "InvalidToken", Status: http.StatusBadRequest, Message: "The provided token is malformed or otherwise invalid."},
	sigv4.ExpiredToken:          {Code: "ExpiredToken", Status: http.StatusBadRequest, Message: "The provided token has expired."},
	sigv4.SignatureMismatch:     {Code: "SignatureDoesNotMatch", Status: http.StatusForbidden, Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	sigv4.Skewed:                {Code: "RequestTimeTooSkewed", Status: http.StatusForbidden, Message: "The difference between the request time and the current time is too large."},
	sigv4.PresignedExpired:      {Code: "AccessDenied", Status: http.StatusForbidden, Message: "Request has expired"},
	sigv4.BodyMismatch:          {Code: "XAmzContentSHA256Mismatch", Status: http.StatusBadRequest},
	sigv4.TooLarge:              {Code: "EntityTooLarge", Status: http.StatusBadRequest, Message: "Your proposed upload exceeds the maximum allowed size"},
	sigv4.BadBody:               {Code: "IncompleteBody", Status: http.StatusBadRequest},
}

// WriteSignatureError answers a request whose signature was refused, in S3's XML and wording, and
// notes the code in the journal's call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	refusal, ok := signatureErrors[err.Kind]
	if !ok {
		refusal = signatureErrors[sigv4.Incomplete]
	}
	if refusal.Message == "" {
		refusal.Message = err.Message
	}
	writeError(w, r, &refusal)
}
