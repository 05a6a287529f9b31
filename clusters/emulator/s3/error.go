package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// Error is an error response of S3 (ErrorResponses).
type Error struct {
	Code    string
	Status  int
	Message string
	// Only some errors have the other fields.
	Bucket, Key, VersionID, UploadID, Region, Header string
	// RangeRequested and ActualObjectSize belong together, and so do PartNumberRequested and ActualPartCount.
	RangeRequested, ActualObjectSize     string
	PartNumberRequested, ActualPartCount string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

var errAccessDenied = &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "Access Denied"}

var errMalformedXML = &Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The XML you provided was not well-formed or did not validate against our published schema"}

func notImplemented(message string) *Error {
	return &Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: message}
}

func invalidArgument(message string) *Error {
	return &Error{Code: "InvalidArgument", Status: http.StatusBadRequest, Message: message}
}

func invalidRequest(message string) *Error {
	return &Error{Code: "InvalidRequest", Status: http.StatusBadRequest, Message: message}
}

// refusal returns S3's error for an error of the store. Any other error stays as it is.
func (q *request) refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, objects.ErrNoSuchBucket):
		return noSuchBucket(q.bucket)
	case errors.Is(err, objects.ErrBucketNotEmpty):
		return &Error{Code: "BucketNotEmpty", Status: http.StatusConflict, Message: "The bucket you tried to delete is not empty", Bucket: q.bucket}
	case errors.Is(err, objects.ErrNoSuchKey):
		return noSuchKey(q.key)
	case errors.Is(err, objects.ErrNoSuchVersion):
		return noSuchVersion(q.key, q.versionID)
	case errors.Is(err, objects.ErrPreconditionFailed):
		return errPreconditionFailed
	case errors.Is(err, objects.ErrNoSuchUpload):
		return &Error{Code: "NoSuchUpload", Status: http.StatusNotFound, UploadID: q.query.Get("uploadId"),
			Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}
	case errors.Is(err, objects.ErrInvalidPart):
		return &Error{Code: "InvalidPart", Status: http.StatusBadRequest, UploadID: q.query.Get("uploadId"),
			Message: "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."}
	case errors.Is(err, objects.ErrInvalidPartOrder):
		return &Error{Code: "InvalidPartOrder", Status: http.StatusBadRequest, UploadID: q.query.Get("uploadId"),
			Message: "The list of parts was not in ascending order. Parts must be ordered by part number."}
	case errors.Is(err, objects.ErrPartTooSmall):
		return &Error{Code: "EntityTooSmall", Status: http.StatusBadRequest, Message: "Your proposed upload is smaller than the minimum allowed size"}
	case errors.Is(err, objects.ErrTooLarge):
		return errTooLarge
	case errors.Is(err, objects.ErrBadDigest):
		return badDigest("The checksum you specified did not match the calculated checksum.")
	}
	return err
}

var (
	errPreconditionFailed = &Error{Code: "PreconditionFailed", Status: http.StatusPreconditionFailed, Message: "At least one of the pre-conditions you specified did not hold"}
	errTooLarge           = &Error{Code: "EntityTooLarge", Status: http.StatusBadRequest, Message: "Your proposed upload exceeds the maximum allowed size"}
)

func noSuchBucket(bucket string) *Error {
	return &Error{Code: "NoSuchBucket", Status: http.StatusNotFound, Message: "The specified bucket does not exist", Bucket: bucket}
}

func noSuchKey(key string) *Error {
	return &Error{Code: "NoSuchKey", Status: http.StatusNotFound, Message: "The specified key does not exist.", Key: key}
}

func noSuchVersion(key, id string) *Error {
	return &Error{Code: "NoSuchVersion", Status: http.StatusNotFound, Message: "The specified version does not exist.", Key: key, VersionID: id}
}

func badDigest(message string) *Error {
	return &Error{Code: "BadDigest", Status: http.StatusBadRequest, Message: message}
}

type errorBody struct {
	XMLName             xml.Name `xml:"Error"`
	Code                string
	Message             message
	BucketName          string `xml:",omitempty"`
	Key                 text   `xml:",omitempty"`
	VersionID           string `xml:"VersionId,omitempty"`
	UploadID            string `xml:"UploadId,omitempty"`
	Region              string `xml:",omitempty"`
	Header              string `xml:",omitempty"`
	RangeRequested      string `xml:",omitempty"`
	ActualObjectSize    string `xml:",omitempty"`
	PartNumberRequested string `xml:",omitempty"`
	ActualPartCount     string `xml:",omitempty"`
	RequestID           string `xml:"RequestId"`
	HostID              string `xml:"HostId"`
}

// writeError answers with err: an *Error or a fault as it is, and anything else as InternalError without its text. An answer to
// HEAD has no body.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	call := journal.FromContext(r.Context())
	refusal, ok := errors.AsType[*Error](err)
	if fault, faulty := errors.AsType[*faults.Error](err); faulty {
		refusal = &Error{Code: fault.Code, Status: fault.Status, Message: fault.Message}
	} else if !ok {
		call.Cause = err.Error()
		refusal = &Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: "We encountered an internal error. Please try again."}
	}
	call.ErrorCode = refusal.Code
	if refusal.Status == http.StatusNotModified {
		w.WriteHeader(refusal.Status)
		return
	}
	body, err := xml.Marshal(errorBody{
		Code: refusal.Code, Message: message(refusal.Message), BucketName: refusal.Bucket, Key: text(refusal.Key), VersionID: refusal.VersionID,
		UploadID: refusal.UploadID, Region: refusal.Region, Header: refusal.Header,
		RangeRequested: refusal.RangeRequested, ActualObjectSize: refusal.ActualObjectSize,
		PartNumberRequested: refusal.PartNumberRequested, ActualPartCount: refusal.ActualPartCount,
		RequestID: call.RequestID, HostID: call.RequestID,
	})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	body = append([]byte(xml.Header), body...)
	w.Header().Set("Content-Type", "application/xml")
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(refusal.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only if the client closed the connection
	}
}

// signatureErrors are the codes and texts with which S3 refuses a signature. Where the message is empty, the verifier's is used.
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
	sigv4.Version2:              {Code: "InvalidRequest", Status: http.StatusBadRequest},
	sigv4.Slow:                  {Code: "RequestTimeout", Status: http.StatusBadRequest},
	sigv4.Busy:                  {Code: "SlowDown", Status: http.StatusServiceUnavailable},
}

// WriteSignatureError answers a request whose signature was refused, with S3's XML and text. It notes the code in the journal's
// call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {
	writeError(w, r, signatureError(r, err))
}

func signatureError(r *http.Request, err *sigv4.Error) *Error {
	refusal, ok := signatureErrors[err.Kind]
	if !ok {
		refusal = signatureErrors[sigv4.Incomplete]
	}
	if refusal.Code == "AuthorizationHeaderMalformed" && r.Header.Get("Authorization") == "" {
		refusal.Code = "AuthorizationQueryParametersError"
	}
	if refusal.Message == "" {
		refusal.Message = err.Message
	}
	return &refusal
}
