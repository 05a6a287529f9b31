package s3

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"

	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// Limits of tags (object-tagging, CostAllocTagging).
const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128
	maxTagValue   = 256
)

// tagText are the characters of tags: letters, spaces and numbers representable in UTF-8, and + - = . _ : / @.
var tagText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)

func invalidTag(message string) *Error {
	return &Error{Code: "InvalidTag", Status: http.StatusBadRequest, Message: message}
}

// checkTags applies the limits. Lengths are counted in UTF-16 units.
func checkTags(tags []objects.Tag, most int) error {
	if len(tags) > most {
		if most == maxObjectTags {
			return &Error{Code: "BadRequest", Status: http.StatusBadRequest, Message: "Object tags cannot be greater than 10"}
		}
		return &Error{Code: "BadRequest", Status: http.StatusBadRequest, Message: "Bucket tag count cannot be greater than 50"}
	}
	seen := make(map[string]bool, len(tags))
	for _, tag := range tags {
		switch {
		case tag.Key == "" || len(utf16.Encode([]rune(tag.Key))) > maxTagKey || !tagText.MatchString(tag.Key):
			return invalidTag("The TagKey you have provided is invalid")
		case len(utf16.Encode([]rune(tag.Value))) > maxTagValue || !tagText.MatchString(tag.Value):
			return invalidTag("The TagValue you have provided is invalid")
		case strings.HasPrefix(strings.ToLower(tag.Key), "aws:"):
			return invalidTag("System tags cannot be added/updated by requester")
		case seen[tag.Key]:
			return invalidTag("Cannot provide multiple Tags with the same key")
		}
		seen[tag.Key] = true
	}
	return nil
}

// readTagging reads x-amz-tagging: "a=b&c=d", URL-encoded (PutObject).
func readTagging(text string) ([]objects.Tag, error) {
	var tags []objects.Tag
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, &Error{Code: "InvalidArgument", Status: http.StatusBadRequest,
				Message: "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."}
		}
		tags = append(tags, objects.Tag{Key: key, Value: value})
	}
	return tags, checkTags(tags, maxObjectTags)
}

type tagSet struct {
	Tags []xmlTag `xml:"Tag"`
}

type xmlTag struct{ Key, Value string }

type tagging struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	TagSet  tagSet
}

func (s tagSet) tags() []objects.Tag {
	tags := make([]objects.Tag, len(s.Tags))
	for i, tag := range s.Tags {
		tags[i] = objects.Tag(tag)
	}
	return tags
}

func writeTags(w http.ResponseWriter, tags []objects.Tag) error {
	var body tagging
	for _, tag := range tags {
		body.TagSet.Tags = append(body.TagSet.Tags, xmlTag(tag))
	}
	return writeXML(w, body)
}

// readTags reads the body of a request that puts tags.
func (q *request) readTags(most int) ([]objects.Tag, error) {
	var body struct{ TagSet *tagSet }
	if err := q.readXML("Tagging", &body); err != nil {
		return nil, err
	}
	if body.TagSet == nil {
		return nil, errMalformedXML
	}
	tags := body.TagSet.tags()
	return tags, checkTags(tags, most)
}

func (h *handler) getObjectTagging(q *request) error {
	q.setVersion(q.existing)
	return writeTags(q.w, q.existing.Tags)
}

// putObjectTagging has read the tags before the decision, because the decision depends on them.
func (h *handler) putObjectTagging(q *request) error {
	return h.setObjectTags(q, q.tags)
}

func (h *handler) deleteObjectTagging(q *request) error {
	if err := h.setObjectTags(q, nil); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) setObjectTags(q *request, tags []objects.Tag) error {
	changed, err := h.store.SetTags(q.bucket, q.key, q.existing.ID, tags)
	if err != nil {
		return q.refusal(err)
	}
	q.setVersion(changed)
	return nil
}

func (h *handler) getBucketTagging(q *request) error {
	if len(q.target.Tags) == 0 {
		return &Error{Code: "NoSuchTagSet", Status: http.StatusNotFound, Message: "The TagSet does not exist", Bucket: q.bucket}
	}
	return writeTags(q.w, q.target.Tags)
}

func (h *handler) putBucketTagging(q *request) error {
	tags, err := q.readTags(maxBucketTags)
	if err != nil {
		return err
	}
	return h.configure(q, func(b *objects.Bucket) { b.Tags = tags })
}

func (h *handler) deleteBucketTagging(q *request) error {
	return h.configure(q, func(b *objects.Bucket) { b.Tags = nil })
}

// configure changes the bucket's configuration and answers 204. S3 answers so to every such change by DELETE, and to some by PUT.
func (h *handler) configure(q *request, change func(*objects.Bucket)) error {
	if err := h.store.UpdateBucket(q.bucket, change); err != nil {
		return q.refusal(err)
	}
	if q.http.Method == http.MethodDelete || q.name == "PutBucketTagging" || q.name == "PutBucketPolicy" {
		q.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}
