package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

// maxDeletes is the largest number of keys of DeleteObjects.
const maxDeletes = 1000

type deletedKey struct {
	Key                   text
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type failedKey struct {
	Key       text
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

type deleteResult struct {
	XMLName xml.Name     `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedKey `xml:",omitempty"`
	Failed  []failedKey  `xml:"Error,omitempty"`
}

// doomed names an object to delete.
type doomed struct {
	Key       string
	VersionID *string `xml:"VersionId"`
	// Conditions.
	ETag, LastModifiedTime, Size *struct{}
}

func (d doomed) version() string {
	if d.VersionID == nil {
		return ""
	}
	return *d.VersionID
}

func (h *handler) deleteObject(q *request) error {
	done, err := h.store.Delete(q.bucket, q.key, q.versionID)
	if err != nil {
		return q.refusal(err)
	}
	if done.Marker {
		q.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	if done.VersionID != "" {
		q.w.Header().Set("X-Amz-Version-Id", done.VersionID)
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteObjects decides on each key separately. The answer lists the refused ones; the others are deleted.
func (h *handler) deleteObjects(q *request) error {
	document, found, err := q.readBody()
	if err != nil {
		return err
	}
	if found.algorithm == "" && !found.md5 {
		return invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	var body struct {
		Quiet  bool
		Object []doomed
	}
	if err := parseXML(document, "Delete", &body); err != nil {
		return err
	}
	if len(body.Object) == 0 || len(body.Object) > maxDeletes {
		return errMalformedXML
	}
	for _, one := range body.Object {
		switch {
		case one.ETag != nil || one.LastModifiedTime != nil || one.Size != nil:
			return notImplemented("Conditional deletes are not implemented")
		case one.VersionID != nil && *one.VersionID == "":
			return errMalformedXML
		}
	}
	ctx := q.http.Context()
	var result deleteResult
	for _, one := range body.Object {
		deleted, err := h.deleteOne(ctx, q, one)
		if err != nil {
			refusal, ok := errors.AsType[*Error](err)
			if !ok {
				return err
			}
			result.Failed = append(result.Failed, failedKey{text(one.Key), one.version(), refusal.Code, refusal.Message})
		} else if !body.Quiet {
			result.Deleted = append(result.Deleted, deleted)
		}
	}
	call := journal.FromContext(ctx)
	call.Decision = fmt.Sprintf("%d of %d keys failed; the last: %s", len(result.Failed), len(body.Object), call.Decision)
	return writeXML(q.w, result)
}

func (h *handler) deleteOne(ctx context.Context, q *request, one doomed) (deletedKey, error) {
	if one.Key == "" {
		return deletedKey{}, &Error{Code: "UserKeyMustBeSpecified", Message: "The user key must be specified"}
	}
	if err := checkKey(one.Key); err != nil {
		return deletedKey{}, err
	}
	id, action, keys := one.version(), "s3:DeleteObject", h.keys(q)
	if id != "" {
		action = "s3:DeleteObjectVersion"
		keys["s3:versionid"] = []string{id}
	}
	if err := h.authorize(ctx, q, access{action, objectARN(q.bucket, one.Key), keys, q.target}); err != nil {
		return deletedKey{}, err
	}
	done, err := h.store.Delete(q.bucket, one.Key, id)
	if err != nil {
		return deletedKey{}, q.refusal(err)
	}
	deleted := deletedKey{Key: text(one.Key), VersionID: id, DeleteMarker: done.Marker}
	if done.Marker {
		deleted.DeleteMarkerVersionID = done.VersionID
	}
	return deleted, nil
}
