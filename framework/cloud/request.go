package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eksauth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"

	"github.com/podidentity/epi/framework"
)

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 1 << 20

// Request is a request to AWS on the wire, for requests that the SDK would not send, or whose details it hides.
type Request struct {
	// Service is the endpoint's: "eks" or "eks-auth". SignedFor is the service of the signature; "" means Service, and "-"
	// means no signature.
	Service, SignedFor string
	Method, Path       string
	// Body is sent. Signed, if it is not "", is signed in its place.
	Body, Signed string
}

// Answer to a Request. Its body may hold credentials, so no verb prints it.
type Answer struct {
	Status      int
	ContentType string
	// Code of an error; "" for none.
	Code string
	body []byte
}

// Format implements fmt.Formatter.
func (a Answer) Format(state fmt.State, _ rune) {
	// A fmt.State fails only if its writer does, whose caller notices that.
	_, _ = fmt.Fprintf(state, "status %d, Content-Type %q, error code %q", a.Status, a.ContentType, a.Code)
}

// GomegaString implements format.GomegaStringer.
func (a Answer) GomegaString() string { return fmt.Sprint(a) }

// Members are the members of a JSON object in the answer by their path, such as "credentials.expiration", with their kind:
// string, number, boolean, array or null.
func (a Answer) Members() map[string]string {
	members := map[string]string{}
	var object map[string]any
	if json.Unmarshal(a.body, &object) == nil {
		describe(members, "", object)
	}
	return members
}

func describe(members map[string]string, prefix string, object map[string]any) {
	for name, value := range object {
		switch value := value.(type) {
		case map[string]any:
			describe(members, prefix+name+".", value)
		case string:
			members[prefix+name] = "string"
			if value == "" {
				members[prefix+name] = "empty string"
			}
		case float64:
			members[prefix+name] = "number"
		case bool:
			members[prefix+name] = "boolean"
		case []any:
			members[prefix+name] = "array"
		default:
			members[prefix+name] = "null"
		}
	}
}

// Decode decodes the JSON of the answer.
func (a Answer) Decode(into any) error { return json.Unmarshal(a.body, into) }

// How often a request to EKS is sent that the account sends too many of, and the pause after the first.
const (
	throttledAttempts = 8
	throttledPause    = 100 * time.Millisecond
)

// Send sends a request as the environment's administrator: once, and again while EKS says that the account sends too
// many. That nothing answers is the harness's fault; what answers is for the spec to judge.
func Send(ctx context.Context, env *framework.Env, request Request) Answer {
	env.T.Helper()
	pause := throttledPause
	for attempt := 1; ; attempt++ {
		answer, err := send(ctx, env, request)
		if err != nil {
			env.T.Fatalf("%s %s of %s: %v", request.Method, request.Path, request.Service, err)
		}
		if request.Service != "eks" || answer.Code != "ThrottlingException" || attempt == throttledAttempts {
			return answer
		}
		select {
		case <-ctx.Done():
			return answer
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func send(ctx context.Context, env *framework.Env, request Request) (Answer, error) {
	url, err := endpoint(ctx, env, request.Service)
	if err != nil {
		return Answer{}, err
	}
	out, err := http.NewRequestWithContext(ctx, request.Method, url+request.Path, strings.NewReader(request.Body))
	if err != nil {
		return Answer{}, err
	}
	out.Header.Set("Content-Type", "application/json")
	if err := sign(ctx, env, out, request); err != nil {
		return Answer{}, err
	}
	response, err := http.DefaultClient.Do(out)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Answer{}, err
	}
	// A code may contain the URI of its shape: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html.
	code, _, _ := strings.Cut(response.Header.Get("X-Amzn-Errortype"), ":")
	return Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Code: code, body: body}, nil
}

func sign(ctx context.Context, env *framework.Env, out *http.Request, request Request) error {
	service, signed := request.SignedFor, request.Signed
	switch service {
	case "-":
		return nil
	case "":
		service = request.Service
	}
	if signed == "" {
		signed = request.Body
	}
	credentials, err := env.Clients.Credentials().Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("find own credentials: %w", err)
	}
	digest := sha256.Sum256([]byte(signed))
	return v4.NewSigner().SignHTTP(ctx, credentials, out, hex.EncodeToString(digest[:]), service, env.Region, time.Now())
}

// endpoint is the endpoint of a service's client: the environment's, that of the variables and profile of the AWS SDKs, or
// AWS's own (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html). It has no slash at its end.
func endpoint(ctx context.Context, env *framework.Env, service string) (string, error) {
	var found smithyendpoints.Endpoint
	var err error
	switch service {
	case "eks":
		o := env.EKS.Options()
		found, err = o.EndpointResolverV2.ResolveEndpoint(ctx, eks.EndpointParameters{
			Region: &o.Region, Endpoint: o.BaseEndpoint, UseFIPS: aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
			UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		})
	case "eks-auth":
		o := env.EKSAuth.Options()
		found, err = o.EndpointResolverV2.ResolveEndpoint(ctx, eksauth.EndpointParameters{
			Region: &o.Region, Endpoint: o.BaseEndpoint, UseFIPS: aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		})
	default:
		return "", fmt.Errorf("no requests are made to service %q", service)
	}
	if err != nil {
		return "", fmt.Errorf("find endpoint of %s: %w", service, err)
	}
	return strings.TrimSuffix(found.URI.String(), "/"), nil
}
