// Package bucketpolicy reads bucket policies as S3 does when one is put on a bucket, and says whether a policy is public. Page
// names are of https://docs.aws.amazon.com/AmazonS3/latest/userguide/.
package bucketpolicy

import (
	_ "embed"
	"errors"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
)

// MaxSize of a bucket policy in bytes (add-bucket-policy: "Bucket policies are limited to 20 KB in size").
const MaxSize = 20 << 10

// Policy of a bucket.
type Policy struct {
	// Named is the policy for decisions.
	Named policy.Named
	// Public says that the policy is public by S3's definition.
	Public bool
	// Bound are the unique IDs that principals were tied to; nil if none were.
	Bound map[string]string
}

// Text is the policy as it was put.
func (p *Policy) Text() string { return p.Named.Document.Text() }

// Error says in S3's words why a policy is refused.
type Error struct {
	Message string
	// tooLarge has its own code.
	tooLarge bool
}

// Code is the code of S3's answer.
func (e *Error) Code() string {
	if e.tooLarge {
		return "PolicyTooLarge"
	}
	return "MalformedPolicy"
}

func (e *Error) Error() string { return e.Message }

// Parse reads the policy of a bucket and checks it as S3 does. The error is an *Error.
func Parse(bucket, text string) (*Policy, error) {
	p, err := Read(bucket, text)
	if err != nil {
		return nil, err
	}
	document := p.Named.Document
	if err := document.CheckResource(); err != nil {
		return nil, explain(err)
	}
	arn := "arn:aws:s3:::" + bucket
	if err := document.CheckWithin(func(resource string) bool { return within(resource, arn) }); err != nil {
		return nil, explain(err)
	}
	for i := range document.Statements {
		if err := checkStatement(&document.Statements[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Read reads the policy of a bucket that an earlier Parse accepted, maybe one that checked less. The error is an *Error.
func Read(bucket, text string) (*Policy, error) {
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
	public, err := isPublic(text)
	if err != nil {
		return nil, err
	}
	return &Policy{Named: policy.Named{Name: "bucket policy of " + bucket, Document: document}, Public: public}, nil
}

// ErrPrincipal is for a principal that does not exist.
var ErrPrincipal = &Error{Message: "Invalid principal in policy"}

// explain leaves out the place of the problem, which S3 does not report.
func explain(err error) error {
	if parse, ok := errors.AsType[*policy.ParseError](err); ok {
		if strings.HasPrefix(parse.Problem, "Vendor ") {
			return &Error{Message: "Policy has invalid action"}
		}
		return &Error{Message: parse.Problem}
	}
	return &Error{Message: err.Error()}
}

// within says whether a resource can only be the bucket or its objects: it begins with "arn:aws:s3:::" and the name. Wildcards may
// follow the slash.
func within(resource, arn string) bool {
	rest, ok := strings.CutPrefix(resource, arn)
	return ok && (rest == "" || strings.HasPrefix(rest, "/") || rest == "*")
}

// actionList has S3's actions, each with the type of resource that the service authorization reference gives it
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html). "other" is a type that no bucket policy
// can name.
//
//go:embed actions.txt
var actionList string

// actions are S3's actions with their prefix, by the type of their resource.
var actions = func() map[string][]string {
	byKind := map[string][]string{}
	for line := range strings.Lines(actionList) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		byKind[kind] = append(byKind[kind], "s3:"+name)
	}
	return byKind
}()

// keyList has S3's condition keys, from the same reference. A key with a slash is a tag's.
//
//go:embed keys.txt
var keyList string

var keys = func() map[string]bool {
	known := map[string]bool{}
	for key := range strings.FieldsSeq(strings.ToLower(keyList)) {
		key, _, _ = strings.Cut(key, "/")
		known[key] = true
	}
	return known
}()

// checkStatement checks that S3 has the statement's actions, that they apply to its resources (buckets or objects), and that S3 has
// its condition keys.
func checkStatement(s *policy.Statement) error {
	kinds := kindsOf(s.Resources())
	for _, action := range s.Actions() {
		switch {
		case !covers(action, "object", "bucket", "other"):
			return &Error{Message: "Policy has invalid action"}
		case !s.NotAction() && !covers(action, kinds...):
			return &Error{Message: "Action does not apply to any resource(s) in statement"}
		}
	}
	for _, key := range s.Keys() {
		if base, _, _ := strings.Cut(key, "/"); strings.HasPrefix(key, "s3:") && !keys[base] {
			return &Error{Message: "Policy has an invalid condition key - " + key}
		}
	}
	return nil
}

// covers says whether an action, which may have wildcards, matches one of S3's actions of the given kinds.
func covers(action string, kinds ...string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool {
		return slices.ContainsFunc(actions[kind], func(name string) bool { return policy.MatchAction(action, name) })
	})
}

// kindsOf says what the resources are: buckets, objects or both.
func kindsOf(resources []string) []string {
	var kinds []string
	for _, resource := range resources {
		switch {
		case strings.Contains(resource, "/"):
			kinds = append(kinds, "object")
		case strings.HasSuffix(resource, "*"):
			kinds = append(kinds, "object", "bucket")
		default:
			kinds = append(kinds, "bucket")
		}
	}
	return kinds
}
