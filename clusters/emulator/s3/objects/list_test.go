package objects

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func names(items []Item) []string {
	var found []string
	for _, item := range items {
		if item.Version == nil {
			found = append(found, item.Prefix+"*")
		} else {
			found = append(found, item.Key)
		}
	}
	return found
}

// The rows of API_ListObjectsV2's and API_ListObjects' parameters.
func TestList(t *testing.T) {
	s := open(t, Tables{})
	create(t, s, "bucket")
	for _, key := range []string{"a", "a/b", "a/c", "a0", "photos/2006/January/sample.jpg", "photos/2006/February/1.jpg", "photos/x", "ü", "z//y", "/lead"} {
		put(t, s, key, "")
	}
	for _, test := range []struct {
		list      List
		want      string
		truncated bool
	}{
		// "sorted in UTF-8 binary order": the umlaut comes last, "/" before "0".
		{List{Max: 1000}, "/lead a a/b a/c a0 photos/2006/February/1.jpg photos/2006/January/sample.jpg photos/x z//y ü", false},
		{List{Max: 1000, Delimiter: "/"}, "/* a a/* a0 photos/* z/* ü", false},
		{List{Max: 1000, Delimiter: "/", Prefix: "photos/"}, "photos/2006/* photos/x", false},
		{List{Max: 1000, Delimiter: "/", Prefix: "photos/2006"}, "photos/2006/*", false},
		{List{Max: 1000, Delimiter: "2006", Prefix: ""}, "/lead a a/b a/c a0 photos/2006* photos/x z//y ü", false},
		{List{Max: 1000, Delimiter: "/", Prefix: "z/"}, "z//*", false},
		{List{Max: 1000, Prefix: "a"}, "a a/b a/c a0", false},
		{List{Max: 1000, Prefix: "b"}, "", false},
		// Common prefixes count like keys, and the rest of one is not listed again.
		{List{Max: 2, Delimiter: "/"}, "/* a", true},
		{List{Max: 2, Delimiter: "/", After: "a"}, "a/* a0", true},
		{List{Max: 2, Delimiter: "/", After: "a/"}, "a0 photos/*", true},
		{List{Max: 2, Delimiter: "/", After: "photos/"}, "z/* ü", false},
		{List{Max: 2, Prefix: "photos/", After: "a"}, "photos/2006/February/1.jpg photos/2006/January/sample.jpg", true},
		{List{Max: 2, Prefix: "photos/", After: "q"}, "", false},
		{List{Max: 2, After: "a/b"}, "a/c a0", true},
		{List{Max: 2, After: "a/bb"}, "a/c a0", true},
		{List{Max: 2, Prefix: "a/longer than what follows", After: "b", Delimiter: "/"}, "", false},
		{List{Max: 4, Prefix: "a"}, "a a/b a/c a0", false},
		{List{Max: 0}, "", false},
	} {
		page := must[Page](t)(s.List("bucket", test.list))
		if got := strings.Join(names(page.Items), " "); got != test.want || page.Truncated != test.truncated {
			t.Errorf("%+v: %q %t, want %q %t", test.list, got, page.Truncated, test.want, test.truncated)
		}
	}
}

// The pages together are the whole listing, for every page size. A simple implementation of the documentation gives the same
// listing.
func TestPages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	for range 300 {
		s := open(t, Tables{})
		create(t, s, "bucket")
		version(t, s, Enabled)
		var keys []string
		for range random.IntN(25) {
			var key strings.Builder
			for range 1 + random.IntN(5) {
				key.WriteString(pick("a", "b", "/", "-", "ü", "a/", "\U0010FFFF"))
			}
			put(t, s, key.String(), "")
			if random.IntN(5) == 0 {
				must[Deleted](t)(s.Delete("bucket", key.String(), ""))
				keys = slices.DeleteFunc(keys, func(k string) bool { return k == key.String() })
			} else {
				keys = append(keys, key.String())
			}
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		list := List{Prefix: pick("", "", "a", "a/", "ü"), Delimiter: pick("", "/", "-", "a/"), Max: 1 + random.IntN(4)}
		var want []string
		for _, key := range keys {
			if !strings.HasPrefix(key, list.Prefix) {
				continue
			}
			if before, _, found := strings.Cut(key[len(list.Prefix):], list.Delimiter); found && list.Delimiter != "" {
				key = list.Prefix + before + list.Delimiter + "*"
			}
			if !slices.Contains(want, key) {
				want = append(want, key)
			}
		}
		var got []string
		for {
			page := must[Page](t)(s.List("bucket", list))
			got = append(got, names(page.Items)...)
			if !page.Truncated {
				break
			}
			last := page.Items[len(page.Items)-1]
			if list.After = last.Prefix; last.Version != nil {
				list.After = last.Key
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("keys %q\n%+v\ngot  %q\nwant %q", keys, list, got, want)
		}
	}
}

func TestListVersions(t *testing.T) {
	// API_ListObjectVersions.
	s := open(t, Tables{})
	create(t, s, "bucket")
	put(t, s, "a", "null")
	version(t, s, Enabled)
	put(t, s, "a", "1")
	put(t, s, "a", "2")
	put(t, s, "b/x", "3")
	put(t, s, "b/y", "4")
	must[Deleted](t)(s.Delete("bucket", "c", ""))
	show := func(page Page) string {
		var shown []string
		for _, item := range page.Items {
			switch {
			case item.Version == nil:
				shown = append(shown, item.Prefix+"*")
			case item.DeleteMarker:
				shown = append(shown, item.Key+"=marker")
			default:
				shown = append(shown, item.Key+"="+string(item.Data))
			}
			if item.Latest {
				shown[len(shown)-1] += "!"
			}
		}
		return strings.Join(shown, " ")
	}
	for _, test := range []struct {
		list List
		want string
	}{
		{List{Max: 10}, "a=2! a=1 a=null b/x=3! b/y=4! c=marker!"},
		{List{Max: 10, Delimiter: "/"}, "a=2! a=1 a=null b/* c=marker!"},
		{List{Max: 10, Prefix: "b"}, "b/x=3! b/y=4!"},
		{List{Max: 10, After: "a"}, "b/x=3! b/y=4! c=marker!"},
		{List{Max: 10, After: "b/", Delimiter: "/"}, "c=marker!"},
		{List{Max: 2}, "a=2! a=1"},
		{List{Max: 0}, ""},
	} {
		page := must[Page](t)(s.ListVersions("bucket", test.list, ""))
		if got := show(page); got != test.want || page.Truncated != (test.list.Max == 2) {
			t.Errorf("%+v: %q %t, want %q", test.list, got, page.Truncated, test.want)
		}
	}
	// Page by page.
	for size := 1; size < 7; size++ {
		var pages []string
		list, after := List{Max: size}, ""
		for {
			page := must[Page](t)(s.ListVersions("bucket", list, after))
			pages = append(pages, show(page))
			if !page.Truncated {
				break
			}
			last := page.Items[len(page.Items)-1]
			list.After, after = last.Key, last.ID
		}
		if got := strings.Join(pages, " "); got != "a=2! a=1 a=null b/x=3! b/y=4! c=marker!" {
			t.Errorf("pages of %d: %s", size, got)
		}
	}
	if got := show(must[Page](t)(s.ListVersions("bucket", List{Max: 10, After: "a"}, "no such version"))); got != "b/x=3! b/y=4! c=marker!" {
		t.Errorf("after an unknown version: %s", got)
	}
}

func TestListBuckets(t *testing.T) {
	s := open(t, Tables{})
	create(t, s, "b-1", "b-2", "c-1", "a-1")
	if err := s.CreateBucket(Bucket{Name: "b-other", Owner: "210987654321"}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		list BucketList
		want string
		more bool
	}{
		{BucketList{Max: 10}, "a-1 b-1 b-2 c-1", false},
		{BucketList{Max: 4}, "a-1 b-1 b-2 c-1", false},
		{BucketList{Max: 2}, "a-1 b-1", true},
		{BucketList{Max: 2, After: "b-1"}, "b-2 c-1", false},
		{BucketList{Max: 10, Prefix: "b-"}, "b-1 b-2", false},
		{BucketList{Max: 10, Prefix: "b-", After: "b-1"}, "b-2", false},
		{BucketList{Max: 10, Prefix: "b-", After: "c"}, "", false},
	} {
		test.list.Owner = "123456789012"
		found, more := s.Buckets(test.list)
		var got []string
		for _, b := range found {
			got = append(got, b.Name)
		}
		if strings.Join(got, " ") != test.want || more != test.more {
			t.Errorf("%+v: %q %t", test.list, got, more)
		}
	}
}
