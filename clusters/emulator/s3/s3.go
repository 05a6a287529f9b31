// Package s3 serves S3 from memory behind an authoriser. A request is read once, into an operation. The decision is made on that
// operation, and the code that serves the request gets that operation and nothing else of the request. So the two cannot disagree.
// Package objects keeps buckets and objects.
//
// References are to https://docs.aws.amazon.com/AmazonS3/latest/API/ by operation, to
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ by page, and for actions and condition keys to
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// Authorizer decides whether a caller may do something, by the policies of both sides. It refuses a nil caller.
type Authorizer interface {
	Authorize(ctx context.Context, caller *iam.Caller, access iam.Access) policy.Decision
	// Bind ties the principals of a document to their unique IDs. missing is a principal that does not exist.
	Bind(document *policy.Document) (bound map[string]string, missing string)
	// Shown is the text of a bound document, with the names that its principals have now.
	Shown(document *policy.Document) string
}

// Forms finds who signed the policy of a form. The policy must be signed in Region. The error is a *sigv4.Error.
type Forms interface {
	FormCaller(r *http.Request, post sigv4.Post) (*iam.Caller, error)
}

// Options of the handler.
type Options struct {
	Authorizer Authorizer
	Region     string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Forms finds who signed an upload by an HTML form; if it is nil, all signed forms are refused.
	Forms Forms
	// Tables keep what is stored; if they are nil, the handler keeps it in memory only.
	Tables objects.Tables
}

// handler serves S3.
type handler struct {
	authorizer Authorizer
	region     string
	forms      Forms
	now        func() time.Time
	store      *objects.Store
}

// NewHandler serves S3 for callers from the context; a request without a caller is anonymous. It fails if
// the tables cannot be read.
func NewHandler(options Options) (http.Handler, error) {
	if options.Authorizer == nil || options.Region == "" {
		return nil, errors.New("make S3 handler: needs an authorizer and a region")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	store, err := objects.New(options.Tables, options.Now)
	if err != nil {
		return nil, fmt.Errorf("make S3 handler: %w", err)
	}
	return &handler{authorizer: options.Authorizer, region: options.Region, forms: options.Forms, now: options.Now, store: store}, nil
}

// request is a request that is being served.
type request struct {
	*operation
	http   *http.Request
	w      http.ResponseWriter
	caller *iam.Caller // nil for an anonymous one
	// target is the bucket; nil for ListBuckets and CreateBucket.
	target *objects.Bucket
	// existing is the version that the operation reads; nil if it reads none.
	existing *objects.Version
	// tags are the tags of the object to create, or those to put on an object or the bucket.
	tags []objects.Tag
	// form is the content of an upload by an HTML form; nil for all other operations.
	form *form
	// body is the whole body once it is loaded.
	body   []byte
	loaded bool
	// wantedBucket is the body of CreateBucket.
	wantedBucket newBucket
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		writeError(w, r, err)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	call := journal.FromContext(r.Context())
	caller := iam.CallerFrom(r.Context())
	if caller != nil && caller.Region != h.region {
		return h.wrongRegion(caller.Region)
	}
	op, err := h.read(r)
	if op != nil {
		call.Operation = op.name
	}
	if err != nil {
		return err
	}
	if op.bucket != "" {
		call.Subject = op.bucket + "/" + op.key
		w.Header()["X-Amz-Bucket-Region"] = []string{h.region}
	}
	if err := faults.At(r.Context(), faults.Target{Operation: op.name}); err != nil {
		return err
	}
	q := &request{operation: op, http: r, w: w, caller: caller}
	if err := h.findTarget(q); err != nil {
		return err
	}
	if op.name == "PostObject" {
		if err := h.readForm(q); err != nil {
			return err
		}
		call.Subject = op.bucket + "/" + op.key
	}
	if err := q.prepare(); err != nil {
		return err
	}
	if err := h.decide(r.Context(), q); err != nil {
		return err
	}
	// A signed body is verified as a whole before anything changes.
	q.trust()
	if err := q.loadAny(); err != nil {
		return err
	}
	return op.serve(h, q)
}

func (h *handler) wrongRegion(region string) *Error {
	return &Error{Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest, Region: h.region,
		Message: fmt.Sprintf("The authorization header is malformed; the region '%s' is wrong; expecting '%s'", region, h.region)}
}

// findTarget answers for a missing bucket before it evaluates any policy: names are global.
func (h *handler) findTarget(q *request) error {
	if q.bucket == "" || q.name == "CreateBucket" {
		return nil
	}
	var err error
	if q.target, err = h.store.Bucket(q.bucket); err != nil {
		return q.refusal(err)
	}
	return expectOwner(q.http.Header, "X-Amz-Expected-Bucket-Owner", q.target)
}

// expectOwner refuses a bucket whose account is not the one that a header names (bucket-owner-condition).
func expectOwner(header http.Header, name string, bucket *objects.Bucket) error {
	if expected := header.Get(name); expected != "" && expected != bucket.Owner {
		return errAccessDenied
	}
	return nil
}

// prepare reads the parts of a request that the decision needs and that operation lacks.
func (q *request) prepare() error {
	var err error
	switch q.name {
	case "PostObject":
		q.tags, err = q.form.tags()
	case "PutObject", "CopyObject", "CreateMultipartUpload":
		if header := q.http.Header["X-Amz-Tagging"]; len(header) > 0 && (q.source == nil || replaces(q.http.Header, "X-Amz-Tagging-Directive")) {
			q.tags, err = readTagging(header[0])
		}
	case "CreateBucket":
		err = q.readNewBucket()
	case "PutObjectTagging":
		q.tags, err = q.readTags(maxObjectTags)
	}
	return err
}
