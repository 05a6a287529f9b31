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
	MaxTimes  = 20_000 // requests that one Request stands for
	MaxAtOnce = 1_000
)

// Batch is a list of requests that the probe makes in one go.
type Batch struct {
	Requests []Request `json:"requests"`
	// Together makes all requests at the same time, instead of one after the other.
	Together bool `json:"together,omitempty"`
	// UntilStopped ends what is still to be asked when a byte comes on standard input, or its end.
	UntilStopped bool `json:"untilTold,omitempty"`
}

// Request is an HTTP request, or many alike. It follows no redirect and uses no proxy.
type Request struct {
	// Method is GET if empty.
	Method string `json:"method,omitempty"`
	URL    string `json:"url"`
	// Header fields; "Host" is what the request says that it was sent to.
	Header map[string]string `json:"header,omitempty"`
	// Token is the whole Authorization header: a secret, which therefore comes by standard input and
	// in no answer.
	Token string `json:"token,omitempty"`
	// TokenFile, if set, is read for each request in place of Token, as SDKs do.
	TokenFile string `json:"tokenFile,omitempty"`
	Body      string `json:"body,omitempty"`
	// Times is how often; 0 means once.
	Times int `json:"times,omitempty"`
	// AtOnce is how many of Times are under way at once; 0 means one.
	AtOnce int `json:"atOnce,omitempty"`
	// Every is the time from one to the next of those that are not at once.
	Every time.Duration `json:"every,omitempty"`
	// KeepAlive uses a connection again; otherwise each request has one of its own.
	KeepAlive bool `json:"keepAlive,omitempty"`
	// WithoutHost sends the request as HTTP/1.0 and without a Host header, on a connection of its own.
	WithoutHost bool `json:"withoutHost,omitempty"`
	// Identify asks AWS whose the credentials are that were answered.
	Identify bool `json:"identify,omitempty"`
	// Timeout of one request; 0 means 5 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Answer to one request.
type Answer struct {
	Response
	// At is when the request began, from the beginning of the batch; Took is until its answer ended.
	At   time.Duration `json:"at"`
	Took time.Duration `json:"took"`
	// Reused says that the connection had served a request before.
	Reused bool `json:"reused,omitempty"`
	// RepeatsToken says that the answer has the token of the request in it, or a part or an encoding of
	// it. The token itself is redacted from Body.
	RepeatsToken bool `json:"repeatsToken,omitempty"`
	// Credentials are in the answer, if it has some: their fingerprints.
	Credentials *Credentials `json:"credentials,omitempty"`
	// Identity of the credentials, where it was asked for.
	Identity *Identity `json:"identity,omitempty"`
}

// Credentials of a container-credentials answer: fingerprints distinguish secrets, and find them where
// they must not be, without giving them away.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyID"`
	SecretAccessKey string `json:"secretAccessKey"`
	Token           string `json:"token"`
	// Pieces of the two secrets above, by which parts of them are found in a text.
	Pieces Pieces `json:"pieces"`
	// AccountID and Expiration are no secrets.
	AccountID  string    `json:"accountID"`
	Expiration time.Time `json:"expiration"`
	// Left is how long they were still good when the answer had come.
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
