package ecr

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/restjson"
)

const (
	// maxBlob is the largest layer, in bytes, because layers are in memory.
	maxBlob = 512 << 20
	// maxManifest is the size that the OCI distribution specification requires registries to accept.
	maxManifest = 4 << 20
	// uploadLife is how long an upload may be idle before it is forgotten.
	uploadLife = 10 * time.Minute
	maxUploads = 64
)

// ForRegistry says whether a request without an AWS signature is for a registry. A request with S3's host is not.
func ForRegistry(r *http.Request) bool {
	return r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/")
}

// Password returns the password of a request to the registry; "" for none. The user's name is always the same
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html).
func Password(r *http.Request) string {
	name, password, ok := r.BasicAuth()
	if !ok || name != user {
		return ""
	}
	return password
}

// Unauthorized answers a request to the registry without a valid password, and names the authentication scheme.
func Unauthorized(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	w.Header().Set("Www-Authenticate", fmt.Sprintf(`Basic realm="%s://%s/",service="ecr.amazonaws.com"`, scheme, r.Host))
	writeRefusal(w, http.StatusUnauthorized, "UNAUTHORIZED", "Not Authorized")
}

func writeRefusal(w http.ResponseWriter, status int, code, message string) {
	body, _ := json.Marshal(map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}}) // strings can always be encoded
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client closed the connection
}

// refusal is an error answer of a registry.
type refusal struct {
	status        int
	code, message string
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

// registryPath has the repository's name and the rest of the path.
var registryPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(uploads/?[A-Za-z0-9]*|[A-Za-z0-9._:+-]+)$`)

// request is one request to the registry.
type request struct {
	*http.Request
	// name is the repository's. subject is manifests, blobs or tags. reference names one of them.
	name, subject, reference string
	// upload is the ID in a path of an existing upload; "" for the path that begins one.
	upload  string
	uploads bool
}

// action is the name of the request's action in IAM and in the journal.
func (q *request) action() string {
	read := q.Method == http.MethodGet || q.Method == http.MethodHead
	switch {
	case q.subject == "tags" && read:
		return "ListImages"
	case q.subject == "manifests" && read:
		return "BatchGetImage"
	case q.subject == "manifests" && q.Method == http.MethodPut:
		return "PutImage"
	case q.subject == "manifests" && q.Method == http.MethodDelete:
		return "BatchDeleteImage"
	case q.uploads && q.upload == "" && q.Method == http.MethodPost:
		return "InitiateLayerUpload"
	case q.uploads && q.Method == http.MethodPut:
		return "CompleteLayerUpload"
	case q.uploads && q.upload != "":
		return "UploadLayerPart"
	case q.subject == "blobs" && q.Method == http.MethodHead:
		return "BatchCheckLayerAvailability"
	case q.subject == "blobs" && q.Method == http.MethodGet:
		return "GetDownloadUrlForLayer"
	}
	return ""
}

// ServeRegistry answers a request to the registry whose caller is in the context.
func (s *Service) ServeRegistry(w http.ResponseWriter, r *http.Request) {
	call := journal.FromContext(r.Context())
	err := s.serveRegistry(w, r, call)
	if err == nil {
		return
	}
	refused, ok := errors.AsType[*refusal](err)
	if other, is := errors.AsType[*restjson.Error](err); is && !ok {
		refused, ok = &refusal{other.Status, "DENIED", other.Message}, true
		switch other.Code {
		case codeAccessDenied:
			refused.status = http.StatusForbidden
		case codeNotFound:
			refused.status, refused.code = http.StatusNotFound, "NAME_UNKNOWN"
		case codeInvalid:
			refused.code = "NAME_INVALID"
		}
	}
	if !ok {
		call.Cause = err.Error()
		refused = &refusal{http.StatusInternalServerError, "UNKNOWN", "Internal error."}
	}
	call.ErrorCode = refused.code
	writeRefusal(w, refused.status, refused.code, refused.message)
}

func (s *Service) serveRegistry(w http.ResponseWriter, r *http.Request, call *journal.Call) error {
	if strings.TrimSuffix(r.URL.Path, "/") == "/v2" {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	match := registryPath.FindStringSubmatch(r.URL.Path)
	if match == nil {
		return refuse(http.StatusNotFound, "UNSUPPORTED", "The emulator's registry has nothing at this path.")
	}
	q := &request{Request: r, name: match[1], subject: match[2], reference: match[3]}
	if rest, ok := strings.CutPrefix(q.reference, "uploads"); ok && q.subject == "blobs" {
		q.uploads, q.upload = true, strings.Trim(rest, "/")
	}
	action := q.action()
	if action == "" || q.subject == "tags" && q.reference != "list" {
		return refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "The emulator's registry has no %s here.", r.Method)
	}
	call.Operation = action
	if err := at(r.Context(), action); err != nil {
		return err
	}
	found, err := s.find(r.Context(), action, q.name)
	if err != nil {
		return err
	}
	// From here on the sender has permission to send the body.
	if body, ok := r.Body.(interface{ Trust() }); ok {
		body.Trust()
	}
	switch {
	case q.uploads:
		return s.upload(w, q, found) //nolint:contextcheck // q has it
	case q.subject == "manifests" && q.Method == http.MethodPut:
		return s.putManifest(w, q, found) //nolint:contextcheck // q has it
	case q.subject == "manifests" && q.Method == http.MethodDelete:
		return s.deleteManifest(w, q, found) //nolint:contextcheck // q has it
	}
	if q.subject == "blobs" && r.Header.Get("Range") != "" {
		return serveRange(w, q, found)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n < 0 {
		// The library accepts the request as it is.
		return refuse(http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "A page has no %d tags.", n)
	}
	found.registry.ServeHTTP(w, r)
	return nil
}

// serveRange answers with a part of a blob. The library supports only one form of range.
func serveRange(w http.ResponseWriter, q *request, of *repository) error {
	hash, err := v1.NewHash(q.reference)
	if err != nil {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "The digest %q is none.", q.reference)
	}
	data, has := of.blobs.find(hash.String())
	if !has {
		return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "There is no such blob.")
	}
	w.Header().Set("Docker-Content-Digest", hash.String())
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, q.Request, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// read reads a body within limits, and reserves the space for it.
func (s *Service) read(q *request, most int64) ([]byte, error) {
	data, err := limits.ReadAll(q.Body, q.ContentLength, most)
	switch {
	case limits.IsTooLarge(err):
		return nil, refuse(http.StatusRequestEntityTooLarge, "SIZE_INVALID", "%s", err)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the body broke off")
	}
	if err := s.space.take(int64(len(data))); err != nil {
		return nil, refuse(http.StatusInsufficientStorage, "TOOMANYREQUESTS", "%s", err)
	}
	return data, nil
}

func (s *Service) putManifest(w http.ResponseWriter, q *request, of *repository) error {
	data, err := s.read(q, maxManifest)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			s.space.give(int64(len(data)))
		}
	}()
	hash, _, _ := v1.SHA256(bytes.NewReader(data)) // reading memory does not fail
	pushed := &image{Digest: hash.String(), MediaType: q.Header.Get("Content-Type"), Manifest: data, Pushed: s.options.Now()}
	if strings.Contains(q.reference, ":") && q.reference != pushed.Digest {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "The manifest's digest is %s.", pushed.Digest)
	}
	blobs, manifests, err := pushed.content()
	if err != nil {
		return refuse(http.StatusBadRequest, "MANIFEST_INVALID", "This is no manifest of type %q.", pushed.MediaType)
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.gone {
		return s.notFound(of.name)
	}
	for _, digest := range blobs {
		if _, has := of.blobs.find(digest); !has {
			return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "Layers with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", digest, of.name, s.options.Account)
		}
	}
	for _, digest := range manifests {
		if of.images[digest] == nil {
			return refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "Images with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist", digest, of.name, s.options.Account)
		}
	}
	if known := of.images[pushed.Digest]; known != nil {
		pushed.Tags, pushed.Pushed = slices.Clone(known.Tags), known.Pushed
	} else if len(of.images) >= maxImages {
		return refuse(http.StatusInsufficientStorage, "TOOMANYREQUESTS", "The emulator's registry has %d images in a repository at most.", maxImages)
	}
	if !strings.Contains(q.reference, ":") && !slices.Contains(pushed.Tags, q.reference) {
		pushed.Tags = append(pushed.Tags, q.reference)
	}
	if err := s.putImage(of, pushed); err != nil {
		return err
	}
	if !strings.Contains(q.reference, ":") {
		if err := s.untag(of, q.reference, of.images[pushed.Digest]); err != nil {
			return err
		}
	}
	kept = of.images[pushed.Digest] == nil
	if err := of.take(q.Context(), pushed); err != nil {
		return err
	}
	w.Header().Set("Docker-Content-Digest", pushed.Digest)
	w.Header().Set("Location", "/v2/"+of.name+"/manifests/"+pushed.Digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *Service) deleteManifest(w http.ResponseWriter, q *request, of *repository) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	id := imageID{Tag: q.reference}
	if strings.Contains(q.reference, ":") {
		id = imageID{Digest: q.reference}
	}
	found := of.named(id)
	if found == nil {
		return refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found")
	}
	tags := found.Tags
	if id.Tag != "" {
		tags = []string{id.Tag}
	}
	if err := s.removeImage(q.Context(), of, found, tags); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// uploads are the unfinished uploads of a repository. The library never forgets its own.
type uploads struct {
	mu  sync.Mutex
	all map[string]*upload
}

// upload is a blob that is incomplete. mu guards the fields after it.
type upload struct {
	mu      sync.Mutex
	data    []byte
	touched time.Time
	ended   bool
}

// begin starts an upload, and forgets the idle ones. ok is false if there are too many.
func (u *uploads) begin(now time.Time, of *space) (id string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, old := range u.all {
		if old.mu.TryLock() {
			if now.Sub(old.touched) > uploadLife {
				of.give(int64(len(old.data)))
				old.data, old.ended = nil, true
				delete(u.all, id)
			}
			old.mu.Unlock()
		}
	}
	if len(u.all) >= maxUploads {
		return "", false
	}
	id = rand.Text()
	u.all[id] = &upload{touched: now}
	return id, true
}

func (u *uploads) find(id string) *upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all[id]
}

// end forgets an upload. The caller holds the upload's lock.
func (u *uploads) end(id string, of *space) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ended := u.all[id]; ended != nil {
		of.give(int64(len(ended.data)))
		ended.data, ended.ended = nil, true
		delete(u.all, id)
	}
}

// clear forgets all uploads.
func (u *uploads) clear(of *space) {
	u.mu.Lock()
	all := u.all
	u.all = map[string]*upload{}
	u.mu.Unlock()
	for _, ended := range all {
		ended.mu.Lock()
		of.give(int64(len(ended.data)))
		ended.data, ended.ended = nil, true
		ended.mu.Unlock()
	}
}

// upload serves the requests that upload a blob
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-blobs).
func (s *Service) upload(w http.ResponseWriter, q *request, of *repository) error {
	location := func(id string) { w.Header().Set("Location", "/v2/"+of.name+"/blobs/uploads/"+id) }
	if q.upload == "" && q.URL.Query().Get("digest") == "" {
		// The registry mounts nothing from another repository, so the client uploads.
		id, ok := of.uploads.begin(s.options.Now(), s.space)
		if !ok {
			return refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS", "More than %d uploads to the repository are not finished.", maxUploads)
		}
		location(id)
		w.Header().Set("Docker-Upload-Uuid", id)
		w.Header().Set("Range", "0-0")
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	// The body may be slow, and no other request waits for it.
	part, err := s.read(q, maxBlob)
	if err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			s.space.give(int64(len(part)))
		}
	}()
	if q.upload == "" {
		return s.finish(w, q, of, part)
	}
	going := of.uploads.find(q.upload)
	if going == nil {
		return refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "There is no such upload.")
	}
	going.mu.Lock()
	defer going.mu.Unlock()
	going.touched = s.options.Now()
	switch {
	case going.ended:
		return refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "There is no such upload.")
	case len(going.data)+len(part) > maxBlob:
		return refuse(http.StatusRequestEntityTooLarge, "SIZE_INVALID", "A layer has %d bytes at most.", maxBlob)
	}
	switch q.Method {
	case http.MethodPut:
		// After any error the client begins again.
		defer of.uploads.end(q.upload, s.space)
		return s.finish(w, q, of, slices.Concat(going.data, part))
	case http.MethodDelete:
		of.uploads.end(q.upload, s.space)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPatch:
		start := 0
		if at := q.Header.Get("Content-Range"); at != "" {
			if _, err := fmt.Sscanf(strings.TrimPrefix(at, "bytes "), "%d-", &start); err != nil || start != len(going.data) {
				return refuse(http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "The next part begins at %d.", len(going.data))
			}
		}
		going.data, kept = append(going.data, part...), true
		location(q.upload)
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(len(going.data)-1, 0)))
		w.WriteHeader(http.StatusAccepted)
		return nil
	case http.MethodGet:
		location(q.upload)
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(len(going.data)-1, 0)))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "The emulator's registry has no %s here.", q.Method)
}

// finish stores a complete blob.
func (s *Service) finish(w http.ResponseWriter, q *request, of *repository, whole []byte) error {
	digest := q.URL.Query().Get("digest")
	hash, err := v1.NewHash(digest)
	if err != nil {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "The digest %q is none.", digest)
	}
	if got, _, _ := v1.SHA256(bytes.NewReader(whole)); got != hash {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "The digest of what was uploaded is %s.", got)
	}
	switch err := of.blobs.Put(q.Context(), of.name, hash, io.NopCloser(bytes.NewReader(whole))); {
	case errors.Is(err, errFull):
		return refuse(http.StatusInsufficientStorage, "TOOMANYREQUESTS", "%s", err)
	case err != nil:
		return err
	}
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Location", "/v2/"+of.name+"/blobs/"+digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}
