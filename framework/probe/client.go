package probe

import (
	"encoding/json"
	"time"
)

// Refresh is the result of several requests for credentials by one client.
type Refresh struct {
	// AccessKeyIDs are those of each answer, without their middle.
	AccessKeyIDs []string `json:"accessKeyIDs"`
	Failure      *Failure `json:"failure,omitempty"`
}

// ClientRun is one run of an AWS client's program by `epi-probe client`.
type ClientRun struct {
	// Output is the program's output: an Identity, an Object or a Refresh.
	Output json.RawMessage `json:"output,omitempty"`
	// Took is its duration in nanoseconds. Late says that it did not end by itself in time.
	Took time.Duration `json:"took"`
	Late bool          `json:"late,omitempty"`
	// Broken says how it ended without a result, with the end of its output.
	Broken string `json:"broken,omitempty"`
	// Endpoint is what the credentials endpoint received, if the run had its own.
	Endpoint *Endpoint `json:"endpoint,omitempty"`
}

// The places where the credentials endpoint of `epi-probe client` can listen.
const (
	AtLoopback = "loopback"  // http on 127.0.0.1, which clients trust
	AtPod      = "pod"       // http on the container's own address, which they do not trust
	AtPodHTTPS = "pod-https" // https on the same, which they trust
)

// Endpoint has the requests to a credentials endpoint.
type Endpoint struct {
	// Connections also counts those without a request, as with https.
	Connections int `json:"connections"`
	// Requests are in the order of arrival.
	Requests []EndpointRequest `json:"requests"`
}

// Tokens returns those of the requests.
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
	// Status of the answer.
	Status int `json:"status"`
}

// The kinds of token in a request. The endpoint writes another token into the file with each answer.
const (
	FileToken     = "file "    // and its number
	VariableToken = "variable" // the value of AWS_CONTAINER_AUTHORIZATION_TOKEN
	NoToken       = "none"
	OtherToken    = "other"
)

// Refusal is the endpoint's plain text for a refusal, like the agent's.
const Refusal = "epi-endpoint refuses this token"
