package load

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Null answers every request with status 200 and the same 1 KB of JSON, of the shape and size of an
// agent's credentials, that no service would take. What a generator measures against it is its own.
func Null() http.Handler {
	// The session token has 800 characters, as those of EKS Auth have about.
	body := fmt.Appendf(nil, `{"AccessKeyId":"NULLNULLNULLNULLNULL","SecretAccessKey":%q,"Token":%q,"AccountId":"000000000000","Expiration":%q}`,
		strings.Repeat("x", 40), strings.Repeat("x", 800), time.Now().AddDate(10, 0, 0).UTC().Format(time.RFC3339))
	length := []string{strconv.Itoa(len(body))}
	kind := []string{"application/json"}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"], w.Header()["Content-Length"] = kind, length
		_, _ = w.Write(body) // who asked may be gone
	})
}
