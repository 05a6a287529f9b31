package s3

import (
	"context"
	"errors"
	"maps"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// decide checks every permission that the operation needs, by the operation as it was read, and finds the object that it reads.
func (h *handler) decide(ctx context.Context, q *request) error {
	if q.action == "" {
		return nil // DeleteObjects checks each key
	}
	var missing error
	if q.reads {
		q.existing, missing = h.store.Get(q.bucket, q.key, q.versionID)
		if missing == nil && q.existing.DeleteMarker {
			missing = q.deletedError()
		}
	}
	keys := h.keys(q)
	q.addKeys(keys)
	action := q.action
	if q.versionID != "" {
		action = q.versioned
	}
	if err := h.authorize(ctx, q, access{action, q.resource(), keys, q.target}); err != nil {
		return err
	}
	for _, more := range q.further(keys) {
		if err := h.authorize(ctx, q, more); err != nil {
			return err
		}
	}
	if missing != nil {
		return h.absent(ctx, q, q.target, missing)
	}
	return nil
}

// deletedError says what reading a delete marker is: "404 Not Found" for the latest version, "405 Method
// Not Allowed" for one that is asked for by its ID (GetObject).
func (q *request) deletedError() error {
	header := q.w.Header()
	header.Set("x-amz-delete-marker", "true")
	header.Set("x-amz-version-id", q.existing.ID)
	if q.versionID == "" {
		return objects.ErrNoSuchKey
	}
	header.Set("Last-Modified", q.existing.Modified.Format(http.TimeFormat))
	header.Set("Allow", http.MethodDelete)
	return &Error{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "The specified method is not allowed against this resource."}
}

// absent answers for an object that is read and does not exist. Who may list the bucket gets that answer, and everyone else gets
// AccessDenied (GetObject, HeadObject: "Permissions").
func (h *handler) absent(ctx context.Context, q *request, bucket *objects.Bucket, missing error) error {
	call := journal.FromContext(ctx)
	allowed := call.Decision
	err := h.authorize(ctx, q, access{"s3:ListBucket", bucketARN(bucket.Name), h.keys(q), bucket})
	call.Decision = allowed + "; the key does not exist: " + call.Decision
	if err != nil {
		for _, name := range []string{"x-amz-delete-marker", "x-amz-version-id", "Last-Modified", "Allow"} {
			q.w.Header().Del(name)
		}
		return err
	}
	return q.refusal(missing)
}

// access is one thing that a caller wants to do. bucket is nil if there is no bucket yet.
type access struct {
	action, resource string
	keys             policy.Context
	bucket           *objects.Bucket
}

// authorize turns a refusal into AccessDenied with S3's text.
func (h *handler) authorize(ctx context.Context, q *request, a access) error {
	wanted := iam.Access{Action: a.action, Resource: a.resource, Context: a.keys}
	if q.caller != nil {
		wanted.ResourceAccount = q.caller.Principal.AccountID
	}
	if a.bucket != nil {
		wanted.ResourceAccount = a.bucket.Owner
		if a.bucket.Policy != nil {
			wanted.ResourcePolicy = &a.bucket.Policy.Named
		}
		if h.restricted(q.caller, a.bucket) {
			journal.FromContext(ctx).Decision = a.action + " on " + a.resource + " denied: RestrictPublicBuckets and the bucket's policy is public"
			return errAccessDenied
		}
	}
	if q.caller == nil {
		return h.authorizeAnonymous(ctx, wanted)
	}
	decision := h.authorizer.Authorize(ctx, q.caller, wanted)
	if decision.Allowed {
		return nil
	}
	hint := h.transportHint(ctx, q, wanted)
	if wanted.ResourceAccount != q.caller.Principal.AccountID {
		// Only callers of the same account see the reason (troubleshoot-403-errors).
		return errAccessDenied
	}
	wanted.Resource = `"` + a.resource + `"`
	return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: iam.DeniedMessage(q.caller, wanted, decision) + hint}
}

// transportHint says what to do when only aws:SecureTransport refuses a caller. A bucket that requires TLS can never be used where
// there is no TLS. The hint is also noted in the journal.
func (h *handler) transportHint(ctx context.Context, q *request, wanted iam.Access) string {
	if q.http.TLS != nil {
		return ""
	}
	call := journal.FromContext(ctx)
	said := call.Decision
	secure := *q.caller
	secure.SecureTransport = true
	wanted.Context = maps.Clone(wanted.Context)
	allowed := h.authorizer.Authorize(ctx, &secure, wanted).Allowed
	call.Decision = said
	if !allowed {
		return ""
	}
	const hint = " It would be allowed over TLS (aws:SecureTransport): serve the emulator with --tls, or reset it through the control API (POST /v1/reset)."
	call.Decision += ";" + hint
	return hint
}

// restricted says whether RestrictPublicBuckets refuses the caller. While the policy is public it refuses every account but the
// owner's (access-control-block-public-access).
func (h *handler) restricted(caller *iam.Caller, bucket *objects.Bucket) bool {
	block := bucket.PublicAccessBlock
	return block != nil && block.RestrictPublicBuckets && bucket.Policy != nil && bucket.Policy.Public &&
		(caller == nil || caller.Principal.AccountID != bucket.Owner)
}

// authorizeAnonymous decides by the bucket's policy alone: an anonymous caller has no policies.
func (h *handler) authorizeAnonymous(ctx context.Context, wanted iam.Access) error {
	if wanted.ResourcePolicy == nil {
		journal.FromContext(ctx).Decision = wanted.Action + " on " + wanted.Resource + " denied: the caller is anonymous, and there is no bucket policy"
		return errAccessDenied
	}
	if decision := h.authorizer.Authorize(ctx, nil, wanted); !decision.Allowed {
		return errAccessDenied
	}
	return nil
}

// findSource finds the source of a copy, and checks the permission to read it.
func (h *handler) findSource(ctx context.Context, q *request) (*objects.Version, *objects.Bucket, error) {
	from := q.source
	bucket, err := h.store.Bucket(from.bucket)
	if err != nil {
		return nil, nil, noSuchBucket(from.bucket)
	}
	if err := expectOwner(q.http.Header, "X-Amz-Source-Expected-Bucket-Owner", bucket); err != nil {
		return nil, nil, err
	}
	found, missing := h.store.Get(from.bucket, from.key, from.versionID)
	if missing == nil && found.DeleteMarker {
		missing = noSuchKey(from.key)
		if from.versionID != "" {
			missing = invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
		}
	}
	keys, action := h.keys(q), "s3:GetObject"
	if from.versionID != "" {
		action = "s3:GetObjectVersion"
		keys["s3:versionid"] = []string{from.versionID}
	}
	if missing == nil {
		existingTags(keys, found.Tags)
	}
	if err := h.authorize(ctx, q, access{action, objectARN(from.bucket, from.key), keys, bucket}); err != nil {
		return nil, nil, err
	}
	switch {
	case errors.Is(missing, objects.ErrNoSuchKey):
		missing = noSuchKey(from.key)
	case errors.Is(missing, objects.ErrNoSuchVersion):
		missing = noSuchVersion(from.key, from.versionID)
	}
	if missing != nil {
		return nil, nil, h.absent(ctx, q, bucket, missing)
	}
	return found, bucket, nil
}
