package objects

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

const etag1, etag2, etag3 = "00000000000000000000000000000001", "00000000000000000000000000000002", "00000000000000000000000000000003"

// begin uploads three parts: the first and the last have the smallest allowed size, the second is smaller.
func begin(t *testing.T, s *Store, algorithm checksum.Algorithm) *Upload {
	t.Helper()
	u := must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: "big", Algorithm: algorithm, Type: algorithm.DefaultType()}))
	for n, etag := range []string{etag1, etag2, etag3} {
		size := MinPartSize
		if n == 1 {
			size = 3
		}
		data := bytes.Repeat([]byte{byte('a' + n)}, size)
		must[Part](t)(s.PutPart("bucket", "big", u.ID, Part{Number: n + 1, ETag: etag, Checksum: algorithm.Of(data)}, data))
	}
	return u
}

func TestComplete(t *testing.T) {
	// API_CompleteMultipartUpload, "Special errors", and qfacts.
	s := open(t, Tables{})
	create(t, s, "bucket")
	u := begin(t, s, checksum.CRC32)
	for name, test := range map[string]struct {
		parts []CompletedPart
		want  string
		err   error
	}{
		"a part that was not uploaded": {[]CompletedPart{{Number: 4, ETag: etag1}}, "", ErrInvalidPart},
		"another ETag":                 {[]CompletedPart{{Number: 1, ETag: etag2}}, "", ErrInvalidPart},
		"another checksum":             {[]CompletedPart{{Number: 1, ETag: etag1, Checksum: "AAAAAA=="}}, "", ErrInvalidPart},
		"descending":                   {[]CompletedPart{{Number: 3, ETag: etag3}, {Number: 1, ETag: etag1}}, "", ErrInvalidPartOrder},
		"a part twice":                 {[]CompletedPart{{Number: 1, ETag: etag1}, {Number: 1, ETag: etag1}}, "", ErrInvalidPartOrder},
		"a small part before the last": {[]CompletedPart{{Number: 1, ETag: etag1}, {Number: 2, ETag: etag2}, {Number: 3, ETag: etag3}}, "", ErrPartTooSmall},
		"another checksum of it all":   {[]CompletedPart{{Number: 1, ETag: etag1}}, "AAAAAA==-1", ErrBadDigest},
	} {
		if _, err := s.Complete("bucket", "big", u.ID, test.parts, test.want, Condition{}); !errors.Is(err, test.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	put(t, s, "big", "in the way")
	all := []CompletedPart{{Number: 1, ETag: etag1}, {Number: 2, ETag: etag2}}
	if _, err := s.Complete("bucket", "big", u.ID, all, "", Condition{Absent: true}); !errors.Is(err, ErrPreconditionFailed) {
		t.Errorf("an object is there: %v", err)
	}
	made := must[*Version](t)(s.Complete("bucket", "big", u.ID, all, "", Condition{}))
	// The MD5 of the MD5s of the parts, as computed by Python.
	if len(made.Data) != MinPartSize+3 || made.ETag != "1ad7dfd342e37e2f608fa6a6aedb29d5-2" || len(made.Parts) != 2 {
		t.Errorf("%d bytes, ETag %s, parts %+v", len(made.Data), made.ETag, made.Parts)
	}
	if made.Checksum.Type != checksum.Composite || !strings.HasSuffix(made.Checksum.Value, "-2") {
		t.Errorf("checksum %+v", made.Checksum)
	}
	if _, err := s.Complete("bucket", "big", u.ID, all, "", Condition{}); !errors.Is(err, ErrNoSuchUpload) {
		t.Errorf("completed twice: %v", err)
	}
	whole := begin(t, s, checksum.CRC64NVME)
	made = must[*Version](t)(s.Complete("bucket", "big", whole.ID, all, checksum.CRC64NVME.Sum(made.Data), Condition{}))
	if made.Checksum != checksum.CRC64NVME.Of(made.Data) {
		t.Errorf("checksum %+v", made.Checksum)
	}
}

func TestUploadsOfOtherKeys(t *testing.T) {
	s := open(t, Tables{})
	create(t, s, "bucket", "other")
	u := must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: "k", Algorithm: checksum.Default}))
	for _, where := range [][2]string{{"bucket", "other"}, {"other", "k"}} {
		if _, err := s.Upload(where[0], where[1], u.ID); !errors.Is(err, ErrNoSuchUpload) {
			t.Errorf("%v: %v", where, err)
		}
		if _, err := s.PutPart(where[0], where[1], u.ID, Part{Number: 1}, nil); !errors.Is(err, ErrNoSuchUpload) {
			t.Errorf("%v: %v", where, err)
		}
		if err := s.Abort(where[0], where[1], u.ID); !errors.Is(err, ErrNoSuchUpload) {
			t.Errorf("%v: %v", where, err)
		}
	}
	// A bucket with an upload can be deleted.
	if err := s.DeleteBucket("bucket"); err != nil {
		t.Error(err)
	}
}

func TestListUploads(t *testing.T) {
	// API_ListMultipartUploads.
	s := open(t, Tables{})
	create(t, s, "bucket")
	ids := map[string]string{}
	for _, name := range []string{"b 1", "a/x 1", "a/y 1", "b 2", "c0 1"} {
		key, _, _ := strings.Cut(name, " ")
		ids[name] = must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: key})).ID
	}
	show := func(page UploadPage) string {
		var shown []string
		for _, u := range page.Uploads {
			for name, id := range ids {
				if id == u.ID {
					shown = append(shown, name)
				}
			}
		}
		return fmt.Sprint(shown, page.Prefixes, page.Truncated)
	}
	for _, test := range []struct {
		list  List
		after string
		want  string
	}{
		{List{Max: 10}, "", "[a/x 1 a/y 1 b 1 b 2 c0 1] [] false"},
		{List{Max: 10, Delimiter: "/"}, "", "[b 1 b 2 c0 1] [a/] false"},
		{List{Max: 10, Delimiter: "0"}, "", "[a/x 1 a/y 1 b 1 b 2] [c0] false"}, // not the zeros in the IDs
		{List{Max: 10, Prefix: "b"}, "", "[b 1 b 2] [] false"},
		{List{Max: 10, After: "a/x"}, "", "[a/y 1 b 1 b 2 c0 1] [] false"},
		{List{Max: 10, After: "b"}, ids["b 1"], "[b 2 c0 1] [] false"},
		{List{Max: 10, After: "a/", Delimiter: "/"}, "", "[b 1 b 2 c0 1] [] false"},
		{List{Max: 10, Prefix: "long prefix", After: "a", Delimiter: "/"}, "", "[] [] false"},
		{List{Max: 3}, "", "[a/x 1 a/y 1 b 1] [] true"},
		{List{Max: 5}, "", "[a/x 1 a/y 1 b 1 b 2 c0 1] [] false"},
		{List{Max: 0}, "", "[] [] false"},
	} {
		if got := show(must[UploadPage](t)(s.ListUploads("bucket", test.list, test.after))); got != test.want {
			t.Errorf("%+v after %q: %s, want %s", test.list, test.after, got, test.want)
		}
	}
}
