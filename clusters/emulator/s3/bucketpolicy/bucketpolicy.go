// Package bucketpolicy reads bucket policies as S3 does when one is put on a bucket, and tells whether one
// is public. Page names are of https://docs.aws.amazon.com/AmazonS3/latest/userguide/.
package bucketpolicy

import (
	"errors"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// MaxSize of a bucket policy in bytes (add-bucket-policy: "Bucket policies are limited to 20 KB in size").
const MaxSize = 20 << 10

// Policy of a bucket.
type Policy struct {
	// Named is the policy for decisions.
	Named policy.Named
	// Public tells that it lets in more than S3 calls non-public.
	Public bool
}

// Text is the policy as it was put.
func (p *Policy) Text() string { return p.Named.Document.Text() }

// Error says in S3's words why a policy is refused.
type Error struct {
	Message string
	// tooLarge has a code of its own.
	tooLarge bool
}

// Code is that of S3's answer.
func (e *Error) Code() string {
	if e.tooLarge {
		return "PolicyTooLarge"
	}
	return "MalformedPolicy"
}

func (e *Error) Error() string { return e.Message }

// Parse reads the policy of a bucket. The error is an *Error.
func Parse(bucket, text string) (*Policy, error) {
	if len(text) > MaxSize {
		return nil, &Error{Message: "Policy exceeds the maximum allowed document size.", tooLarge: true}
	}
	if trimmed := strings.TrimSpace(text); !strings.HasPrefix(trimmed, "{") {
		return nil, &Error{Message: "Policies must be valid JSON and the first byte must be '{'"}
	}
	document, err := policy.Parse([]byte(text))
	if err != nil {
		return nil, explain(err)
	}
	if err := document.CheckResource(); err != nil {
		return nil, explain(err)
	}
	arn := "arn:aws:s3:::" + bucket
	if err := document.CheckWithin(func(resource string) bool { return within(resource, arn) }); err != nil {
		return nil, explain(err)
	}
	for i := range document.Statements {
		if err := checkActions(&document.Statements[i]); err != nil {
			return nil, err
		}
	}
	public, err := isPublic(text)
	if err != nil {
		return nil, err
	}
	return &Policy{Named: policy.Named{Name: "bucket policy of " + bucket, Document: document}, Public: public}, nil
}

// explain takes the problem without the place, which S3 does not tell.
func explain(err error) error {
	if parse, ok := errors.AsType[*policy.ParseError](err); ok {
		return &Error{Message: parse.Problem}
	}
	return &Error{Message: err.Error()}
}

// within tells whether a resource can only be the bucket or its objects: "arn:aws:s3:::" and the name,
// whatever wildcards come after the slash.
func within(resource, arn string) bool {
	rest, ok := strings.CutPrefix(resource, arn)
	return ok && (rest == "" || strings.HasPrefix(rest, "/") || rest == "*")
}

// checkActions wants actions of S3, of the kind that the statement's resources are: buckets or objects.
func checkActions(s *policy.Statement) error {
	var buckets, objects bool
	for _, resource := range s.Resources() {
		if strings.Contains(resource, "/") {
			objects = true
		} else {
			buckets = true
		}
		if strings.HasSuffix(resource, "*") {
			objects = true
		}
	}
	for _, action := range s.Actions() {
		name, ok := strings.CutPrefix(action, "s3:")
		switch {
		case action == "*" || ok && strings.ContainsAny(name, "*?"):
		case !ok:
			return &Error{Message: "Policy has invalid action"}
		case objectAction(name) && !objects, !objectAction(name) && !buckets:
			return &Error{Message: "Action does not apply to any resource(s) in statement"}
		}
	}
	return nil
}

// objectAction tells whether an action, in lower case, is on objects: the service authorization reference
// has those of objects under these names
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).
func objectAction(name string) bool {
	switch name {
	case "abortmultipartupload", "bypassgovernanceretention", "initiatereplication", "listmultipartuploadparts", "objectowneroverridetobucketowner",
		"restoreobject", "updateobjectencryption":
		return true
	}
	for _, prefix := range []string{"getobject", "putobject", "deleteobject", "replicate"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
