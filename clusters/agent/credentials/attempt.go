package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	"github.com/aws/aws-sdk-go-v2/service/eksauth/types"
	smithytime "github.com/aws/smithy-go/time"
)

// attemptClient is an HTTP client whose requests end after timeout, with the reading of the answer. http.Client's own
// Timeout needs a goroutine for each request in progress.
type attemptClient struct {
	next    aws.HTTPClient
	timeout time.Duration
}

func (c attemptClient) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), c.timeout)
	response, err := c.next.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = cancelingBody{response.Body, cancel}
	return response, nil
}

type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b cancelingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// errPrepared ends a call of the SDK when it would send its request.
var errPrepared = errors.New("request is prepared")

// prepared keeps the request that the SDK would send.
type prepared struct {
	request *http.Request
	body    []byte
}

func (p *prepared) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.request, p.body = r, body
	return nil, errPrepared
}

// prepare returns the signed request of the SDK's first attempt.
func (c *Client) prepare(ctx context.Context, in *eksauth.AssumeRoleForPodIdentityInput) (request *http.Request, err error) {
	c.workers.run(func() {
		var p prepared
		_, err = c.api.AssumeRoleForPodIdentity(ctx, in, once(&p))
		if errors.Is(err, errPrepared) {
			p.request.Body = io.NopCloser(bytes.NewReader(p.body)) // the SDK closes its own
			request, err = p.request.WithContext(ctx), nil
		}
	})
	return request, err
}

// decode reads an answer of EKS Auth that is no refusal. The SDK takes three times as long. It is used if the answer does
// not have the expected form.
func (c *Client) decode(ctx context.Context, in *eksauth.AssumeRoleForPodIdentityInput, answer *answer) (out *eksauth.AssumeRoleForPodIdentityOutput, err error) {
	c.workers.run(func() {
		if out = granted(answer.body); out == nil {
			out, err = c.api.AssumeRoleForPodIdentity(ctx, in, once(&attempted{answer: answer}))
		}
	})
	return out, err
}

// granted returns the part of an answer that Fetch needs, or nil.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html.
func granted(body []byte) *eksauth.AssumeRoleForPodIdentityOutput {
	var read struct {
		Credentials struct {
			AccessKeyID     string  `json:"accessKeyId"`
			SecretAccessKey string  `json:"secretAccessKey"`
			SessionToken    string  `json:"sessionToken"`
			Expiration      float64 `json:"expiration"` // seconds since 1970
		} `json:"credentials"`
		AssumedRoleUser struct {
			ARN string `json:"arn"`
		} `json:"assumedRoleUser"`
	}
	err := json.Unmarshal(body, &read)
	got := &read.Credentials
	if err != nil || got.AccessKeyID == "" || got.SecretAccessKey == "" || got.SessionToken == "" || got.Expiration <= 0 || read.AssumedRoleUser.ARN == "" {
		return nil
	}
	return &eksauth.AssumeRoleForPodIdentityOutput{
		Credentials: &types.Credentials{
			AccessKeyId: &got.AccessKeyID, SecretAccessKey: &got.SecretAccessKey, SessionToken: &got.SessionToken,
			Expiration: aws.Time(smithytime.ParseEpochSeconds(got.Expiration)),
		},
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &read.AssumedRoleUser.ARN},
	}
}

// once is an option for an SDK call that makes one attempt, with client.
func once(client aws.HTTPClient) func(*eksauth.Options) {
	return func(o *eksauth.Options) {
		o.HTTPClient = client
		o.Retryer = noRetryer{o.Retryer}
	}
}

// noRetryer is a Retryer that allows no further attempt.
type noRetryer struct{ aws.Retryer }

func (noRetryer) IsErrorRetryable(error) bool { return false }

// resume lets the SDK continue after a failed attempt. It may make further attempts.
func (c *Client) resume(ctx context.Context, in *eksauth.AssumeRoleForPodIdentityInput, answer *answer, failed error) (*eksauth.AssumeRoleForPodIdentityOutput, error) {
	return c.api.AssumeRoleForPodIdentity(ctx, in, func(o *eksauth.Options) {
		o.HTTPClient = &attempted{answer: answer, err: failed, later: c.http}
	})
}

// answer is a complete answer of EKS Auth.
type answer struct {
	response *http.Response
	body     []byte
}

// attempted gives the SDK an existing result as that of its first attempt.
type attempted struct {
	answer *answer
	err    error // nil if there is an answer
	done   bool
	later  aws.HTTPClient
}

func (a *attempted) Do(request *http.Request) (*http.Response, error) {
	if a.done {
		return a.later.Do(request)
	}
	a.done = true
	if a.err != nil {
		return nil, a.err
	}
	a.answer.response.Body = io.NopCloser(bytes.NewReader(a.answer.body))
	return a.answer.response, nil
}

// assume calls EKS Auth as c.api does, but needs little memory while it waits for the answer of its first attempt. The
// SDK's middleware needs a stack of 32 KiB, which a goroutine that waits inside it keeps.
func (c *Client) assume(ctx context.Context, in *eksauth.AssumeRoleForPodIdentityInput) (*eksauth.AssumeRoleForPodIdentityOutput, error) {
	request, err := c.prepare(ctx, in)
	if err != nil {
		return nil, err
	}
	answer, err := c.first(request)
	if err != nil || answer.response.StatusCode != http.StatusOK {
		return c.resume(ctx, in, answer, err)
	}
	return c.decode(ctx, in, answer)
}

// first makes an attempt and reads its whole answer.
func (c *Client) first(request *http.Request) (*answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	return &answer{response, body}, nil
}
