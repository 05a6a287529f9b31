package emulatortest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Request is a request that no SDK would send.
type Request struct {
	// Service is the signing name, such as "eks-auth". Region is the scope's region; "" is the emulator's.
	Service, Region string
	// Method and Path. Path is escaped, with its query if it has one.
	Method, Path string
	Header       http.Header
	Body         string
	// Payload is the value of X-Amz-Content-Sha256; "" is the body's hash.
	Payload string
	// SignedAgo is how long before the emulator's current time it was signed.
	SignedAgo time.Duration
	// Tamper changes the request after it was signed. It may be nil.
	Tamper func(*http.Request)
}

// Send signs the request as a caller, by the emulator's clock, and sends it. An answer with a status from 300 on is an
// error.
func (f *Fixture) Send(ctx context.Context, who *Clients, request Request) error {
	out, err := http.NewRequestWithContext(ctx, request.Method, f.URL+request.Path, strings.NewReader(request.Body))
	if err != nil {
		return err
	}
	for name, values := range request.Header {
		out.Header[http.CanonicalHeaderKey(name)] = values
	}
	if _, anonymous := who.Config.Credentials.(aws.AnonymousCredentials); !anonymous {
		if err := sign(ctx, who, request, out, f); err != nil {
			return err
		}
	}
	if request.Tamper != nil {
		request.Tamper(out)
	}
	response, err := f.HTTP.Do(out)
	if err != nil {
		return err
	}
	_ = response.Body.Close() // the body is not read
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", request.Method, request.Path, response.Status)
	}
	return nil
}

func sign(ctx context.Context, who *Clients, request Request, out *http.Request, f *Fixture) error {
	credentials, err := who.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	payload, region := request.Payload, request.Region
	if payload == "" {
		sum := sha256.Sum256([]byte(request.Body))
		payload = hex.EncodeToString(sum[:])
	}
	if region == "" {
		region = Region
	}
	out.Header.Set("X-Amz-Content-Sha256", payload)
	return v4.NewSigner().SignHTTP(ctx, credentials, out, payload, request.Service, region, f.Now().Add(-request.SignedAgo), func(o *v4.SignerOptions) {
		// S3 signs the path as it is. All others escape it once more.
		o.DisableURIPathEscaping = request.Service == "s3"
	})
}

// Query returns the form of a Query request: an action of IAM or STS, and its parameters as names and values.
func Query(service, action string, parameters map[string]string) Request {
	version := map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service]
	form := url.Values{"Action": {action}, "Version": {version}}
	for name, value := range parameters {
		form.Set(name, value)
	}
	return Request{
		Service: service, Method: http.MethodPost, Path: "/", Body: form.Encode(),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	}
}
