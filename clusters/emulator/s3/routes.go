package s3

import (
	"net/http"
	"slices"
)

// level is what a path names: nothing, a bucket or an object.
type level uint8

const (
	onService level = iota
	onBucket
	onObject
)

// route identifies an operation by the method, the level of the path, its sub-resource (the parameter that must be there) and
// whether there is a source to copy.
type route struct {
	method      string
	level       level
	subresource string
	copies      bool
	// name is AWS's, such as "GetObject".
	name string
	// action is IAM's action on the bucket or object. versioned is the action for a request with a versionId, "" where none is
	// allowed.
	action, versioned string
	// reads says that the object must exist.
	reads bool
	// parameters besides the sub-resource and versionId.
	parameters []string
	// conditions are the headers of conditional requests that count.
	conditions []string
	serve      func(*handler, *request) error
}

var (
	listing    = []string{"prefix", "delimiter", "max-keys", "encoding-type"}
	overrides  = []string{"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding"}
	reading    = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
	writing    = []string{"If-Match", "If-None-Match"}
	ofParts    = []string{"partNumber"}
	ofVersions = []string{"key-marker", "version-id-marker"}
)

// routes are all operations that are served. A request that fits none is refused before anything changes. Of several routes that
// fit, the first one counts.
var routes = []route{
	{method: http.MethodGet, level: onService, name: "ListBuckets", action: "s3:ListAllMyBuckets",
		parameters: []string{"prefix", "max-buckets", "continuation-token", "bucket-region"}, serve: (*handler).listBuckets},

	{method: http.MethodPut, level: onBucket, name: "CreateBucket", action: "s3:CreateBucket", serve: (*handler).createBucket},
	{method: http.MethodDelete, level: onBucket, name: "DeleteBucket", action: "s3:DeleteBucket", serve: (*handler).deleteBucket},
	{method: http.MethodHead, level: onBucket, name: "HeadBucket", action: "s3:ListBucket", serve: (*handler).headBucket},
	{method: http.MethodGet, level: onBucket, subresource: "location", name: "GetBucketLocation", action: "s3:GetBucketLocation", serve: (*handler).getBucketLocation},
	{method: http.MethodGet, level: onBucket, subresource: "list-type", name: "ListObjectsV2", action: "s3:ListBucket",
		parameters: append([]string{"continuation-token", "start-after", "fetch-owner"}, listing...), serve: (*handler).listObjectsV2},
	{method: http.MethodGet, level: onBucket, subresource: "versions", name: "ListObjectVersions", action: "s3:ListBucketVersions",
		parameters: append(ofVersions, listing...), serve: (*handler).listObjectVersions},
	{method: http.MethodGet, level: onBucket, subresource: "uploads", name: "ListMultipartUploads", action: "s3:ListBucketMultipartUploads",
		parameters: []string{"prefix", "delimiter", "encoding-type", "key-marker", "upload-id-marker", "max-uploads"}, serve: (*handler).listMultipartUploads},
	{method: http.MethodGet, level: onBucket, name: "ListObjects", action: "s3:ListBucket",
		parameters: append([]string{"marker"}, listing...), serve: (*handler).listObjects},
	{method: http.MethodPost, level: onBucket, subresource: "delete", name: "DeleteObjects", serve: (*handler).deleteObjects},

	{method: http.MethodPost, level: onBucket, name: "PostObject", action: "s3:PutObject", serve: (*handler).postObject},

	{method: http.MethodGet, level: onBucket, subresource: "policy", name: "GetBucketPolicy", action: "s3:GetBucketPolicy", serve: (*handler).getBucketPolicy},
	{method: http.MethodPut, level: onBucket, subresource: "policy", name: "PutBucketPolicy", action: "s3:PutBucketPolicy", serve: (*handler).putBucketPolicy},
	{method: http.MethodDelete, level: onBucket, subresource: "policy", name: "DeleteBucketPolicy", action: "s3:DeleteBucketPolicy", serve: (*handler).deleteBucketPolicy},
	{method: http.MethodGet, level: onBucket, subresource: "policyStatus", name: "GetBucketPolicyStatus", action: "s3:GetBucketPolicyStatus", serve: (*handler).getBucketPolicyStatus},
	{method: http.MethodGet, level: onBucket, subresource: "versioning", name: "GetBucketVersioning", action: "s3:GetBucketVersioning", serve: (*handler).getBucketVersioning},
	{method: http.MethodPut, level: onBucket, subresource: "versioning", name: "PutBucketVersioning", action: "s3:PutBucketVersioning", serve: (*handler).putBucketVersioning},
	{method: http.MethodGet, level: onBucket, subresource: "tagging", name: "GetBucketTagging", action: "s3:GetBucketTagging", serve: (*handler).getBucketTagging},
	{method: http.MethodPut, level: onBucket, subresource: "tagging", name: "PutBucketTagging", action: "s3:PutBucketTagging", serve: (*handler).putBucketTagging},
	{method: http.MethodDelete, level: onBucket, subresource: "tagging", name: "DeleteBucketTagging", action: "s3:PutBucketTagging", serve: (*handler).deleteBucketTagging},
	{method: http.MethodGet, level: onBucket, subresource: "publicAccessBlock", name: "GetPublicAccessBlock", action: "s3:GetBucketPublicAccessBlock", serve: (*handler).getPublicAccessBlock},
	{method: http.MethodPut, level: onBucket, subresource: "publicAccessBlock", name: "PutPublicAccessBlock", action: "s3:PutBucketPublicAccessBlock", serve: (*handler).putPublicAccessBlock},
	{method: http.MethodDelete, level: onBucket, subresource: "publicAccessBlock", name: "DeletePublicAccessBlock", action: "s3:PutBucketPublicAccessBlock", serve: (*handler).deletePublicAccessBlock},
	{method: http.MethodGet, level: onBucket, subresource: "ownershipControls", name: "GetBucketOwnershipControls", action: "s3:GetBucketOwnershipControls", serve: (*handler).getOwnershipControls},
	{method: http.MethodPut, level: onBucket, subresource: "ownershipControls", name: "PutBucketOwnershipControls", action: "s3:PutBucketOwnershipControls", serve: (*handler).putOwnershipControls},
	{method: http.MethodDelete, level: onBucket, subresource: "ownershipControls", name: "DeleteBucketOwnershipControls", action: "s3:PutBucketOwnershipControls", serve: (*handler).deleteOwnershipControls},
	{method: http.MethodGet, level: onBucket, subresource: "acl", name: "GetBucketAcl", action: "s3:GetBucketAcl", serve: (*handler).getACL},

	{method: http.MethodGet, level: onBucket, subresource: "encryption", name: "GetBucketEncryption", action: "s3:GetEncryptionConfiguration", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "lifecycle", name: "GetBucketLifecycleConfiguration", action: "s3:GetLifecycleConfiguration", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "cors", name: "GetBucketCors", action: "s3:GetBucketCORS", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "website", name: "GetBucketWebsite", action: "s3:GetBucketWebsite", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "replication", name: "GetBucketReplication", action: "s3:GetReplicationConfiguration", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "object-lock", name: "GetObjectLockConfiguration", action: "s3:GetBucketObjectLockConfiguration", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "logging", name: "GetBucketLogging", action: "s3:GetBucketLogging", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "notification", name: "GetBucketNotificationConfiguration", action: "s3:GetBucketNotification", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "accelerate", name: "GetBucketAccelerateConfiguration", action: "s3:GetAccelerateConfiguration", serve: unset},
	{method: http.MethodGet, level: onBucket, subresource: "requestPayment", name: "GetBucketRequestPayment", action: "s3:GetBucketRequestPayment", serve: unset},

	{method: http.MethodGet, level: onObject, subresource: "uploadId", name: "ListParts", action: "s3:ListMultipartUploadParts",
		parameters: []string{"max-parts", "part-number-marker"}, serve: (*handler).listParts},
	{method: http.MethodGet, level: onObject, subresource: "acl", name: "GetObjectAcl", action: "s3:GetObjectAcl", versioned: "s3:GetObjectVersionAcl", reads: true, serve: (*handler).getACL},
	{method: http.MethodGet, level: onObject, subresource: "tagging", name: "GetObjectTagging", action: "s3:GetObjectTagging", versioned: "s3:GetObjectVersionTagging", reads: true, serve: (*handler).getObjectTagging},
	{method: http.MethodPut, level: onObject, subresource: "tagging", name: "PutObjectTagging", action: "s3:PutObjectTagging", versioned: "s3:PutObjectVersionTagging", reads: true, serve: (*handler).putObjectTagging},
	{method: http.MethodDelete, level: onObject, subresource: "tagging", name: "DeleteObjectTagging", action: "s3:DeleteObjectTagging", versioned: "s3:DeleteObjectVersionTagging", reads: true, serve: (*handler).deleteObjectTagging},
	{method: http.MethodGet, level: onObject, subresource: "attributes", name: "GetObjectAttributes", action: "s3:GetObject", versioned: "s3:GetObjectVersion", reads: true, serve: (*handler).getObjectAttributes},
	{method: http.MethodGet, level: onObject, name: "GetObject", action: "s3:GetObject", versioned: "s3:GetObjectVersion", reads: true,
		parameters: append(ofParts, overrides...), conditions: reading, serve: (*handler).getObject},
	{method: http.MethodHead, level: onObject, name: "HeadObject", action: "s3:GetObject", versioned: "s3:GetObjectVersion", reads: true,
		parameters: append(ofParts, overrides...), conditions: reading, serve: (*handler).getObject},
	{method: http.MethodPut, level: onObject, subresource: "uploadId", copies: true, name: "UploadPartCopy", action: "s3:PutObject", parameters: ofParts, serve: (*handler).uploadPartCopy},
	{method: http.MethodPut, level: onObject, subresource: "uploadId", name: "UploadPart", action: "s3:PutObject", parameters: ofParts, serve: (*handler).uploadPart},
	{method: http.MethodPut, level: onObject, copies: true, name: "CopyObject", action: "s3:PutObject", conditions: writing, serve: (*handler).copyObject},
	{method: http.MethodPut, level: onObject, name: "PutObject", action: "s3:PutObject", conditions: writing, serve: (*handler).putObject},
	{method: http.MethodDelete, level: onObject, subresource: "uploadId", name: "AbortMultipartUpload", action: "s3:AbortMultipartUpload", serve: (*handler).abortMultipartUpload},
	{method: http.MethodDelete, level: onObject, name: "DeleteObject", action: "s3:DeleteObject", versioned: "s3:DeleteObjectVersion", serve: (*handler).deleteObject},
	{method: http.MethodPost, level: onObject, subresource: "uploads", name: "CreateMultipartUpload", action: "s3:PutObject", serve: (*handler).createMultipartUpload},
	{method: http.MethodPost, level: onObject, subresource: "uploadId", name: "CompleteMultipartUpload", action: "s3:PutObject", conditions: writing, serve: (*handler).completeMultipartUpload},
}

// Operations are the names of all operations that are served, sorted.
func Operations() []string {
	names := make([]string, 0, len(routes))
	for i := range routes {
		names = append(names, routes[i].name)
	}
	slices.Sort(names)
	return names
}

func (op *operation) level() level {
	switch {
	case op.bucket == "" && op.key == "":
		return onService
	case op.key == "":
		return onBucket
	}
	return onObject
}

// find returns the route that the method, what the path names and the sub-resources of the query ask for.
func (op *operation) find(method string, copies bool) *route {
	at, asked := op.level(), op.asked()
	for i := range routes {
		if r := &routes[i]; r.level == at && r.copies == copies && r.method == method && r.knows(op.query, asked) {
			return r
		}
	}
	return nil
}
