package s3

import (
	"encoding/xml"
	"net/http"
)

// unsetErrors are S3's errors for configurations that a bucket does not have. In the emulator no bucket can have them.
var unsetErrors = map[string]Error{
	"GetBucketLifecycleConfiguration": {Code: "NoSuchLifecycleConfiguration", Message: "The lifecycle configuration does not exist"},
	"GetBucketCors":                   {Code: "NoSuchCORSConfiguration", Message: "The CORS configuration does not exist"},
	"GetBucketWebsite":                {Code: "NoSuchWebsiteConfiguration", Message: "The specified bucket does not have a website configuration"},
	"GetBucketReplication":            {Code: "ReplicationConfigurationNotFoundError", Message: "The replication configuration was not found"},
	"GetObjectLockConfiguration":      {Code: "ObjectLockConfigurationNotFoundError", Message: "Object Lock configuration does not exist for this bucket"},
}

// empty is a document without content.
type empty struct{ XMLName xml.Name }

func emptyDocument(name string) empty { return empty{xml.Name{Space: namespace, Local: name}} }

type payer struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ RequestPaymentConfiguration"`
	Payer   string
}

type encryption struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ServerSideEncryptionConfiguration"`
	Rule    struct {
		ApplyServerSideEncryptionByDefault struct{ SSEAlgorithm string }
		BucketKeyEnabled                   bool
	}
}

// unset answers reads of configurations that cannot be changed in the emulator, with the values of every new bucket.
func unset(_ *handler, q *request) error {
	if refusal, ok := unsetErrors[q.name]; ok {
		refusal.Status, refusal.Bucket = http.StatusNotFound, q.bucket
		return &refusal
	}
	switch q.name {
	case "GetBucketEncryption":
		// "By default, all buckets have a default encryption configuration that uses server-side encryption
		// with Amazon S3 managed keys (SSE-S3)" (GetBucketEncryption).
		var body encryption
		body.Rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm = "AES256"
		return writeXML(q.w, body)
	case "GetBucketRequestPayment":
		return writeXML(q.w, payer{Payer: "BucketOwner"})
	case "GetBucketLogging":
		return writeXML(q.w, emptyDocument("BucketLoggingStatus"))
	case "GetBucketNotificationConfiguration":
		return writeXML(q.w, emptyDocument("NotificationConfiguration"))
	}
	return writeXML(q.w, emptyDocument("AccelerateConfiguration"))
}
