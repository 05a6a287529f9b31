package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"github.com/podidentity/epi/clusters/emulator/s3/bucketpolicy"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// ownersOnly refuses other accounts: "if you're not using an identity that belongs to the bucket owner's
// account, Amazon S3 returns a 405 Method Not Allowed error" (PutBucketPolicy and its like).
func (q *request) ownersOnly() error {
	if q.caller == nil || q.caller.Principal.AccountID != q.target.Owner {
		return &Error{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed, Message: "The specified method is not allowed against this resource."}
	}
	return nil
}

func noSuchPolicy(bucket string) error {
	return &Error{Code: "NoSuchBucketPolicy", Status: http.StatusNotFound, Message: "The bucket policy does not exist", Bucket: bucket}
}

func (h *handler) getBucketPolicy(q *request) error {
	if err := q.ownersOnly(); err != nil {
		return err
	}
	if q.target.Policy == nil {
		return noSuchPolicy(q.bucket)
	}
	text := h.authorizer.Shown(q.target.Policy.Named.Document)
	q.w.Header().Set("Content-Type", "application/json")
	q.w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = q.w.Write([]byte(text)) // fails only if the client closed the connection
	return nil
}

func (h *handler) putBucketPolicy(q *request) error {
	if err := q.ownersOnly(); err != nil {
		return err
	}
	text, err := q.readDocument()
	if err != nil {
		return err
	}
	parsed, err := bucketpolicy.Parse(q.bucket, string(text))
	if malformed, ok := errors.AsType[*bucketpolicy.Error](err); ok {
		return &Error{Code: malformed.Code(), Status: http.StatusBadRequest, Message: malformed.Message}
	}
	if err != nil {
		return err
	}
	bound, missing := h.authorizer.Bind(parsed.Named.Document)
	if missing != "" {
		return &Error{Code: bucketpolicy.ErrPrincipal.Code(), Status: http.StatusBadRequest, Message: bucketpolicy.ErrPrincipal.Message}
	}
	parsed.Bound = bound
	if block := q.target.PublicAccessBlock; block != nil && block.BlockPublicPolicy && parsed.Public {
		return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: "User: " + q.caller.Principal.ARN +
			` is not authorized to perform: s3:PutBucketPolicy on resource: "` + bucketARN(q.bucket) +
			`" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`}
	}
	return h.configure(q, func(b *objects.Bucket) { b.Policy = parsed })
}

func (h *handler) deleteBucketPolicy(q *request) error {
	if err := q.ownersOnly(); err != nil {
		return err
	}
	return h.configure(q, func(b *objects.Bucket) { b.Policy = nil })
}

func (h *handler) getBucketPolicyStatus(q *request) error {
	if err := q.ownersOnly(); err != nil {
		return err
	}
	if q.target.Policy == nil {
		return noSuchPolicy(q.bucket)
	}
	return writeXML(q.w, struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
		IsPublic bool
	}{IsPublic: q.target.Policy.Public})
}

type publicAccessBlock struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PublicAccessBlockConfiguration"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

func (h *handler) getPublicAccessBlock(q *request) error {
	b := q.target.PublicAccessBlock
	if b == nil {
		return &Error{Code: "NoSuchPublicAccessBlockConfiguration", Status: http.StatusNotFound, Message: "The public access block configuration was not found", Bucket: q.bucket}
	}
	return writeXML(q.w, publicAccessBlock{
		BlockPublicAcls: b.BlockPublicACLs, IgnorePublicAcls: b.IgnorePublicACLs, BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets,
	})
}

func (h *handler) putPublicAccessBlock(q *request) error {
	var body struct{ BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool }
	if err := q.readXML("PublicAccessBlockConfiguration", &body); err != nil {
		return err
	}
	return h.configure(q, func(b *objects.Bucket) {
		b.PublicAccessBlock = &objects.PublicAccessBlock{
			BlockPublicACLs: body.BlockPublicAcls, IgnorePublicACLs: body.IgnorePublicAcls, BlockPublicPolicy: body.BlockPublicPolicy, RestrictPublicBuckets: body.RestrictPublicBuckets,
		}
	})
}

func (h *handler) deletePublicAccessBlock(q *request) error {
	return h.configure(q, func(b *objects.Bucket) { b.PublicAccessBlock = nil })
}

type ownershipControls struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ OwnershipControls"`
	Rule    struct{ ObjectOwnership string }
}

func (h *handler) getOwnershipControls(q *request) error {
	if q.target.Ownership == "" {
		return &Error{Code: "OwnershipControlsNotFoundError", Status: http.StatusNotFound, Message: "The bucket ownership controls were not found", Bucket: q.bucket}
	}
	var body ownershipControls
	body.Rule.ObjectOwnership = q.target.Ownership
	return writeXML(q.w, body)
}

func (h *handler) putOwnershipControls(q *request) error {
	var body struct {
		Rule []struct{ ObjectOwnership string }
	}
	if err := q.readXML("OwnershipControls", &body); err != nil {
		return err
	}
	if len(body.Rule) != 1 {
		return errMalformedXML
	}
	ownership := body.Rule[0].ObjectOwnership
	switch ownership {
	case bucketOwnerEnforced, bucketOwnerPreferred, objectWriter:
	default:
		return errMalformedXML
	}
	return h.configure(q, func(b *objects.Bucket) { b.Ownership = ownership })
}

func (h *handler) deleteOwnershipControls(q *request) error {
	return h.configure(q, func(b *objects.Bucket) { b.Ownership = "" })
}

type grantee struct {
	// Type and its namespace are attributes of another schema.
	Namespace string `xml:"xmlns:xsi,attr"`
	Type      string `xml:"xsi:type,attr"`
	ID        string
}

type accessControlPolicy struct {
	XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
	Owner             *owner
	AccessControlList struct {
		Grant struct {
			Grantee    grantee
			Permission string
		}
	}
}

// getACL answers for buckets and objects: the bucket's owner has full control, and no one else has any.
func (h *handler) getACL(q *request) error {
	body := accessControlPolicy{Owner: ownerOf(q.target.Owner)}
	body.AccessControlList.Grant.Grantee = grantee{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", body.Owner.ID}
	body.AccessControlList.Grant.Permission = "FULL_CONTROL"
	if q.existing != nil {
		q.setVersion(q.existing)
	}
	return writeXML(q.w, body)
}
