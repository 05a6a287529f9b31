package s3

import (
	"net/http"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

var errNotModified = &Error{Code: "NotModified", Status: http.StatusNotModified, Message: "Not Modified"}

// matches says whether an If-Match or If-None-Match header names the ETag. Quotes may be missing.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}

// conditions are the four headers of a conditional request.
type conditions struct{ match, noneMatch, modifiedSince, unmodifiedSince string }

// after compares the seconds of the time of v with a header. It returns false if the header is not a time.
func after(v *objects.Version, header string) (after, ok bool) {
	if header == "" {
		return false, false // ParseTime would find the same, at a higher cost
	}
	at, err := http.ParseTime(header)
	return v.Modified.Truncate(time.Second).After(at), err == nil
}

// check follows RFC 9110, section 13.2.2, as GetObject describes it: If-Match takes precedence over If-Unmodified-Since, and
// If-None-Match over If-Modified-Since. precondition and unmodified say which of the two kinds failed.
func (c conditions) check(v *objects.Version) (precondition, unmodified bool) {
	if c.match != "" {
		precondition = !matches(c.match, v.ETag)
	} else if later, ok := after(v, c.unmodifiedSince); ok {
		precondition = later
	}
	if c.noneMatch != "" {
		unmodified = matches(c.noneMatch, v.ETag)
	} else if later, ok := after(v, c.modifiedSince); ok {
		unmodified = !later
	}
	return precondition, unmodified
}

// checkRead applies the conditions of GetObject and HeadObject.
func (q *request) checkRead(v *objects.Version) error {
	header := q.http.Header
	precondition, unmodified := conditions{
		header.Get("If-Match"), header.Get("If-None-Match"), header.Get("If-Modified-Since"), header.Get("If-Unmodified-Since"),
	}.check(v)
	switch {
	case precondition:
		return errPreconditionFailed
	case unmodified:
		return errNotModified
	}
	return nil
}

// checkSource applies the conditions on a copy's source. Every failure is 412 (CopyObject).
func (q *request) checkSource(v *objects.Version) error {
	header := q.http.Header
	precondition, unmodified := conditions{
		header.Get("X-Amz-Copy-Source-If-Match"), header.Get("X-Amz-Copy-Source-If-None-Match"),
		header.Get("X-Amz-Copy-Source-If-Modified-Since"), header.Get("X-Amz-Copy-Source-If-Unmodified-Since"),
	}.check(v)
	if precondition || unmodified {
		return errPreconditionFailed
	}
	return nil
}

// writeCondition reads the conditions of a write. If-None-Match accepts "*" only (conditional-writes).
func (q *request) writeCondition() (objects.Condition, error) {
	var condition objects.Condition
	match, none := q.http.Header.Get("If-Match"), q.http.Header.Get("If-None-Match")
	switch {
	case none != "" && none != "*", match != "" && none != "":
		return condition, unknownHeader("If-None-Match")
	case match == "*":
		return condition, unknownHeader("If-Match")
	}
	condition.Match, condition.Absent = strings.Trim(match, `"`), none != ""
	return condition, nil
}
