package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// CommandAsk is `epi-probe ask`: a Batch as JSON on standard input, the Answers on standard output.
const CommandAsk = "ask"

// Bounds of a Batch.
const (
	MaxTimes  = 20_000 // the number of requests that one Request stands for
	MaxAtOnce = 1_000
)

// Batch is a list of requests that the probe makes in one command.
type Batch struct {
	Requests []Request `json:"requests"`
	// Together makes all requests at the same time, instead of one after the other.
	Together bool `json:"together,omitempty"`
	// UntilStopped ends the requests that are still to be made when standard input has a byte, or ends.
	UntilStopped bool `json:"untilTold,omitempty"`
}

// Request is an HTTP request, or several equal ones. It follows no redirect and uses no proxy.
type Request struct {
	// Method is GET if empty.
	Method string `json:"method,omitempty"`
	URL    string `json:"url"`
	// Header has the fields. "Host" is the host that the request names.
	Header map[string]string `json:"header,omitempty"`
	// Token is the whole Authorization header. It is a secret, so it comes from standard input and is in no answer.
	Token string `json:"token,omitempty"`
	// TokenFile, if set, is read for each request in place of Token, as SDKs do.
	TokenFile string `json:"tokenFile,omitempty"`
	Body      string `json:"body,omitempty"`
	// Times is how often; 0 means once.
	Times int `json:"times,omitempty"`
	// AtOnce is the number of simultaneous requests of Times; 0 means one.
	AtOnce int `json:"atOnce,omitempty"`
	// Every is the interval between requests that are not simultaneous.
	Every time.Duration `json:"every,omitempty"`
	// KeepAlive reuses a connection. Otherwise each request has its own.
	KeepAlive bool `json:"keepAlive,omitempty"`
	// WithoutHost sends the request as HTTP/1.0, without a Host header and on its own connection.
	WithoutHost bool `json:"withoutHost,omitempty"`
	// Identify asks AWS for the identity of the credentials in the answer.
	Identify bool `json:"identify,omitempty"`
	// Timeout of one request; 0 means 5 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Answer to one request.
type Answer struct {
	Response
	// At is when the request began, from the beginning of the batch. Took is its duration to the end of the answer.
	At   time.Duration `json:"at"`
	Took time.Duration `json:"took"`
	// Reused says that an earlier request used the connection.
	Reused bool `json:"reused,omitempty"`
	// RepeatsToken says that the answer contains the token of the request, or a part or an encoding of it. The token itself
	// is redacted from Body.
	RepeatsToken bool `json:"repeatsToken,omitempty"`
	// Credentials has the fingerprints of the credentials in the answer, if there are any.
	Credentials *Credentials `json:"credentials,omitempty"`
	// Identity is that of the credentials, if it was requested.
	Identity *Identity `json:"identity,omitempty"`
}

// Credentials of a container-credentials answer. Fingerprints distinguish secrets, and find them in wrong places, without
// revealing them.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyID"`
	SecretAccessKey string `json:"secretAccessKey"`
	Token           string `json:"token"`
	// Pieces are those of the two secrets above, by which parts of them are found in a text.
	Pieces Pieces `json:"pieces"`
	// AccountID and Expiration are no secrets.
	AccountID  string    `json:"accountID"`
	Expiration time.Time `json:"expiration"`
	// Left is their remaining lifetime when the answer had come.
	Left time.Duration `json:"left"`
}

// Fingerprint of a secret that cannot be guessed; "" for none.
func Fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}
