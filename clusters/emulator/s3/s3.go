// Package s3 serves S3 from memory behind the account's authoriser: objects are an S3 server
// library's work, every decision is ours and comes first.
package s3

import (
	"net/http"
	"time"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// Options of the handler.
type Options struct {
	Account *iam.Account
	Region  string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// NewHandler serves S3 for callers from the context; a request without a caller is anonymous and refused.
func NewHandler(options Options) (http.Handler, error) { return http.NotFoundHandler(), nil }

// WriteSignatureError answers a request whose signature was refused, in S3's XML and wording, and
// notes status and code in the journal's call of r.
func WriteSignatureError(w http.ResponseWriter, r *http.Request, err *sigv4.Error) {}
