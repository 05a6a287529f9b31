package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

type listedBucket struct {
	Name         string
	CreationDate string
	BucketRegion string
}

type bucketsResult struct {
	XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner             *owner
	Buckets           struct{ Bucket []listedBucket }
	Prefix            string `xml:",omitempty"`
	ContinuationToken string `xml:",omitempty"`
}

// maxBuckets is the largest page of ListBuckets.
const maxBuckets = 10_000

// listBuckets lists the buckets of the caller's account.
func (h *handler) listBuckets(q *request) error {
	if q.caller == nil {
		return errAccessDenied
	}
	list := objects.BucketList{Owner: q.caller.Principal.AccountID, Prefix: q.query.Get("prefix"), Max: maxBuckets}
	if text := q.query.Get("max-buckets"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxBuckets {
			return invalidArgument("Argument max-buckets must be an integer between 1 and 10000")
		}
		list.Max = n
	}
	if token := q.query.Get("continuation-token"); token != "" {
		var err error
		if list.After, err = readToken(token); err != nil {
			return err
		}
	}
	body := bucketsResult{Owner: ownerOf(list.Owner), Prefix: list.Prefix}
	if region := q.query.Get("bucket-region"); region != "" && region != h.region {
		return writeXML(q.w, body) // all buckets are in this region
	}
	found, more := h.store.Buckets(list)
	for _, b := range found {
		body.Buckets.Bucket = append(body.Buckets.Bucket, listedBucket{b.Name, timestamp(b.Created), h.region})
	}
	if more {
		body.ContinuationToken = tokenAfter(found[len(found)-1].Name)
	}
	return writeXML(q.w, body)
}

// The settings of object ownership (about-object-ownership).
const (
	bucketOwnerEnforced  = "BucketOwnerEnforced"
	bucketOwnerPreferred = "BucketOwnerPreferred"
	objectWriter         = "ObjectWriter"
)

// newBucket is what CreateBucket asks for.
type newBucket struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string
	Tags               *tagSet
	// Location and Bucket are for directory buckets.
	Location *struct{}
	Bucket   *struct{}
}

// readNewBucket reads the body, which may be missing.
func (q *request) readNewBucket() error {
	text, err := q.readDocument()
	if err != nil || len(text) == 0 {
		return err
	}
	if err := parseXML(text, "CreateBucketConfiguration", &q.wantedBucket); err != nil {
		return err
	}
	if q.wantedBucket.Location != nil || q.wantedBucket.Bucket != nil {
		return notImplemented("Directory buckets are not implemented")
	}
	if q.wantedBucket.Tags == nil {
		return nil
	}
	q.tags = q.wantedBucket.Tags.tags()
	return checkTags(q.tags, maxBucketTags)
}

func (h *handler) createBucket(q *request) error {
	if q.caller == nil {
		return errAccessDenied
	}
	if !mayBeNamed(q.bucket) {
		return &Error{Code: "InvalidBucketName", Status: http.StatusBadRequest, Message: "The specified bucket is not valid.", Bucket: q.bucket}
	}
	if err := h.checkLocation(q.wantedBucket.LocationConstraint); err != nil {
		return err
	}
	switch acl := q.http.Header.Get("X-Amz-Acl"); acl {
	case "", "private":
	case "public-read", "public-read-write", "authenticated-read":
		return &Error{Code: "InvalidBucketAclWithObjectOwnership", Status: http.StatusBadRequest, Message: "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"}
	default:
		return unknownHeader("X-Amz-Acl")
	}
	made, err := q.made()
	if err != nil {
		return err
	}
	if err := h.store.CreateBucket(made); errors.Is(err, objects.ErrBucketExists) {
		return h.taken(q)
	} else if err != nil {
		return q.refusal(err)
	}
	q.w.Header().Set("Location", "/"+q.bucket)
	return nil
}

// mayBeNamed applies the rules of bucketnamingrules that bucketName does not express.
func mayBeNamed(bucket string) bool {
	for _, prefix := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(bucket, prefix) {
			return false
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(bucket, suffix) {
			return false
		}
	}
	_, err := netip.ParseAddr(bucket)
	return err != nil && !strings.Contains(bucket, "..")
}

func (h *handler) deleteBucket(q *request) error {
	if err := h.store.DeleteBucket(q.bucket); err != nil {
		return q.refusal(err)
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// headBucket adds nothing: findTarget has found the bucket, and every answer reports its region.
func (*handler) headBucket(*request) error { return nil }

// checkLocation checks that a bucket outside us-east-1 names its region (CreateBucket, LocationConstraint).
func (h *handler) checkLocation(location string) error {
	wanted := h.region
	if h.region == "us-east-1" {
		wanted = ""
	}
	const code = "IllegalLocationConstraintException"
	switch location {
	case wanted:
		return nil
	case "":
		return &Error{Code: code, Status: http.StatusBadRequest, Message: "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."}
	}
	return &Error{Code: code, Status: http.StatusBadRequest,
		Message: fmt.Sprintf("The %s location constraint is incompatible for the region specific endpoint this request was sent to.", location)}
}

// made is the new bucket. It is private, as every new bucket is (CreateBucket, "Block Public Access").
func (q *request) made() (objects.Bucket, error) {
	b := objects.Bucket{
		Name: q.bucket, Owner: q.caller.Principal.AccountID, Tags: q.tags, Ownership: bucketOwnerEnforced,
		PublicAccessBlock: &objects.PublicAccessBlock{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true},
	}
	switch ownership := q.http.Header.Get("X-Amz-Object-Ownership"); ownership {
	case "":
	case bucketOwnerEnforced, bucketOwnerPreferred, objectWriter:
		b.Ownership = ownership
	default:
		return b, invalidArgument("Invalid x-amz-object-ownership header: " + ownership)
	}
	return b, nil
}

// taken is the answer to a name that is in use.
func (h *handler) taken(q *request) error {
	if b, err := h.store.Bucket(q.bucket); err == nil && b.Owner == q.caller.Principal.AccountID {
		return &Error{Code: "BucketAlreadyOwnedByYou", Status: http.StatusConflict, Bucket: q.bucket,
			Message: "Your previous request to create the named bucket succeeded and you already own it."}
	}
	return &Error{Code: "BucketAlreadyExists", Status: http.StatusConflict, Bucket: q.bucket,
		Message: "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."}
}

// getBucketLocation answers the emulator's one region for every bucket. us-east-1 is an empty text.
func (h *handler) getBucketLocation(q *request) error {
	body := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: h.region}
	if h.region == "us-east-1" {
		body.Region = ""
	}
	return writeXML(q.w, body)
}

type versioningConfiguration struct {
	XMLName   xml.Name           `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
	Status    objects.Versioning `xml:",omitempty"`
	MFADelete string             `xml:"MfaDelete,omitempty"`
}

func (h *handler) getBucketVersioning(q *request) error {
	return writeXML(q.w, versioningConfiguration{Status: q.target.Versioning})
}

func (h *handler) putBucketVersioning(q *request) error {
	var body struct {
		Status    string
		MFADelete string `xml:"MfaDelete"`
	}
	if err := q.readXML("VersioningConfiguration", &body); err != nil {
		return err
	}
	status := objects.Versioning(body.Status)
	switch {
	case status != objects.Enabled && status != objects.Suspended:
		return &Error{Code: "IllegalVersioningConfigurationException", Status: http.StatusBadRequest, Message: "The Versioning element must be specified"}
	case body.MFADelete != "" && body.MFADelete != "Disabled":
		return notImplemented("MFA delete is not implemented")
	}
	return h.configure(q, func(b *objects.Bucket) { b.Versioning = status })
}
