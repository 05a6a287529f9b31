package s3

// OutOfScope is a feature of S3 that the emulator lacks. A request for it is refused with 501 NotImplemented.
type OutOfScope struct {
	Feature string
	// Requests that ask for the feature: a method, the level of the path, and a sub-resource or a header.
	Requests []Request
}

// Request is a request that is refused.
type Request struct {
	Method string
	// Object says that the request is about an object, not about a bucket.
	Object bool
	// Query is the sub-resource; Header and Value are a header that asks for the feature.
	Query, Header, Value string
}

// Scope lists what is out of scope.
func Scope() []OutOfScope {
	onBucket := func(query string) Request { return Request{Method: "PUT", Query: query} }
	return []OutOfScope{
		{"Lifecycle rules", []Request{onBucket("lifecycle"), {Method: "DELETE", Query: "lifecycle"}}},
		{"CORS", []Request{onBucket("cors"), {Method: "DELETE", Query: "cors"}, {Method: "OPTIONS", Object: true}}},
		{"ACLs that differ from the default", []Request{onBucket("acl"), {Method: "PUT", Object: true, Query: "acl"}, {Method: "PUT", Object: true, Header: "X-Amz-Grant-Read", Value: "id=1"}}},
		{"Object Lock", []Request{onBucket("object-lock"), {Method: "PUT", Object: true, Query: "retention"}, {Method: "PUT", Object: true, Query: "legal-hold"},
			{Method: "PUT", Object: true, Header: "X-Amz-Object-Lock-Mode", Value: "GOVERNANCE"}}},
		{"Encryption by other keys than S3's", []Request{onBucket("encryption"), {Method: "PUT", Object: true, Header: "X-Amz-Server-Side-Encryption", Value: "aws:kms"},
			{Method: "PUT", Object: true, Header: "X-Amz-Server-Side-Encryption-Customer-Algorithm", Value: "AES256"}}},
		{"Websites and redirects", []Request{onBucket("website"), {Method: "PUT", Object: true, Header: "X-Amz-Website-Redirect-Location", Value: "/x"}}},
		{"Replication", []Request{onBucket("replication"), {Method: "DELETE", Query: "replication"}}},
		{"Notifications", []Request{onBucket("notification")}},
		{"Server access logs", []Request{onBucket("logging")}},
		{"Transfer acceleration", []Request{onBucket("accelerate")}},
		{"Requester pays", []Request{onBucket("requestPayment")}},
		{"Inventory, metrics, analytics and tiering", []Request{onBucket("inventory"), onBucket("metrics"), onBucket("analytics"), onBucket("intelligent-tiering")}},
		{"Metadata tables and annotations", []Request{{Method: "POST", Query: "metadataTable"}, {Method: "PUT", Object: true, Query: "annotation"}}},
		{"Attribute-based access control by the tags of a bucket", []Request{onBucket("abac")}},
		{"Archives and their restoring", []Request{{Method: "POST", Object: true, Query: "restore"}, {Method: "PUT", Object: true, Header: "X-Amz-Storage-Class", Value: "DEEP_ARCHIVE"}}},
		{"Queries of objects", []Request{{Method: "POST", Object: true, Query: "select&select-type=2"}}},
		{"Torrents", []Request{{Method: "GET", Object: true, Query: "torrent"}}},
		{"Directory buckets: sessions, appending and renaming", []Request{{Method: "GET", Query: "session"}, {Method: "PUT", Object: true, Query: "renameObject"},
			{Method: "PUT", Object: true, Header: "X-Amz-Write-Offset-Bytes", Value: "1"}}},
		{"Checksums by MD5, SHA-512 and XXHash", []Request{{Method: "PUT", Object: true, Header: "X-Amz-Checksum-Sha512", Value: "x"},
			{Method: "PUT", Object: true, Header: "X-Amz-Checksum-Xxhash64", Value: "x"}, {Method: "PUT", Object: true, Header: "X-Amz-Checksum-Md5", Value: "x"}}},
	}
}

// Text is the request for people, such as "PUT of a bucket with ?cors".
func (r Request) Text() string {
	of := " of a bucket"
	if r.Object {
		of = " of an object"
	}
	switch {
	case r.Query != "":
		return r.Method + of + " with ?" + r.Query
	case r.Header != "":
		return r.Method + of + " with " + r.Header + ": " + r.Value
	}
	return r.Method + of
}
