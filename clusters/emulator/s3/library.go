package s3

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"

	"github.com/johannesboyne/gofakes3"

	"github.com/podidentity/epi/clusters/emulator/s3/objects"
)

// delegate has gofakes3 answer a request, written anew from the operation, with this request's view of the
// store. Routes send it the operations whose protocol it speaks as S3 does. The others are served beside it:
//   - its listings know no encoding-type and leave out KeyCount and MaxKeys when they are 0; ListBuckets has
//     one owner for all; the answers of multi-object deletes, of ListParts and of versioning lack elements
//   - it takes the version "null" for none, so a delete of that version would be another operation
//   - conditions of copies and most of those of reads, checksums, tags, part numbers and versions of sources are
//     unknown to it
func (h *handler) delegate(q *request) error {
	r := &http.Request{
		Method: q.http.Method, URL: &url.URL{Path: "/" + q.bucket}, Header: http.Header{}, Body: http.NoBody, Proto: q.http.Proto,
		ProtoMajor: q.http.ProtoMajor, ProtoMinor: q.http.ProtoMinor,
	}
	if q.key != "" {
		r.URL.Path += "/" + q.key
	}
	if q.subresource != "" {
		r.URL.RawQuery = url.Values{q.subresource: {q.query.Get(q.subresource)}}.Encode()
	}
	view := &view{handler: h, q: q}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	gofakes3.New(view, gofakes3.WithTimeSkewLimit(0)).Server().ServeHTTP(w, r.WithContext(q.http.Context()))
	switch {
	case view.failed != nil:
		return q.refusal(view.failed)
	case w.status >= http.StatusBadRequest:
		return errors.New("answer " + q.name + " by the library: " + http.StatusText(w.status))
	}
	if location := w.header.Get("Location"); location != "" {
		q.w.Header().Set("Location", location)
	}
	if w.body.Len() > 0 {
		q.w.Header().Set("Content-Type", "application/xml")
	}
	q.w.WriteHeader(w.status)
	_, _ = q.w.Write(w.body.Bytes()) // the client is gone: nobody is left to tell
	return nil
}

// answer keeps the library's answer back: of its headers only some are S3's.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header                { return a.header }
func (a *answer) WriteHeader(status int)             { a.status = status }
func (a *answer) Write(data []byte) (n int, _ error) { return a.body.Write(data) }

// view is the store as the library sees it for one request, which was decided. It has the methods that the
// operations in routes need; the others panic, which ends the request as an internal error. What the library
// asks with names is answered for the operation, whatever the names are.
type view struct {
	gofakes3.Backend
	gofakes3.MultipartBackend
	*handler
	q *request
	// failed is what the store failed with: the library would tell it in other words.
	failed error
}

func (v *view) fail(err error) error {
	if err != nil {
		v.failed = err
		return gofakes3.ErrInternal
	}
	return nil
}

// BucketExists is asked before all else: findTarget has seen to it.
func (v *view) BucketExists(string) (bool, error) { return true, nil }

func (v *view) CreateBucket(string) error {
	made, err := v.q.made()
	if err != nil {
		return v.fail(err)
	}
	err = v.store.CreateBucket(made)
	if errors.Is(err, objects.ErrBucketExists) {
		err = v.taken(v.q)
	}
	return v.fail(err)
}

func (v *view) DeleteBucket(string) error { return v.fail(v.store.DeleteBucket(v.q.bucket)) }

func (v *view) DeleteObject(string, string) (gofakes3.ObjectDeleteResult, error) {
	done, err := v.store.Delete(v.q.bucket, v.q.key, v.q.versionID)
	if done.Marker {
		v.q.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	if done.VersionID != "" {
		v.q.w.Header().Set("X-Amz-Version-Id", done.VersionID)
	}
	return gofakes3.ObjectDeleteResult{}, v.fail(err)
}

func (v *view) CreateMultipartUpload(string, string, map[string]string) (gofakes3.UploadID, error) {
	wanted, err := v.q.upload()
	if err != nil {
		return "", v.fail(err)
	}
	made, err := v.store.CreateUpload(v.q.bucket, wanted)
	if err != nil {
		return "", v.fail(err)
	}
	return gofakes3.UploadID(made.ID), nil
}

func (v *view) AbortMultipartUpload(string, string, gofakes3.UploadID) error {
	return v.fail(v.store.Abort(v.q.bucket, v.q.key, v.q.query.Get("uploadId")))
}
