// Package probe has the output of epi-probe, the program in test pods, which specs read: one JSON object for each
// operation. It imports only the standard library, so that the probe's image stays small. No field ever contains a token, a
// secret key or a whole access key.
package probe

import (
	"fmt"
	"strings"
	"time"
)

// Operations of `epi-probe do`.
const (
	OpIdentity  = "identity"   // the identity of the pod in the default credential chain
	OpCopy      = "s3-cp"      // HeadObject, then GetObject, as `aws s3 cp` does
	OpGet       = "s3-get"     // GetObject
	OpHead      = "s3-head"    // HeadObject
	OpPut       = "s3-put"     // PutObject
	OpList      = "s3-list"    // ListObjectsV2
	OpVariables = "env"        // the container-credential variables
	OpToken     = "token"      // claims of the projected token
	OpMetadata  = "imds"       // the instance metadata service
	OpHTTP      = "http"       // one HTTP request
	OpRefresh   = "refresh"    // credentials, several times with one client
	MaxBody     = 1 << 20      // the largest object in an answer, in bytes
	Program     = "/epi-probe" // the path of the probe in its image
)

// Class is the kind of a failure.
type Class string

const (
	// NoCredentials: the default chain found no source of credentials at all.
	NoCredentials Class = "no-credentials"
	// CredentialsFailed: a configured source, such as the agent's address, gave none.
	CredentialsFailed Class = "credentials-failed"
	// APIError: AWS answered with an error.
	APIError Class = "api-error"
	// NetworkError: no answer came, or none that can be read.
	NetworkError Class = "network-error"
	// ClientBroken: the client's program crashed or did not end.
	ClientBroken Class = "client-broken"
)

// Failure is the failure of an operation. It is data, and not an error of the probe.
type Failure struct {
	Class Class `json:"class"`
	// Operation is the AWS operation that failed, such as "HeadObject".
	Operation string `json:"operation,omitempty"`
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int `json:"status,omitempty"`
	// Code is AWS's error code, such as "AccessDenied". A HEAD answer has none. The SDK then returns the text of the
	// status.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func (f *Failure) String() string {
	switch f.Class {
	case NoCredentials:
		return "no credentials: " + f.Message
	case CredentialsFailed:
		return "the configured source gave no credentials: " + f.Message
	case ClientBroken:
		return "the client's program broke: " + f.Message
	case APIError:
		text := fmt.Sprintf("%s answered %d %s", f.Operation, f.Status, f.Code)
		if f.Message != "" && f.Message != f.Code { // for a HEAD answer the SDK knows only the status, and returns it twice
			text += ": " + f.Message
		}
		return strings.TrimSpace(text)
	default:
		return strings.TrimSpace(f.Operation + " got no answer: " + f.Message)
	}
}

// Identity is the identity of a process in the pod for AWS.
type Identity struct {
	// Source is the SDK's name of the provider that gave the credentials, such as
	// "CredentialsEndpointProvider" (the agent) or "EC2RoleProvider" (instance metadata).
	Source string `json:"source,omitempty"`
	// AccessKeyID without its middle.
	AccessKeyID string `json:"accessKeyID,omitempty"`
	// ARN, Account and UserID are from GetCallerIdentity's answer.
	ARN     string   `json:"arn,omitempty"`
	Account string   `json:"account,omitempty"`
	UserID  string   `json:"userID,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Object is an S3 object as an operation received it.
type Object struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	// Body is present if it was requested and has at most MaxBody bytes.
	Body    []byte   `json:"body,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Listing are the keys under a prefix.
type Listing struct {
	Keys    []string `json:"keys"`
	Failure *Failure `json:"failure,omitempty"`
}

// Variables are the process's own container-credential and AWS variables, by name. Those with a secret have the value
// "[redacted]".
type Variables map[string]string

// Token describes a projected service account token, without the token.
type Token struct {
	File string `json:"file"`
	// Mode of the file, such as "-rw-r--r--".
	Mode string `json:"mode,omitempty"`
	// Size in bytes.
	Size int `json:"size,omitempty"`
	// KeyID and Algorithm are the header's kid and alg.
	KeyID     string      `json:"keyID,omitempty"`
	Algorithm string      `json:"algorithm,omitempty"`
	Claims    TokenClaims `json:"claims"`
	Failure   *Failure    `json:"failure,omitempty"`
}

// TokenClaims are the claims of a service account token that is bound to a pod.
type TokenClaims struct {
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`
	Audience  []string  `json:"audience"`
	IssuedAt  time.Time `json:"issuedAt"`
	NotBefore time.Time `json:"notBefore"`
	Expires   time.Time `json:"expires"`
	Namespace string    `json:"namespace"`
	// ServiceAccount and Pod as the kubernetes.io claim names them.
	ServiceAccount Reference `json:"serviceAccount"`
	Pod            Reference `json:"pod"`
}

// Reference is an object that a token is bound to.
type Reference struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// MetadataOutcome is the result of a request for a metadata session token.
type MetadataOutcome string

const (
	// MetadataTimeout: no answer came in time, as beyond the hop limit.
	MetadataTimeout MetadataOutcome = "timeout"
	// MetadataRefused: the connection was refused, or there is no route.
	MetadataRefused MetadataOutcome = "refused"
	// MetadataAnswered: an answer with an HTTP status came.
	MetadataAnswered MetadataOutcome = "status"
)

// Metadata is the result of the instance metadata service (IMDSv2).
type Metadata struct {
	Outcome MetadataOutcome `json:"outcome"`
	// Status of the PUT for a session token.
	Status int `json:"status,omitempty"`
	// Role is the name of the instance's role.
	Role string `json:"role,omitempty"`
	// Waited is how long the PUT took, in nanoseconds.
	Waited  time.Duration `json:"waited"`
	Message string        `json:"message,omitempty"`
}

func (m Metadata) String() string {
	switch m.Outcome {
	case MetadataAnswered:
		if m.Role != "" {
			return fmt.Sprintf("status %d and role %s", m.Status, m.Role)
		}
		return fmt.Sprintf("status %d", m.Status)
	case MetadataTimeout:
		return fmt.Sprintf("no answer in %s", m.Waited.Round(time.Millisecond))
	default:
		return "connection refused: " + m.Message
	}
}

// Response is the answer to one HTTP request.
type Response struct {
	Status int `json:"status"`
	// Header has the first value of each field.
	Header map[string]string `json:"header,omitempty"`
	// Body, at most 64 KiB, with the values of credentials and tokens replaced by "[redacted]".
	Body    string   `json:"body,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}
