package eks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

const (
	maxPage = 100
	// macSize is how much of a MAC is in a token: 128 bits.
	macSize = 16
)

// pages makes and checks the tokens that lead from one page of a list to the next. A token is valid only for the list that
// returned it, with the same filters, and in this process.
type pages struct{ key []byte }

func newPages() pages {
	key := make([]byte, sha256.Size)
	// It never fails.
	_, _ = rand.Read(key)
	return pages{key}
}

// mac covers the list that the request asks for and the last item of the page.
func (p pages) mac(r *http.Request, seen string) []byte {
	filters := url.Values{}
	for name, values := range r.URL.Query() {
		if name != "maxResults" && name != "nextToken" {
			filters[name] = values
		}
	}
	mac := hmac.New(sha256.New, p.key)
	// Writing to a hash never fails. A query has no NUL, and a path that is not clean has no operation.
	_, _ = mac.Write([]byte(r.URL.EscapedPath() + "?" + filters.Encode() + "\x00" + seen))
	return mac.Sum(nil)[:macSize]
}

func (p pages) token(r *http.Request, seen string) string {
	return base64.RawURLEncoding.EncodeToString(append(p.mac(r, seen), seen...))
}

// seen returns the content of the token; false for a token that was not made for the request's list.
func (p pages) seen(r *http.Request, token string) (string, bool) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) <= macSize {
		return "", false
	}
	seen := string(data[macSize:])
	// The texts are compared, because the same data has more than one text.
	return seen, hmac.Equal([]byte(token), []byte(p.token(r, seen)))
}

// page is what maxResults and nextToken ask for.
type page struct {
	limit int
	// after is the key of the last item of the page before; "" for the first page.
	after string
}

func (p pages) page(r *http.Request) (page, error) {
	asked, query := page{limit: maxPage}, r.URL.Query()
	if query.Has("maxResults") {
		var err error
		if asked.limit, err = strconv.Atoi(query.Get("maxResults")); err != nil || asked.limit < 1 || asked.limit > maxPage {
			return page{}, invalidParameter("The parameter maxResults must be between 1 and %d.", maxPage)
		}
	}
	if token := query.Get("nextToken"); token != "" {
		var ok bool
		if asked.after, ok = p.seen(r, token); !ok {
			return page{}, invalidParameter("The parameter nextToken is not one that this list returned.")
		}
	}
	return asked, nil
}

// paginate sorts items by key and cuts the page that maxResults and nextToken ask for out of them. The token holds the key
// of the last item. So items that are added or removed between two pages do not shift the pages.
func paginate[T any](p pages, r *http.Request, items []T, key func(T) string) (found []T, next *string, err error) {
	asked, err := p.page(r)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	start := sort.Search(len(items), func(n int) bool { return key(items[n]) > asked.after })
	found = items[start:min(start+asked.limit, len(items))]
	if start+asked.limit < len(items) {
		token := p.token(r, key(found[len(found)-1]))
		next = &token
	}
	return found, next, nil
}
