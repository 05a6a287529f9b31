package objects

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/s3/bucketpolicy"
	"github.com/podidentity/epi/clusters/emulator/s3/checksum"
)

// table is a Table in memory, whose writes can be made to fail.
type table struct {
	records map[string][]byte
	// writesLeft is the number of writes that still work; negative for no limit.
	writesLeft int
}

var errFull = errors.New("disk full")

func (t *table) write() error {
	if t.writesLeft == 0 {
		return errFull
	}
	t.writesLeft--
	return nil
}

func (t *table) Put(key string, value []byte) error {
	if err := t.write(); err != nil {
		return err
	}
	t.records[key] = slices.Clone(value)
	return nil
}

func (t *table) Delete(key string) error {
	if err := t.write(); err != nil {
		return err
	}
	delete(t.records, key)
	return nil
}

func (t *table) Each(visit func(key string, value []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(t.records)) {
		if err := visit(key, slices.Clone(t.records[key])); err != nil {
			return err
		}
	}
	return nil
}

func newTable() *table { return &table{records: map[string][]byte{}, writesLeft: -1} }

type disk struct{ buckets, objects, contents, uploads *table }

func newDisk() disk { return disk{newTable(), newTable(), newTable(), newTable()} }

func (d disk) tables() Tables { return Tables{d.buckets, d.objects, d.contents, d.uploads} }

func open(t testing.TB, tables Tables) *Store {
	t.Helper()
	s, err := New(tables, func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func create(t testing.TB, s *Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.CreateBucket(Bucket{Name: name, Owner: "123456789012"}); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t testing.TB, s *Store, key, text string) *Version {
	t.Helper()
	return must[*Version](t)(s.Put("bucket", Version{Key: key, Data: []byte(text), ETag: "etag of " + text}, Condition{}))
}

func version(t testing.TB, s *Store, v Versioning) {
	t.Helper()
	if err := s.UpdateBucket("bucket", func(b *Bucket) { b.Versioning = v }); err != nil {
		t.Fatal(err)
	}
}

// text shows a version of "k": its data, or the error.
func text(s *Store, id string) string {
	v, err := s.Get("bucket", "k", id)
	switch {
	case err != nil:
		return err.Error()
	case v.DeleteMarker:
		return "delete marker"
	}
	return string(v.Data)
}

func wantText(t testing.TB, s *Store, id, want string) {
	t.Helper()
	if got := text(s, id); got != want {
		t.Errorf("version %q: %q, want %q", id, got, want)
	}
}

// The states of a key that Versioning, AddingObjectstoVersioningSuspendedBuckets and
// DeletingObjectsfromVersioningSuspendedBuckets describe.
func TestVersioning(t *testing.T) {
	s := open(t, Tables{})
	create(t, s, "bucket")
	put(t, s, "k", "before")
	if v := put(t, s, "k", "plain"); v.ID != NullVersion {
		t.Errorf("version %q in a bucket that was never versioned", v.ID)
	}
	version(t, s, Enabled)
	first, second := put(t, s, "k", "first"), put(t, s, "k", "second")
	wantText(t, s, "", "second")
	wantText(t, s, first.ID, "first")
	wantText(t, s, NullVersion, "plain")

	marker := must[Deleted](t)(s.Delete("bucket", "k", ""))
	if !marker.Marker || marker.VersionID == "" {
		t.Errorf("deleted %+v", marker)
	}
	wantText(t, s, "", "delete marker")
	if page := must[Page](t)(s.List("bucket", List{Max: 10})); len(page.Items) != 0 {
		t.Errorf("listed %+v", page.Items)
	}
	if gone := must[Deleted](t)(s.Delete("bucket", "k", marker.VersionID)); !gone.Marker || gone.VersionID != marker.VersionID {
		t.Errorf("deleted %+v", gone)
	}
	wantText(t, s, "", "second")
	must[Deleted](t)(s.Delete("bucket", "k", second.ID))
	wantText(t, s, "", "first")
	wantText(t, s, second.ID, ErrNoSuchVersion.Error())

	version(t, s, Suspended)
	put(t, s, "k", "suspended") // replaces "plain" and is the latest
	wantText(t, s, "", "suspended")
	wantText(t, s, NullVersion, "suspended")
	wantText(t, s, first.ID, "first")
	if null := must[Deleted](t)(s.Delete("bucket", "k", "")); !null.Marker || null.VersionID != NullVersion {
		t.Errorf("deleted %+v", null)
	}
	wantText(t, s, NullVersion, "delete marker")
	if err := s.DeleteBucket("bucket"); !errors.Is(err, ErrBucketNotEmpty) {
		t.Errorf("deleting a bucket with versions: %v", err)
	}
	must[Deleted](t)(s.Delete("bucket", "k", NullVersion))
	must[Deleted](t)(s.Delete("bucket", "k", first.ID))
	wantText(t, s, "", ErrNoSuchKey.Error())
	if err := s.DeleteBucket("bucket"); err != nil {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	// conditional-writes.
	s := open(t, Tables{})
	create(t, s, "bucket")
	put(t, s, "there", "x")
	version(t, s, Enabled)
	put(t, s, "deleted", "x")
	must[Deleted](t)(s.Delete("bucket", "deleted", ""))
	for _, test := range []struct {
		key       string
		condition Condition
		want      error
	}{
		{"there", Condition{Absent: true}, ErrPreconditionFailed},
		{"missing", Condition{Absent: true}, nil},
		{"deleted", Condition{Match: "etag of x"}, ErrNoSuchKey},
		{"deleted", Condition{Absent: true}, nil},
		{"there", Condition{Match: "etag of y"}, ErrPreconditionFailed},
		{"never", Condition{Match: "etag of x"}, ErrNoSuchKey},
		{"there", Condition{Match: "etag of x"}, nil},
	} {
		if _, err := s.Put("bucket", Version{Key: test.key, Data: []byte("new"), ETag: "new"}, test.condition); !errors.Is(err, test.want) {
			t.Errorf("%s, %+v: %v", test.key, test.condition, err)
		}
	}
	if _, err := s.Put("bucket", Version{Key: "k", Data: make([]byte, MaxSize+1)}, Condition{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("larger than the maximum: %v", err)
	}
}

// everything is the whole content of a store, as text.
func everything(t *testing.T, s *Store) string {
	t.Helper()
	var all strings.Builder
	buckets, _ := s.Buckets(BucketList{Owner: "123456789012", Max: 100})
	for _, b := range buckets {
		shown := *b
		shown.Policy, shown.PublicAccessBlock = nil, nil
		fmt.Fprintf(&all, "%+v %v\n", shown, b.PublicAccessBlock)
		if b.Policy != nil {
			fmt.Fprintf(&all, "%s %t\n", b.Policy.Text(), b.Policy.Public)
		}
		page := must[Page](t)(s.ListVersions(b.Name, List{Max: 1000}, ""))
		for _, item := range page.Items {
			fmt.Fprintf(&all, "%+v %t\n", *item.Version, item.Latest)
		}
		uploads := must[UploadPage](t)(s.ListUploads(b.Name, List{Max: 1000}, ""))
		for _, u := range uploads.Uploads {
			_, parts, _, err := s.Parts(b.Name, u.Key, u.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&all, "%+v %+v\n", *u, parts)
		}
	}
	return all.String()
}

func TestRestart(t *testing.T) {
	d := newDisk()
	s := open(t, d.tables())
	create(t, s, "bucket", "other")
	policy, err := bucketpolicy.Parse("bucket", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateBucket("bucket", func(b *Bucket) {
		b.Policy, b.Tags, b.Ownership, b.PublicAccessBlock = policy, []Tag{{"a", "b"}}, "ObjectWriter", &PublicAccessBlock{IgnorePublicACLs: true}
	}); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "replaced")
	put(t, s, "k", "null")
	version(t, s, Enabled)
	for n := range 12 { // several, so that their order is not that of the IDs by chance
		put(t, s, "k", fmt.Sprint(n))
	}
	put(t, s, "ü/☃", "")
	must[*Version](t)(s.SetTags("bucket", "k", NullVersion, []Tag{{"team", "blue"}}))
	must[*Version](t)(s.Put("bucket", Version{
		Key: "full", Data: []byte("x"), Fields: []Field{{"Content-Type", "a/b"}}, Tags: []Tag{{"x", "y"}}, StorageClass: "STANDARD_IA",
		Checksum: checksum.CRC32.Of([]byte("x")), Parts: []Part{{Number: 1, Size: 1}},
	}, Condition{}))
	must[Deleted](t)(s.Delete("bucket", "k", ""))
	u := must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: "big", Algorithm: checksum.SHA1, Type: checksum.Composite, Declared: true, Tags: []Tag{{"t", "u"}}}))
	for _, number := range []int{2, 1, 10, 1} {
		must[Part](t)(s.PutPart("bucket", "big", u.ID, Part{Number: number, ETag: fmt.Sprintf("%032x", number)}, []byte(fmt.Sprint("part ", number))))
	}
	aborted := must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: "big"}))
	if err := s.Abort("bucket", "big", aborted.ID); err != nil {
		t.Fatal(err)
	}

	// What a killed process leaves: a content that no record names, and a part without its upload.
	d.contents.records["orphan"] = []byte("x")
	d.uploads.records["gone/00001"] = []byte(`{"bucket":"bucket","key":"big","id":"gone","part":{"number":1}}`)
	again := open(t, d.tables())
	if got, want := everything(t, again), everything(t, s); got != want {
		t.Errorf("after the restart\n%s\nbefore it\n%s", got, want)
	}
	if _, ok := d.contents.records["orphan"]; ok || len(d.uploads.records) != 4 {
		t.Errorf("orphans are kept: %v", slices.Collect(maps.Keys(d.uploads.records)))
	}
	// Contents: 12 versions, null, "full" and three parts.
	if len(d.contents.records) != 17 {
		t.Errorf("%d contents", len(d.contents.records))
	}
	// New versions come after the loaded ones.
	version(t, again, Enabled)
	put(t, again, "k", "newest")
	wantText(t, open(t, d.tables()), "", "newest")
	made := must[*Version](t)(again.Complete("bucket", "big", u.ID, []CompletedPart{{Number: 10, ETag: fmt.Sprintf("%032x", 10)}}, "", Condition{}))
	if string(made.Data) != "part 10" || !reflect.DeepEqual(made.Tags, []Tag{{"t", "u"}}) || len(d.uploads.records) != 0 {
		t.Errorf("completed %+v", made)
	}
	if err := again.DeleteBucket("other"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, d.tables()).Bucket("other"); !errors.Is(err, ErrNoSuchBucket) {
		t.Errorf("a deleted bucket is back: %v", err)
	}
}

func TestUnreadableRecords(t *testing.T) {
	for name, spoil := range map[string]func(disk){
		"a bucket that is no JSON":     func(d disk) { d.buckets.records["bucket"] = []byte("{") },
		"a policy that is none":        func(d disk) { d.buckets.records["bucket"] = []byte(`{"policy":"x"}`) },
		"an object without its bucket": func(d disk) { delete(d.buckets.records, "bucket") },
		"a content that is missing":    func(d disk) { clear(d.contents.records) },
		"an upload with another ID":    func(d disk) { d.uploads.records["x"] = []byte(`{"bucket":"bucket","id":"x","upload":{}}`) },
	} {
		d := newDisk()
		s := open(t, d.tables())
		create(t, s, "bucket")
		put(t, s, "k", "x")
		spoil(d)
		if _, err := New(d.tables(), time.Now); err == nil {
			t.Errorf("%s is loaded", name)
		}
	}
}

// A failed write changes nothing. What it wrote before it failed is gone after a restart.
func TestFailedWrites(t *testing.T) {
	setUp := func() (disk, *Store, string) {
		d := newDisk()
		s := open(t, d.tables())
		create(t, s, "bucket", "empty")
		version(t, s, Enabled)
		put(t, s, "k", "one")
		put(t, s, "gone", "two")
		u := must[*Upload](t)(s.CreateUpload("bucket", Upload{Key: "big", Algorithm: checksum.Default, Type: checksum.FullObject}))
		must[Part](t)(s.PutPart("bucket", "big", u.ID, Part{Number: 1, ETag: "00"}, []byte("part")))
		return d, s, u.ID
	}
	for name, change := range map[string]func(*Store, string) error{
		"CreateBucket": func(s *Store, _ string) error { return s.CreateBucket(Bucket{Name: "new", Owner: "123456789012"}) },
		"UpdateBucket": func(s *Store, _ string) error {
			return s.UpdateBucket("bucket", func(b *Bucket) { b.Ownership = "x" })
		},
		"DeleteBucket": func(s *Store, _ string) error { return s.DeleteBucket("empty") },
		"Put": func(s *Store, _ string) error {
			return second(s.Put("bucket", Version{Key: "k", Data: []byte("new")}, Condition{}))
		},
		"Delete":       func(s *Store, _ string) error { return second(s.Delete("bucket", "k", "")) },
		"SetTags":      func(s *Store, _ string) error { return second(s.SetTags("bucket", "k", "", []Tag{{"a", "b"}})) },
		"CreateUpload": func(s *Store, _ string) error { return second(s.CreateUpload("bucket", Upload{Key: "more"})) },
		"PutPart": func(s *Store, id string) error {
			return second(s.PutPart("bucket", "big", id, Part{Number: 1, ETag: "11"}, []byte("new")))
		},
		"Abort": func(s *Store, id string) error { return s.Abort("bucket", "big", id) },
		"Complete": func(s *Store, id string) error {
			return second(s.Complete("bucket", "big", id, []CompletedPart{{Number: 1, ETag: "00"}}, "", Condition{}))
		},
	} {
		for _, failing := range []string{"all", "objects"} {
			d, s, id := setUp()
			before := everything(t, s)
			d.objects.writesLeft = 0
			if failing == "all" {
				d.buckets.writesLeft, d.contents.writesLeft, d.uploads.writesLeft = 0, 0, 0
			}
			err := change(s, id)
			if err == nil {
				if failing == "all" {
					t.Errorf("%s works without writing", name)
				}
				continue // this one writes no object
			}
			if !errors.Is(err, errFull) {
				t.Errorf("%s: %v", name, err)
			}
			if after := everything(t, s); after != before {
				t.Errorf("%s changed\n%s\ninto\n%s", name, before, after)
			}
			if after := everything(t, open(t, d.tables())); after != before {
				t.Errorf("%s, after a restart:\n%s\nnot\n%s", name, after, before)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
