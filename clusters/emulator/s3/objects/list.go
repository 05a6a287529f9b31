package objects

import (
	"slices"
	"strings"
)

// List says which keys of a bucket to list.
type List struct {
	Prefix, Delimiter string
	// After is the key or common prefix after which the page begins; "" for the first page.
	After string
	// Max is how many keys and common prefixes to return.
	Max int
}

// Item is one entry of a listing: a version or a common prefix.
type Item struct {
	*Version
	// Latest is set for the latest version of its key.
	Latest bool
	// Prefix is set, and Version is not, for a common prefix.
	Prefix string
}

// Page of a listing.
type Page struct {
	Items []Item
	// Truncated says that there is more after the last item.
	Truncated bool
}

// beyond returns a text that is greater than every key with the prefix: keys are UTF-8, which has no byte 0xFF.
func beyond(prefix string) string { return prefix + "\xff" }

// common returns the common prefix that replaces key in the listing (API_ListObjectsV2, Delimiter).
func (l *List) common(key string) (prefix string, ok bool) {
	if l.Delimiter == "" {
		return "", false
	}
	rest := key[len(l.Prefix):]
	at := strings.Index(rest, l.Delimiter)
	if at < 0 {
		return "", false
	}
	return key[:len(l.Prefix)+at+len(l.Delimiter)], true
}

// start is where the listing begins. A listing after a common prefix begins after all keys of that prefix.
func (l *List) start() string {
	switch {
	case l.After == "" || l.After < l.Prefix:
		return l.Prefix
	case l.afterCommon():
		return beyond(l.After)
	}
	return l.After + "\x00"
}

// afterCommon says whether After is a common prefix.
func (l *List) afterCommon() bool {
	if !strings.HasPrefix(l.After, l.Prefix) {
		return false
	}
	prefix, ok := l.common(l.After)
	return ok && prefix == l.After
}

// iterator is the part of an ordered map's iterator that walk uses.
type iterator interface {
	Seek(key string) bool
	Next() bool
	Key() string
}

// walk goes through the keys of a listing from start on. It calls visit for each key, and rollUp once for all keys with a common
// prefix. The walk ends when either returns false.
func (l *List) walk(keys iterator, start string, visit func(key string) bool, rollUp func(prefix string) bool) {
	for found := keys.Seek(start); found; {
		key, _, _ := strings.Cut(keys.Key(), "\x00") // the upload's ID follows the NUL
		if !strings.HasPrefix(key, l.Prefix) {
			return
		}
		if prefix, ok := l.common(key); ok {
			if !rollUp(prefix) {
				return
			}
			found = keys.Seek(beyond(prefix))
			continue
		}
		if !visit(key) {
			return
		}
		found = keys.Next()
	}
}

// add appends an item, or notes that the page is full and there is more.
func (p *Page) add(item Item, limit int) bool {
	if len(p.Items) == limit {
		p.Truncated = limit > 0 // a page of limit 0 is complete
		return false
	}
	p.Items = append(p.Items, item)
	return true
}

// liveKeys skips keys whose latest version is a delete marker.
type liveKeys struct{ versionIterator }

type versionIterator interface {
	iterator
	Value() []*Version
}

func (k liveKeys) Seek(key string) bool { return k.skip(k.versionIterator.Seek(key)) }
func (k liveKeys) Next() bool           { return k.skip(k.versionIterator.Next()) }

func (k liveKeys) skip(found bool) bool {
	for found && latest(k.Value()).DeleteMarker {
		found = k.versionIterator.Next()
	}
	return found
}

// List lists the latest versions of keys. It fails with ErrNoSuchBucket.
func (s *Store) List(bucketName string, list List) (Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(bucketName)
	if err != nil {
		return Page{}, err
	}
	var page Page
	all := b.keys.Iter()
	keys := liveKeys{&all}
	list.walk(keys, list.start(),
		func(string) bool { return page.add(Item{Version: latest(keys.Value()), Latest: true}, list.Max) },
		func(prefix string) bool { return page.add(Item{Prefix: prefix}, list.Max) })
	return page, nil
}

// ListVersions lists versions and delete markers, by key and then from the newest to the oldest. If afterVersion is not "", the
// listing begins within the key list.After, after that version. It fails with ErrNoSuchBucket.
func (s *Store) ListVersions(bucketName string, list List, afterVersion string) (Page, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.find(bucketName)
	if err != nil {
		return Page{}, err
	}
	var page Page
	start := list.start()
	if afterVersion != "" {
		start = max(list.After, list.Prefix)
	}
	keys := b.keys.Iter()
	list.walk(&keys, start,
		func(key string) bool {
			versions := keys.Value()
			end := len(versions)
			if key == list.After {
				// An unknown version skips the rest of its key.
				end = max(indexOf(versions, afterVersion), 0)
			}
			for at, v := range slices.Backward(versions[:end]) {
				if !page.add(Item{Version: v, Latest: at == len(versions)-1}, list.Max) {
					return false
				}
			}
			return true
		},
		func(prefix string) bool { return page.add(Item{Prefix: prefix}, list.Max) })
	return page, nil
}
