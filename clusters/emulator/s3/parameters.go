package s3

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// subresources are the parameters that distinguish S3's operations, whether the emulator serves the operation or not. They are the
// ones in the URIs of the operations of API_Operations_Amazon_Simple_Storage_Service, those that choose an operation's object
// (versionId, partNumber, uploadId), and those of the browser and of old operations (RESTAuthentication, "subresources"). S3
// ignores all other parameters that an operation does not have.
var subresources = map[string]bool{
	"abac": true, "accelerate": true, "acl": true, "analytics": true, "annotation": true, "attributes": true, "cors": true, "delete": true,
	"encryption": true, "intelligent-tiering": true, "inventory": true, "legal-hold": true, "lifecycle": true, "list-type": true,
	"location": true, "logging": true, "metadataAnnotationTable": true, "metadataConfiguration": true, "metadataInventoryTable": true,
	"metadataJournalTable": true, "metadataTable": true, "metrics": true, "notification": true, "object-lock": true,
	"ownershipControls": true, "partNumber": true, "policy": true, "policyStatus": true, "publicAccessBlock": true, "renameObject": true,
	"replication": true, "requestPayment": true, "restore": true, "retention": true, "select": true, "select-type": true, "session": true,
	"tagging": true, "torrent": true, "uploadId": true, "uploads": true, "versionId": true, "versioning": true, "versions": true, "website": true,
}

// hoisted are the headers that a presigned URL may have in its query. A dash at the end stands for all headers with that beginning.
// S3 accepts metadata and ACLs there: https://github.com/aws/aws-sdk-js-v3/issues/4694 and
// https://github.com/aws/aws-sdk-java-v2/issues/2200. The payer is documented (RequesterPaysBuckets). The others are accepted too,
// because to ignore them would be to do less than was signed.
//
// x-amz-tagging is not in the list, because S3 ignores it (https://github.com/aws/aws-sdk-go-v2/pull/1017,
// https://github.com/aws/aws-sdk-js-v3/issues/3496). The checksums are not in the list, because the AWS SDK for JavaScript puts the
// checksum of an empty body there for every upload (https://github.com/aws/aws-sdk/issues/480).
var hoisted = []string{
	"x-amz-acl", "x-amz-bypass-governance-retention", "x-amz-copy-source", "x-amz-copy-source-", "x-amz-expected-bucket-owner",
	"x-amz-grant-", "x-amz-meta-", "x-amz-metadata-directive", "x-amz-mfa", "x-amz-object-lock-", "x-amz-object-ownership",
	"x-amz-request-payer", "x-amz-server-side-encryption", "x-amz-server-side-encryption-", "x-amz-source-expected-bucket-owner",
	"x-amz-storage-class", "x-amz-website-redirect-location",
}

// readQuery leaves the parameters of the request in op.query. A parameter that counts as a header becomes a header.
func (op *operation) readQuery(r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalidURI()
	}
	op.query = query
	if op.presigned = query.Has("X-Amz-Signature"); !op.presigned {
		return nil
	}
	op.signed = query.Get("X-Amz-Date")
	for name, values := range query {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") || !isHoisted(lower) {
			continue
		}
		if len(values) > 1 {
			return invalidArgument(fmt.Sprintf("The parameter %s is given twice", name))
		}
		// A header that was sent was signed too. It takes precedence.
		if header := http.CanonicalHeaderKey(name); r.Header[header] == nil && validValue(values[0]) {
			r.Header.Set(header, values[0])
		}
	}
	return nil
}

func isHoisted(lower string) bool {
	return slices.ContainsFunc(hoisted, func(one string) bool {
		return lower == one || strings.HasSuffix(one, "-") && strings.HasPrefix(lower, one)
	})
}

// validValue refuses line ends in headers that objects return.
func validValue(value string) bool { return !strings.ContainsAny(value, "\r\n\x00") }

// has says whether the route takes a parameter.
func (r *route) has(name string) bool {
	return name == r.subresource || name == "versionId" && r.versioned != "" || slices.Contains(r.parameters, name)
}

// asked are the sub-resources in the query.
func (op *operation) asked() []string {
	var names []string
	for name := range op.query {
		if subresources[name] {
			names = append(names, name)
		}
	}
	return names
}

// knows says whether the route is for the sub-resources of a query.
func (r *route) knows(query url.Values, asked []string) bool {
	if r.subresource != "" && !query.Has(r.subresource) {
		return false
	}
	for _, name := range asked {
		if !r.has(name) {
			return false
		}
	}
	return true
}

// keepKnown drops the parameters that the operation does not have.
func (op *operation) keepKnown() {
	maps.DeleteFunc(op.query, func(name string, _ []string) bool { return !op.has(name) })
}

// unserved refuses a request that no route fits, and names the feature.
func (op *operation) unserved(method string) *Error {
	asked := op.asked()
	if len(asked) == 0 {
		return notImplemented("A method you provided implies functionality that is not implemented: " + method)
	}
	slices.Sort(asked)
	return notImplemented("A query parameter you provided implies functionality that is not implemented: " + method + " with " + strings.Join(asked, ", "))
}
