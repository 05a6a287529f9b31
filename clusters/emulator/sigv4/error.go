package sigv4

import "fmt"

// Kind of a refusal. Each protocol has its own code and status for a kind: see iam.WriteSignatureError for the Query
// protocol, s3.WriteSignatureError for S3.
type Kind string

// The kinds of refusal.
const (
	// MissingAuthentication: the request is not signed at all.
	MissingAuthentication Kind = "MissingAuthentication"
	// Incomplete: the signature lacks a part or has a malformed one.
	Incomplete Kind = "Incomplete"
	// UnsignedHeaders: the signature does not cover a header that it must cover.
	UnsignedHeaders Kind = "UnsignedHeaders"
	// UnknownAccessKey: the access key ID does not exist.
	UnknownAccessKey Kind = "UnknownAccessKey"
	// InvalidToken: the session token is missing, or does not belong to the key.
	InvalidToken Kind = "InvalidToken"
	// ExpiredToken: the temporary credentials have expired.
	ExpiredToken Kind = "ExpiredToken"
	// SignatureMismatch: the signature is not the one of the secret key.
	SignatureMismatch Kind = "SignatureMismatch"
	// WrongScope: the credential scope names another service or region.
	WrongScope Kind = "WrongScope"
	// Skewed: the time of signing is more than 15 minutes from now.
	Skewed Kind = "Skewed"
	// PresignedExpired: the presigned URL is past its X-Amz-Expires.
	PresignedExpired Kind = "PresignedExpired"
	// BodyMismatch: the body does not have the declared hash.
	BodyMismatch Kind = "BodyMismatch"
	// TooLarge: the body is over the limit.
	TooLarge Kind = "TooLarge"
	// BadBody: the body ended early, or its chunks or their length are not as declared.
	BadBody Kind = "BadBody"
	// Version2: the request is signed with Signature Version 2.
	Version2 Kind = "Version2"
	// Slow: the body did not arrive within its time.
	Slow Kind = "Slow"
	// Busy: the body needs more memory than is available now.
	Busy Kind = "Busy"
)

// Error is a refusal. Its message never holds a secret, a token or a signature.
type Error struct {
	Kind    Kind
	Message string
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Message }

func refuse(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
