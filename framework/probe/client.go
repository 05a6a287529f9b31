package probe

import (
	"encoding/json"
	"time"
)

// Refresh is what one client got when it was asked for credentials several times.
type Refresh struct {
	// AccessKeyIDs as each answer had them, with their middle left out.
	AccessKeyIDs []string `json:"accessKeyIDs"`
	Failure      *Failure `json:"failure,omitempty"`
}

// ClientRun is one run of an AWS client's program by `epi-probe client`.
type ClientRun struct {
	// Output is what the program printed: an Identity, an Object or a Refresh.
	Output json.RawMessage `json:"output,omitempty"`
	// Took is its time, in nanoseconds; Late says that it did not end by itself in time.
	Took time.Duration `json:"took"`
	Late bool          `json:"late,omitempty"`
	// Broken says how it ended without a result, with the end of its output.
	Broken string `json:"broken,omitempty"`
	// Endpoint is what the credentials endpoint saw, where the run had one of its own.
	Endpoint *Endpoint `json:"endpoint,omitempty"`
}

// Where `epi-probe client` lets its own credentials endpoint listen.
const (
	AtLoopback = "loopback"  // http on 127.0.0.1, which clients trust
	AtPod      = "pod"       // http on the container's own address, which they do not
	AtPodHTTPS = "pod-https" // https on the same, which they trust
)

// Endpoint is what a credentials endpoint was asked.
type Endpoint struct {
	// Connections counts also those on which nothing could be asked, as with https.
	Connections int `json:"connections"`
	// Requests in the order of their coming.
	Requests []EndpointRequest `json:"requests"`
}

// Tokens are those of the requests.
func (e Endpoint) Tokens() []string {
	tokens := make([]string, 0, len(e.Requests))
	for _, request := range e.Requests {
		tokens = append(tokens, request.Token)
	}
	return tokens
}

// EndpointRequest is one request for credentials.
type EndpointRequest struct {
	// Token is FileToken and the number of the token, counted from 1, VariableToken, NoToken or OtherToken.
	Token string `json:"token"`
	// Status that it was answered with.
	Status int `json:"status"`
}

// Which token a request carried. The endpoint puts another token into the file with each answer.
const (
	FileToken     = "file "    // and its number
	VariableToken = "variable" // what AWS_CONTAINER_AUTHORIZATION_TOKEN has
	NoToken       = "none"
	OtherToken    = "other"
)

// Refusal is what the endpoint says in plain text, as the agent does, when it refuses.
const Refusal = "epi-endpoint refuses this token"
