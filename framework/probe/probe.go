// Package probe holds what epi-probe, the program in test pods, prints and what a spec reads: one
// JSON object an operation. It imports nothing but the standard library, so that the probe's image
// stays small. No field ever holds a token, a secret key or a whole access key.
package probe

import (
	"fmt"
	"strings"
	"time"
)

// Operations of `epi-probe do`.
const (
	OpIdentity  = "identity"   // who the default credential chain makes of the pod
	OpCopy      = "s3-cp"      // HeadObject, then GetObject, as `aws s3 cp` does
	OpGet       = "s3-get"     // GetObject
	OpHead      = "s3-head"    // HeadObject
	OpPut       = "s3-put"     // PutObject
	OpList      = "s3-list"    // ListObjectsV2
	OpVariables = "env"        // the container-credential variables
	OpToken     = "token"      // claims of the projected token
	OpMetadata  = "imds"       // the instance metadata service
	OpHTTP      = "http"       // one HTTP request
	OpRefresh   = "refresh"    // credentials, several times of one client
	MaxBody     = 1 << 20      // bytes of an object that an answer carries at most
	Program     = "/epi-probe" // where the probe is in its image
)

// Class says what kind of thing went wrong.
type Class string

const (
	// NoCredentials: the default chain found no source of credentials at all.
	NoCredentials Class = "no-credentials"
	// CredentialsFailed: a configured source, such as the agent's address, gave none.
	CredentialsFailed Class = "credentials-failed"
	// APIError: AWS answered with an error.
	APIError Class = "api-error"
	// NetworkError: no answer came, or none that could be read.
	NetworkError Class = "network-error"
	// ClientBroken: the client's program crashed or did not end.
	ClientBroken Class = "client-broken"
)

// Failure is what an operation ended in instead of its result: data, not an error of the probe.
type Failure struct {
	Class Class `json:"class"`
	// Operation is the AWS operation that failed, such as "HeadObject".
	Operation string `json:"operation,omitempty"`
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int `json:"status,omitempty"`
	// Code is AWS's error code, such as "AccessDenied". A HEAD answer carries none: the SDK then
	// gives the text of the status.
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
		if f.Message != "" && f.Message != f.Code { // of a HEAD answer the SDK knows but the status, twice
			text += ": " + f.Message
		}
		return strings.TrimSpace(text)
	default:
		return strings.TrimSpace(f.Operation + " got no answer: " + f.Message)
	}
}

// Identity is who a process in the pod is to AWS.
type Identity struct {
	// Source is the SDK's name of the provider that gave the credentials, such as
	// "CredentialsEndpointProvider" (the agent) or "EC2RoleProvider" (instance metadata).
	Source string `json:"source,omitempty"`
	// AccessKeyID with its middle left out.
	AccessKeyID string `json:"accessKeyID,omitempty"`
	// ARN, Account and UserID as GetCallerIdentity answers.
	ARN     string   `json:"arn,omitempty"`
	Account string   `json:"account,omitempty"`
	UserID  string   `json:"userID,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Object is an S3 object as an operation saw it.
type Object struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // hexadecimal
	// Body is present when it was asked for and is at most MaxBody bytes.
	Body    []byte   `json:"body,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// Listing are the keys under a prefix.
type Listing struct {
	Keys    []string `json:"keys"`
	Failure *Failure `json:"failure,omitempty"`
}

// Variables are the process's own container-credential and AWS variables, by name; those that
// would hold a secret are present with the value "[redacted]".
type Variables map[string]string

// Token is a projected service account token without the token.
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

// MetadataOutcome is what asking for a metadata session token ended in.
type MetadataOutcome string

const (
	// MetadataTimeout: nothing came back in time, as beyond the hop limit.
	MetadataTimeout MetadataOutcome = "timeout"
	// MetadataRefused: the connection was refused, or there is no route.
	MetadataRefused MetadataOutcome = "refused"
	// MetadataAnswered: an HTTP status came back.
	MetadataAnswered MetadataOutcome = "status"
)

// Metadata is what the instance metadata service (IMDSv2) gave.
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
