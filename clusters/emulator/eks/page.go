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
	// macSize is what of a MAC goes into a token: 128 bits.
	macSize = 16
)

// pages makes and checks the tokens that lead from one page of a list to the next. A token belongs
// to the list it came from, filters included, and to this process.
type pages struct{ key []byte }

func newPages() pages {
	key := make([]byte, sha256.Size)
	// It never fails.
	_, _ = rand.Read(key)
	return pages{key}
}

// mac is of the list that the request asks for and the last item that was seen of it.
func (p pages) mac(r *http.Request, seen string) []byte {
	filters := url.Values{}
	for name, values := range r.URL.Query() {
		if name != "maxResults" && name != "nextToken" {
			filters[name] = values
		}
	}
	mac := hmac.New(sha256.New, p.key)
	// Writing to a hash never fails. A query has no NUL, and a path that is not clean no operation.
	_, _ = mac.Write([]byte(r.URL.EscapedPath() + "?" + filters.Encode() + "\x00" + seen))
	return mac.Sum(nil)[:macSize]
}

func (p pages) token(r *http.Request, seen string) string {
	return base64.RawURLEncoding.EncodeToString(append(p.mac(r, seen), seen...))
}

// seen is what the token was made of; false for a token that was not made for the request's list.
func (p pages) seen(r *http.Request, token string) (string, bool) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(data) <= macSize {
		return "", false
	}
	seen := string(data[macSize:])
	// As a text: there is more than one for the same data.
	return seen, hmac.Equal([]byte(token), []byte(p.token(r, seen)))
}

// paginate sorts items by key and cuts the page that maxResults and nextToken ask for out of them. The
// token holds the key of the last item seen, so items that come and go between two pages shift nothing.
func paginate[T any](p pages, r *http.Request, items []T, key func(T) string) (page []T, next *string, err error) {
	query, limit := r.URL.Query(), maxPage
	if query.Has("maxResults") {
		limit, err = strconv.Atoi(query.Get("maxResults"))
		if err != nil || limit < 1 || limit > maxPage {
			return nil, nil, invalidParameter("The parameter maxResults must be between 1 and %d.", maxPage)
		}
	}
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	start := 0
	if token := query.Get("nextToken"); token != "" {
		seen, ok := p.seen(r, token)
		if !ok {
			return nil, nil, invalidParameter("The parameter nextToken is not one that this list returned.")
		}
		start = sort.Search(len(items), func(n int) bool { return key(items[n]) > seen })
	}
	page = items[start:min(start+limit, len(items))]
	if start+limit < len(items) {
		token := p.token(r, key(page[len(page)-1]))
		next = &token
	}
	return page, next, nil
}
