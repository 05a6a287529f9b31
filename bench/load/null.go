package load

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Null answers every request with status 200 and the same 1 KB of JSON. It has the form and size of an agent's credentials,
// and no service would accept it. What a generator measures with it is the generator's own part.
func Null() http.Handler {
	// The session token has 800 characters, about as many as EKS Auth's.
	body := fmt.Appendf(nil, `{"AccessKeyId":"NULLNULLNULLNULLNULL","SecretAccessKey":%q,"Token":%q,"AccountId":"000000000000","Expiration":%q}`,
		strings.Repeat("x", 40), strings.Repeat("x", 800), time.Now().AddDate(10, 0, 0).UTC().Format(time.RFC3339))
	length := []string{strconv.Itoa(len(body))}
	kind := []string{"application/json"}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"], w.Header()["Content-Length"] = kind, length
		_, _ = w.Write(body) // the client may have closed the connection
	})
}
