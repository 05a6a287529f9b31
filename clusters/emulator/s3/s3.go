// Package s3 serves S3 from memory behind the account's authoriser: objects are an S3 server
// library's work, every decision is ours and comes first. A request is read once, into an operation;
// the decision is made on that reading, and the library is handed a request that is written anew
// from it, so that the two cannot disagree.
//
// References are to https://docs.aws.amazon.com/AmazonS3/latest/API/ by operation, and for actions and
// condition keys to
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html.
package s3

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// Authorizer decides whether a caller may do something, by the policies of both sides. A nil caller is
// refused.
type Authorizer interface {
	Authorize(ctx context.Context, caller *iam.Caller, access iam.Access) policy.Decision
}

// Options of the handler.
type Options struct {
	Authorizer Authorizer
	Region     string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Hosts are the names below which a host BUCKET.NAME is a virtual-hosted bucket; nil means
	// AWS's names for the region and "localhost".
	Hosts []string
}

// handler serves S3.
type handler struct {
	authorizer Authorizer
	region     string
	hosts      []string
	objects    backend
	server     http.Handler
}

// NewHandler serves S3 for callers from the context; a request without a caller is anonymous and refused.
func NewHandler(options Options) (http.Handler, error) {
	if options.Authorizer == nil || options.Region == "" {
		return nil, fmt.Errorf("make S3 handler: needs an authorizer and a region")
	}
	now := options.Now
	if now == nil {
		now = time.Now
	}
	if options.Hosts == nil {
		options.Hosts = []string{"s3.amazonaws.com", "s3." + options.Region + ".amazonaws.com", "localhost"}
	}
	objects := backend{s3mem.New(s3mem.WithTimeSource(clock(now)))}
	return &handler{
		authorizer: options.Authorizer, region: options.Region, hosts: options.Hosts, objects: objects,
		// Signatures and their time were verified before.
		server: gofakes3.New(objects, gofakes3.WithTimeSource(clock(now)), gofakes3.WithTimeSkewLimit(0)).Server(),
	}, nil
}

// clock is gofakes3.TimeSource.
type clock func() time.Time

func (c clock) Now() time.Time                  { return c().UTC() }
func (c clock) Since(t time.Time) time.Duration { return c().Sub(t) }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		writeError(w, r, err)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	call := journal.FromContext(r.Context())
	caller := iam.CallerFrom(r.Context())
	if caller == nil {
		return errAccessDenied
	}
	if caller.Region != h.region {
		return &Error{Code: "AuthorizationHeaderMalformed", Status: http.StatusBadRequest, Region: h.region,
			Message: fmt.Sprintf("The authorization header is malformed; the region '%s' is wrong; expecting '%s'", caller.Region, h.region)}
	}
	op, err := h.read(r, caller.Principal.AccountID)
	if err != nil {
		return err
	}
	call.Operation = op.name
	if op.bucket != "" {
		call.Subject = op.bucket + "/" + op.key
		w.Header().Set("X-Amz-Bucket-Region", h.region)
		if err := h.checkBucket(op); err != nil {
			return err
		}
	}
	if op.name == "DeleteObjects" {
		return h.deleteObjects(w, r, caller, op)
	}
	for _, access := range op.accesses {
		if err := h.authorize(r.Context(), caller, access); err != nil {
			return err
		}
	}
	if err := h.checkKeys(r.Context(), caller, op); err != nil {
		return err
	}
	if err := h.checkUnchanged(r, op); err != nil {
		return err
	}
	if err := checkChecksums(r); err != nil {
		return err
	}
	switch op.name {
	case "GetBucketLocation":
		return h.location(w)
	case "CreateBucket":
		if err := h.checkLocation(r); err != nil {
			return err
		}
	}
	return h.forward(w, r, op)
}

// authorize turns a refusal into AccessDenied in S3's wording.
func (h *handler) authorize(ctx context.Context, caller *iam.Caller, access iam.Access) error {
	decision := h.authorizer.Authorize(ctx, caller, access)
	if decision.Allowed {
		return nil
	}
	quoted := access
	quoted.Resource = `"` + access.Resource + `"`
	return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: iam.DeniedMessage(caller, quoted, decision)}
}

// checkBucket answers for a missing bucket before any policy is asked: names are global.
func (h *handler) checkBucket(op *operation) error {
	exists, err := h.objects.BucketExists(op.bucket)
	if err != nil {
		return fmt.Errorf("look up bucket %s: %w", op.bucket, err)
	}
	switch {
	case op.name == "CreateBucket":
		return nil
	case !exists:
		return &Error{Code: "NoSuchBucket", Status: http.StatusNotFound, Message: "The specified bucket does not exist", Bucket: op.bucket}
	}
	return nil
}

// checkKeys answers for keys that are read and do not exist: NoSuchKey to who may list the bucket,
// AccessDenied to everyone else (GetObject, HeadObject: "Permissions").
func (h *handler) checkKeys(ctx context.Context, caller *iam.Caller, op *operation) error {
	for _, source := range op.reads {
		if _, found := h.objects.find(source.bucket, source.key); found {
			continue
		}
		allowed := journal.FromContext(ctx).Decision
		err := h.authorize(ctx, caller, iam.Access{Action: "s3:ListBucket", Resource: bucketARN(source.bucket), Context: op.keys()})
		call := journal.FromContext(ctx)
		call.Decision = allowed + "; the key does not exist: " + call.Decision
		if err != nil {
			return err
		}
		return &Error{Code: "NoSuchKey", Status: http.StatusNotFound, Message: "The specified key does not exist.", Key: source.key}
	}
	return nil
}

// checkUnchanged applies the conditions of a read that the library does not know.
func (h *handler) checkUnchanged(r *http.Request, op *operation) error {
	tag, since := r.Header.Get("If-Match"), r.Header.Get("If-Unmodified-Since")
	if op.name != "GetObject" && op.name != "HeadObject" || tag == "" && since == "" {
		return nil
	}
	found, ok := h.objects.find(op.bucket, op.key)
	failed := ok && tag != "" && tag != "*" && strings.Trim(tag, `"`) != hex.EncodeToString(found.Hash)
	if at, err := http.ParseTime(since); ok && tag == "" && err == nil {
		modified, err := http.ParseTime(found.Metadata["Last-Modified"])
		failed = err == nil && modified.After(at)
	}
	if failed {
		return &Error{Code: "PreconditionFailed", Status: http.StatusPreconditionFailed, Message: "At least one of the pre-conditions you specified did not hold"}
	}
	return nil
}
