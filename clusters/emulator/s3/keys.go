package s3

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

func (q *request) resource() string {
	switch q.level() {
	case onService:
		return bucketARN("*")
	case onBucket:
		return bucketARN(q.bucket)
	}
	return objectARN(q.bucket, q.key)
}

// keys are the condition keys of every request. Those of the policy package are in lower case.
func (h *handler) keys(q *request) policy.Context {
	keys := make(policy.Context, 8)
	if q.caller != nil {
		keys["s3:signatureversion"] = []string{"AWS4-HMAC-SHA256"}
		keys["s3:authtype"] = []string{"REST-HEADER"}
		if q.form != nil {
			keys["s3:authtype"] = []string{"POST"}
		}
		if q.presigned {
			keys["s3:authtype"] = []string{"REST-QUERY-STRING"}
			if at, err := time.Parse("20060102T150405Z", q.signed); err == nil {
				keys["s3:signatureage"] = []string{strconv.FormatInt(h.now().Sub(at).Milliseconds(), 10)}
			}
		}
	}
	header := q.http.Header
	if hash := header["X-Amz-Content-Sha256"]; len(hash) > 0 {
		keys["s3:x-amz-content-sha256"] = hash[:1]
	}
	if q.http.TLS != nil {
		keys["s3:tlsversion"] = []string{strings.TrimPrefix(tls.VersionName(q.http.TLS.Version), "TLS ")}
	}
	if q.target != nil {
		keys["s3:resourceaccount"] = []string{q.target.Owner}
	}
	return keys
}

// writtenHeaders are the condition keys of writes that are headers' values.
var writtenHeaders = []string{
	"X-Amz-Acl", "X-Amz-Metadata-Directive", "X-Amz-Server-Side-Encryption", "X-Amz-Storage-Class", "X-Amz-Object-Ownership",
}

// addKeys adds the condition keys of the operation.
func (q *request) addKeys(keys policy.Context) {
	if q.versionID != "" {
		keys["s3:versionid"] = []string{q.versionID}
	}
	if q.existing != nil {
		existingTags(keys, q.existing.Tags)
	}
	switch q.name {
	case "ListObjects", "ListObjectsV2", "ListObjectVersions":
		// A key is there only if the request has the parameter. An empty parameter counts.
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			if values := q.query[name]; len(values) > 0 {
				keys["s3:"+name] = values
			}
		}
	case "PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload":
		keys["s3:objectcreationoperation"] = []string{"true"}
		for _, name := range writing {
			if values := q.http.Header[name]; len(values) > 0 {
				keys["s3:"+strings.ToLower(name)] = values[:1]
			}
		}
	case "CreateMultipartUpload", "UploadPart", "UploadPartCopy":
		// These operations write parts, not objects (conditional-writes-enforce).
		keys["s3:objectcreationoperation"] = []string{"false"}
	}
	if q.http.Method != http.MethodPut && q.http.Method != http.MethodPost {
		return
	}
	for _, name := range writtenHeaders {
		if values := q.http.Header[name]; len(values) > 0 {
			keys["s3:"+strings.ToLower(name)] = values[:1]
		}
	}
	if q.source != nil {
		keys["s3:x-amz-copy-source"] = []string{q.source.bucket + "/" + q.source.key}
	}
	if q.name == "CreateBucket" {
		for _, tag := range q.tags {
			keys.Set("aws:RequestTag/"+tag.Key, tag.Value)
		}
		return
	}
	requestTags(keys, q.tags)
}

// existingTags sets the tags' keys for the actions that read an object or its tags; "when granting permissions for the PutObject
// and DeleteObject operations, this condition key is not supported" (tagging-and-policies).
func existingTags(keys policy.Context, tags []objects.Tag) {
	for _, tag := range tags {
		keys.Set("s3:ExistingObjectTag/"+tag.Key, tag.Value)
	}
}

func requestTags(keys policy.Context, tags []objects.Tag) {
	if len(tags) == 0 {
		return
	}
	names := make([]string, len(tags))
	for i, tag := range tags {
		keys.Set("s3:RequestObjectTag/"+tag.Key, tag.Value)
		names[i] = tag.Key
	}
	keys["s3:requestobjecttagkeys"] = names
}

// further are the permissions that an operation needs besides its own action.
func (q *request) further(keys policy.Context) []access {
	var more []access
	need := func(action string) { more = append(more, access{action, q.resource(), keys, q.target}) }
	header := q.http.Header
	switch q.name {
	case "PutObject", "PostObject", "CreateMultipartUpload", "CopyObject", "CompleteMultipartUpload":
		if len(q.tags) > 0 {
			need("s3:PutObjectTagging")
		}
		if header.Get("X-Amz-Acl") != "" {
			need("s3:PutObjectAcl")
		}
		if header.Get("If-Match") != "" {
			need("s3:GetObject") // conditional-writes: the answer to If-Match says something about the object
		}
	case "GetObjectAttributes":
		if q.versionID == "" {
			need("s3:GetObjectAttributes")
		} else {
			need("s3:GetObjectVersionAttributes")
		}
	case "CreateBucket":
		if header.Get("X-Amz-Object-Ownership") != "" {
			need("s3:PutBucketOwnershipControls")
		}
		if acl := header.Get("X-Amz-Acl"); acl != "" && acl != "private" {
			need("s3:PutBucketAcl")
		}
		if len(q.tags) > 0 {
			need("s3:TagResource")
		}
	}
	return more
}
