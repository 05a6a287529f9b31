package ecr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type anybody struct{}

func (anybody) Authorize(context.Context, string, string, map[string][]string) error { return nil }

// service has a repository "app", and a clock.
func service(t testing.TB, capacity int64) (s *Service, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 11, 28, 7, 0, 0, 0, time.UTC)
	s, err := New(Options{
		Region: "us-west-2", Account: "123456789012", Authorizer: anybody{}, Capacity: capacity, Now: func() time.Time { return at },
		Token: func(context.Context, time.Time) (string, error) { return "password", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, s, "CreateRepository", `{"repositoryName":"app"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	return s, &at
}

// ask sends a request to the API.
func ask(t testing.TB, s *Service, operation, body string) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target+operation)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// send sends a request to the registry. headers are pairs.
func send(t testing.TB, s *Service, method, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), method, path, bytes.NewReader(body))
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	w := httptest.NewRecorder()
	s.ServeRegistry(w, r)
	return w
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

const uploadsPath = "/v2/app/blobs/uploads/"

// TestUploads goes through https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-blobs.
func TestUploads(t *testing.T) {
	const all = 1 << 20
	s, now := service(t, all)
	begin := func() string {
		t.Helper()
		w := send(t, s, http.MethodPost, uploadsPath, nil)
		if w.Code != http.StatusAccepted {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w.Header().Get("Location")
	}
	want := func(w *httptest.ResponseRecorder, status int, code string) {
		t.Helper()
		if w.Code != status || !strings.Contains(w.Body.String(), code) {
			t.Errorf("%d %s, want %d %s", w.Code, w.Body, status, code)
		}
	}
	data := []byte("some layer")
	// In one request, in one part, in several parts, and with the last part in the closing request.
	want(send(t, s, http.MethodPost, uploadsPath+"?digest="+digestOf(data), data), http.StatusCreated, "")
	location := begin()
	want(send(t, s, http.MethodPatch, location, data[:4], "Content-Range", "0-3"), http.StatusAccepted, "")
	want(send(t, s, http.MethodPatch, location, data[5:], "Content-Range", "5-9"), http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
	want(send(t, s, http.MethodPatch, location, data[4:6], "Content-Range", "4-5"), http.StatusAccepted, "")
	if w := send(t, s, http.MethodGet, location, nil); w.Code != http.StatusNoContent || w.Header().Get("Range") != "0-5" {
		t.Errorf("%d %q", w.Code, w.Header().Get("Range"))
	}
	want(send(t, s, http.MethodPut, location+"?digest="+digestOf(data), data[6:]), http.StatusCreated, "")
	want(send(t, s, http.MethodPut, location+"?digest="+digestOf(data), data), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	if w := send(t, s, http.MethodGet, "/v2/app/blobs/"+digestOf(data), nil); w.Code != http.StatusOK || w.Body.String() != string(data) {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	for asked, part := range map[string]string{"bytes=5-": "layer", "bytes=0-3": "some", "bytes=5-999": "layer", "bytes=-2": "er"} {
		if w := send(t, s, http.MethodGet, "/v2/app/blobs/"+digestOf(data), nil, "Range", asked); w.Code != http.StatusPartialContent || w.Body.String() != part {
			t.Errorf("range %s: %d %q", asked, w.Code, w.Body)
		}
	}
	want(send(t, s, http.MethodPut, begin()+"?digest="+digestOf([]byte("other")), data), http.StatusBadRequest, "DIGEST_INVALID")
	want(send(t, s, http.MethodPut, begin()+"?digest=md5:1", data), http.StatusBadRequest, "DIGEST_INVALID")
	cancelled := begin()
	want(send(t, s, http.MethodDelete, cancelled, nil), http.StatusNoContent, "")
	want(send(t, s, http.MethodPatch, cancelled, data), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	// A blob without room is refused, and takes no space.
	want(send(t, s, http.MethodPatch, begin(), make([]byte, all)), http.StatusInsufficientStorage, "full")
	// An idle upload is forgotten when the next one begins.
	forgotten := begin()
	want(send(t, s, http.MethodPatch, forgotten, make([]byte, 1000)), http.StatusAccepted, "")
	*now = now.Add(uploadLife + time.Second)
	begin()
	want(send(t, s, http.MethodPatch, forgotten, data), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	if s.space.free != all-int64(len(data)) {
		t.Errorf("%d bytes are free of %d with %d in use", s.space.free, all, len(data))
	}
	for range maxUploads {
		send(t, s, http.MethodPost, uploadsPath, nil)
	}
	want(send(t, s, http.MethodPost, uploadsPath, nil), http.StatusTooManyRequests, "TOOMANYREQUESTS")
}

// TestManifests: an image's blobs must exist, and their space is released.
func TestManifests(t *testing.T) {
	const (
		all       = 1 << 20
		mediaType = "application/vnd.oci.image.manifest.v1+json"
	)
	s, _ := service(t, all)
	blob := []byte("{}")
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":%q},"layers":[]}`, mediaType, digestOf(blob))
	put := func(reference string, body []byte) *httptest.ResponseRecorder {
		return send(t, s, http.MethodPut, "/v2/app/manifests/"+reference, body, "Content-Type", mediaType)
	}
	if w := put("v1", manifest); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "BLOB_UNKNOWN") {
		t.Errorf("without its blob: %d %s", w.Code, w.Body)
	}
	send(t, s, http.MethodPost, uploadsPath+"?digest="+digestOf(blob), blob)
	for name, row := range map[string]struct {
		reference, body string
		status          int
		code            string
	}{
		"no JSON":            {"v1", "{", http.StatusBadRequest, "MANIFEST_INVALID"},
		"another's digest":   {digestOf(blob), string(manifest), http.StatusBadRequest, "DIGEST_INVALID"},
		"by its tag":         {"v1", string(manifest), http.StatusCreated, ""},
		"by its digest":      {digestOf(manifest), string(manifest), http.StatusCreated, ""},
		"larger than it may": {"v1", strings.Repeat(" ", maxManifest+1), http.StatusRequestEntityTooLarge, "SIZE_INVALID"},
	} {
		if w := put(row.reference, []byte(row.body)); w.Code != row.status || !strings.Contains(w.Body.String(), row.code) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	used := int64(len(blob) + len(manifest))
	if s.space.free != all-used {
		t.Errorf("%d bytes are in use, want %d", all-s.space.free, used)
	}
	if _, body := ask(t, s, "DescribeImages", `{"repositoryName":"app"}`); !strings.Contains(body, `"imageTags":["v1"]`) || !strings.Contains(body, fmt.Sprintf(`"imageSizeInBytes":%d`, used)) {
		t.Errorf("images: %s", body)
	}
	if w := send(t, s, http.MethodDelete, "/v2/app/manifests/v1", nil); w.Code != http.StatusAccepted {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if s.space.free != all {
		t.Errorf("%d bytes are in use without an image", all-s.space.free)
	}
	send(t, s, http.MethodPost, uploadsPath+"?digest="+digestOf(blob), blob)
	put("v1", manifest)
	if status, body := ask(t, s, "DeleteRepository", `{"repositoryName":"app","force":true}`); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if s.space.free != all {
		t.Errorf("%d bytes are in use without a repository", all-s.space.free)
	}
}

// FuzzRegistry: no request makes the registry fail.
func FuzzRegistry(f *testing.F) {
	f.Add(http.MethodPut, "/v2/app/manifests/v1", "{}", "application/vnd.oci.image.manifest.v1+json")
	f.Add(http.MethodPut, "/v2/app/manifests/v1", `{"manifests":[{"digest":"sha256:00"}]}`, "application/vnd.oci.image.index.v1+json")
	f.Add(http.MethodPost, "/v2/app/blobs/uploads/?digest=sha256:0", "x", "")
	f.Add(http.MethodGet, "/v2/app/tags/list?n=-1", "", "bytes=-1")
	f.Add(http.MethodDelete, "/v2/app/manifests/sha256:0", "", "")
	s, _ := service(f, 1<<20)
	f.Fuzz(func(t *testing.T, method, path, body, header string) {
		if strings.ContainsAny(method+path, " \r\n\t\x00") || !strings.HasPrefix(path, "/") {
			return
		}
		r, err := http.NewRequestWithContext(context.Background(), method, "http://localhost"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		r.Header.Set("Content-Type", header)
		r.Header.Set("Range", header)
		r.Header.Set("Content-Range", header)
		w := httptest.NewRecorder()
		s.ServeRegistry(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, path, w.Body)
		}
	})
}
