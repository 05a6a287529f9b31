package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// form is an upload by an HTML form: fields, and a file as the last field (RESTObjectPOST, HTTPPOSTForms).
type form struct {
	// fields by their names in lower case.
	fields map[string]string
	// names are the fields' names in the order of the form.
	names []string
	// filename is what the browser calls the file.
	filename string
	file     io.Reader
	gate     *gate
	// least and most bound the length of the file.
	least, most int64
}

const (
	// maxFields bounds what precedes the file. S3 accepts 20 KB of fields, not counting the multipart headers and boundaries.
	maxFields = 20 << 10
	maxForm   = 64 << 10
)

var (
	errFormTooLarge = &Error{Code: "MaxPostPreDataLengthExceeded", Status: http.StatusBadRequest, Message: "Your POST request fields preceding the upload file were too large."}
	errFormBroken   = &Error{Code: "MalformedPOSTRequest", Status: http.StatusBadRequest, Message: "The body of your POST request is not well-formed multipart/form-data."}
	errNoFile       = invalidArgument("POST requires exactly one file upload per request.")
)

// gate is a reader that ends after a number of bytes.
type gate struct {
	source io.Reader
	left   int64
}

var errGate = errors.New("the form is too large")

func (g *gate) Read(to []byte) (int, error) {
	if g.left <= 0 {
		return 0, errGate
	}
	n, err := g.source.Read(to[:min(int64(len(to)), g.left)])
	g.left -= int64(n)
	return n, err
}

// Reserve counts the file's memory in the place where the body's is counted.
func (g *gate) Reserve(n int64) error { return limits.Reserve(g.source, n) }

// readForm reads the form up to its file and finds who signed it. It fills the operation as a PutObject would.
func (h *handler) readForm(q *request) error {
	media, parameters, err := mime.ParseMediaType(q.http.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || parameters["boundary"] == "" {
		return &Error{Code: "PreconditionFailed", Status: http.StatusPreconditionFailed, Message: "Bucket POST must be of the enclosure-type multipart/form-data"}
	}
	if q.caller != nil {
		return notImplemented("An upload by a form is not implemented for requests that are signed in a header; sign the form's policy")
	}
	f := &form{fields: map[string]string{}, gate: &gate{source: q.http.Body, left: maxForm}, most: objects.MaxSize}
	if err := f.read(multipart.NewReader(f.gate, parameters["boundary"])); err != nil {
		return err
	}
	q.form = f
	if q.key = strings.ReplaceAll(f.fields["key"], "${filename}", f.filename); q.key == "" {
		return invalidArgument("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	f.fields["key"] = q.key
	if err := checkKey(q.key); err != nil {
		return err
	}
	if err := h.authenticateForm(q); err != nil {
		return err
	}
	q.http.Header = f.header(q.http.Header)
	return q.checkHeaders(q.http.Header)
}

// read reads the fields, and leaves the file unread.
func (f *form) read(reader *multipart.Reader) error {
	size := 0
	for {
		part, err := reader.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return errNoFile
		case err != nil:
			return f.refusal(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			f.filename, f.file = part.FileName(), part
			return nil
		}
		if name == "" {
			return errFormBroken // RFC 7578, section 4.2: each part has a name
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFields+1))
		if err != nil {
			return f.refusal(err)
		}
		if size += len(name) + len(value); size > maxFields {
			return errFormTooLarge
		}
		if _, twice := f.fields[name]; twice || strings.ContainsAny(name, "\r\n\x00: ") || name != "policy" && !validValue(string(value)) && name != "tagging" {
			return invalidArgument("A field of the form is given twice or is malformed: " + name)
		}
		f.fields[name] = string(value)
		f.names = append(f.names, name)
	}
}

// refusal says why the body cannot be read.
func (f *form) refusal(err error) *Error {
	switch {
	case errors.Is(err, errGate):
		return errFormTooLarge
	case errors.Is(err, limits.ErrMemory), errors.Is(err, limits.ErrInterrupted):
		return &Error{Code: "SlowDown", Status: http.StatusServiceUnavailable, Message: "Please reduce your request rate: " + err.Error()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errRequestTimeout
	}
	return errFormBroken
}

// authenticateForm finds who signed the policy, and checks the form against the policy. A form without a policy is anonymous.
func (h *handler) authenticateForm(q *request) error {
	f := q.form
	text, has := f.fields["policy"]
	_, signed := f.fields["x-amz-signature"]
	_, version2 := f.fields["signature"]
	switch {
	case version2 && !signed:
		return signatureError(q.http, &sigv4.Error{Kind: sigv4.Version2, Message: sigv4.Version2Message})
	case !has && !signed:
		return nil
	case !has:
		return invalidArgument("Bucket POST must contain a field named 'policy'.  If it is specified, please check the order of the fields.")
	case !signed:
		return invalidArgument("Bucket POST must contain a field named 'X-Amz-Signature'.  If it is specified, please check the order of the fields.")
	case h.forms == nil:
		return errAccessDenied
	}
	caller, err := h.forms.FormCaller(q.http, sigv4.Post{
		Policy: text, Algorithm: f.fields["x-amz-algorithm"], Credential: f.fields["x-amz-credential"], Date: f.fields["x-amz-date"],
		Signature: f.fields["x-amz-signature"], Token: f.fields["x-amz-security-token"],
	})
	if refusal, ok := errors.AsType[*sigv4.Error](err); ok {
		return signatureError(q.http, refusal)
	}
	if err != nil {
		return err
	}
	if caller.Region != h.region {
		return h.wrongRegion(caller.Region)
	}
	q.caller, q.signed = caller, f.fields["x-amz-date"]
	policy, err := parsePostPolicy(text)
	if err != nil {
		return err
	}
	f.least, f.most, err = policy.check(f, q.bucket, h.now())
	return err
}

// headerFields maps fields to the headers that they stand for.
var headerFields = map[string]string{
	"acl": "X-Amz-Acl", "cache-control": "Cache-Control", "content-disposition": "Content-Disposition", "content-encoding": "Content-Encoding",
	"content-language": "Content-Language", "content-type": "Content-Type", "content-md5": "Content-Md5", "expires": "Expires",
}

// header has the headers that the form gives the object, and the request's headers that conditions name.
func (f *form) header(sent http.Header) http.Header {
	header := http.Header{}
	for _, name := range []string{"User-Agent", "Referer", "X-Amz-Expected-Bucket-Owner"} {
		if values := sent[name]; len(values) > 0 {
			header[name] = values
		}
	}
	for name, value := range f.fields {
		to, ok := headerFields[name]
		switch {
		case ok:
		case !strings.HasPrefix(name, "x-amz-") || slices.Contains(signing, name):
			continue
		default:
			to = http.CanonicalHeaderKey(name)
		}
		header.Set(to, value)
	}
	return header
}

// signing are the fields that carry the signature.
var signing = []string{"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token"}

// tags reads the field tagging, a document like that of PutObjectTagging.
func (f *form) tags() ([]objects.Tag, error) {
	text, ok := f.fields["tagging"]
	if !ok {
		return nil, nil
	}
	var body struct{ TagSet *tagSet }
	if err := parseXML([]byte(text), "Tagging", &body); err != nil {
		return nil, err
	}
	if body.TagSet == nil {
		return nil, errMalformedXML
	}
	tags := body.TagSet.tags()
	return tags, checkTags(tags, maxObjectTags)
}

// loadAny loads the body or the form's file.
func (q *request) loadAny() error {
	if q.form == nil {
		return q.load()
	}
	f := q.form
	f.gate.left = objects.MaxSize + maxForm // the limit is now for the rest of the body too
	data, err := limits.ReadAll(counted{f.file, f.gate}, -1, f.most)
	switch {
	case limits.IsTooLarge(err):
		return errTooLarge
	case err != nil:
		return f.refusal(err)
	case int64(len(data)) < f.least:
		return &Error{Code: "EntityTooSmall", Status: http.StatusBadRequest, Message: "Your proposed upload is smaller than the minimum allowed size"}
	}
	q.body, q.loaded, q.http.ContentLength = data, true, int64(len(data))
	// What follows the file is ignored. It is read so that the connection can be used again.
	f.gate.left = maxForm
	_, _ = io.Copy(io.Discard, f.gate)
	return nil
}

// counted is a part of a form whose memory is counted.
type counted struct {
	io.Reader
	gate *gate
}

func (c counted) Reserve(n int64) error { return c.gate.Reserve(n) }

// declares says whether the form has a checksum of its file. The answer then has that checksum too.
func (f *form) declares() bool {
	return slices.ContainsFunc(f.names, func(name string) bool {
		suffix, ok := strings.CutPrefix(name, "x-amz-checksum-")
		_, known := checksum.Parse(suffix)
		return ok && known
	})
}

type postResponse struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location text
	Bucket   string
	Key      text
	ETag     string
}

// postObject stores the file, and answers as the form asks (RESTObjectPOST).
func (h *handler) postObject(q *request) error {
	made, err := h.storeBody(q)
	if err != nil {
		return err
	}
	if q.form.declares() {
		setChecksum(q.w.Header(), made.Checksum)
	}
	location := h.location(q)
	fields := q.form.fields
	redirect := fields["success_action_redirect"]
	if redirect == "" {
		redirect = fields["redirect"]
	}
	if to, err := url.Parse(redirect); err == nil && redirect != "" && (to.Scheme == "http" || to.Scheme == "https") && to.Host != "" {
		query := to.Query()
		query.Set("bucket", q.bucket)
		query.Set("key", q.key)
		query.Set("etag", quoted(made.ETag))
		to.RawQuery = query.Encode()
		q.w.Header().Set("Location", to.String())
		q.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	q.w.Header().Set("Location", location)
	switch fields["success_action_status"] {
	case "200":
		return nil
	case "201":
		return writeXMLStatus(q.w, http.StatusCreated, postResponse{Location: text(location), Bucket: q.bucket, Key: text(q.key), ETag: quoted(made.ETag)})
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
