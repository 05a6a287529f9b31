package emulator

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/ecr"
	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

const (
	jsonRequestID = "x-amzn-RequestId"
	s3RequestID   = "x-amz-request-id"
	globalRegion  = "us-east-1"
	// maxForm bounds the body of a request that is read before its sender is known.
	maxForm = 1 << 20
)

// service is one of the emulator's AWS services.
type service struct {
	handler http.Handler
	// refuse answers a request whose signature is not accepted, in the service's protocol.
	refuse func(http.ResponseWriter, *http.Request, *sigv4.Error)
	// requestID is the header that carries the request's ID.
	requestID string
	// regions are those that a request may be signed for; if it is nil, the handler checks the region.
	regions []string
}

// serve journals one request and routes it.
func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	call := &journal.Call{Time: e.options.Now(), RequestID: uuid.NewString()}
	call.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr) // stays "" for an address without a port
	r = r.WithContext(faults.NewContext(journal.NewContext(r.Context(), call), e.faults))
	recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		panicked := recover()
		if panicked != nil {
			recorder.status, call.ErrorCode = http.StatusInternalServerError, "InternalError"
			if call.Fault != "" {
				recorder.status, call.ErrorCode = 0, journal.NoAnswer
			}
		}
		e.record(r, call, recorder.status)
		if panicked != nil {
			panic(panicked) // net/http logs it and ends the connection
		}
	}()
	e.reset.RLock()
	defer e.reset.RUnlock()
	e.cloud.Load().route(recorder, r, call, e.options.Region)
}

func (e *Emulator) record(r *http.Request, call *journal.Call, status int) {
	call.Status = status
	call.Duration = e.options.Now().Sub(call.Time)
	e.journal.Add(*call)
	if call.Cause != "" {
		e.options.Log.LogAttrs(r.Context(), slog.LevelError, "internal error", slog.String("service", call.Service),
			slog.String("operation", call.Operation), slog.String("cause", call.Cause), slog.String("request", call.RequestID))
	}
	e.options.Log.LogAttrs(r.Context(), slog.LevelDebug, "call",
		slog.String("service", call.Service), slog.String("operation", call.Operation), slog.Int("status", status),
		slog.String("error", call.ErrorCode), slog.String("principal", call.Principal), slog.String("source", call.SourceIP),
		slog.String("decision", call.Decision), slog.Duration("took", call.Duration), slog.String("request", call.RequestID))
}

// route finds the service that a request is signed for, and passes the request on only after it has verified the signature.
func (o *cloud) route(w http.ResponseWriter, r *http.Request, call *journal.Call, home string) {
	region, name, signed := sigv4.Scope(r)
	if !signed && ecr.ForRegistry(r) && !s3.NamesBucket(r.Host) {
		o.registry(w, r, call, home)
		return
	}
	if !signed {
		o.unsigned(w, r, call, home)
		return
	}
	target, known := o.services[name]
	if !known {
		guess := o.services[guessService(r)]
		w.Header().Set(guess.requestID, call.RequestID)
		guess.refuse(w, r, &sigv4.Error{Kind: sigv4.WrongScope, Message: "epi's AWS emulator has no service " + name + "; it has " + strings.Join(o.names(), ", ") + "."})
		return
	}
	call.Service = name
	w.Header().Set(target.requestID, call.RequestID)
	if target.regions != nil && !slices.Contains(target.regions, region) {
		target.refuse(w, r, &sigv4.Error{Kind: sigv4.WrongScope, Message: "Credential should be scoped to a valid region, such as " + home + "."})
		return
	}
	identity, err := o.verifier.VerifyHead(r)
	if err != nil {
		target.refuse(w, r, signatureError(err))
		return
	}
	limits.Known(r.Context())
	caller, ok := o.caller(r, identity, call)
	if !ok {
		// The key existed a moment ago, when its signature was verified.
		target.refuse(w, r, &sigv4.Error{Kind: sigv4.UnknownAccessKey, Message: "access key ID " + identity.AccessKeyID + " does not exist"})
		return
	}
	target.handler.ServeHTTP(w, r.WithContext(iam.WithCaller(r.Context(), caller)))
}

func (o *cloud) names() []string { return slices.Sorted(maps.Keys(o.services)) }

func signatureError(err error) *sigv4.Error {
	if refusal, ok := errors.AsType[*sigv4.Error](err); ok {
		return refusal
	}
	return &sigv4.Error{Kind: sigv4.Incomplete, Message: "the request cannot be verified"}
}

// caller returns the signer; false if the key no longer exists.
func (o *cloud) caller(r *http.Request, identity *sigv4.Identity, call *journal.Call) (*iam.Caller, bool) {
	principal, ok := o.accounts.Principal(r.Context(), identity.AccessKeyID, identity.SessionToken)
	if !ok {
		return nil, false
	}
	call.Principal = principal.ARN
	region := identity.Region
	if call.Service == "iam" {
		// "IAM calls are always made to the us-east-1 Region" (aws:RequestedRegion).
		region = globalRegion
	}
	return &iam.Caller{Principal: principal, AccessKeyID: identity.AccessKeyID, SessionToken: identity.SessionToken, Environment: iam.EnvironmentOf(r, region), Time: call.Time}, true
}

// forms finds who signed an upload by an HTML form.
type forms struct{ cloud *cloud }

// FormCaller implements s3.Forms.
func (f forms) FormCaller(r *http.Request, post sigv4.Post) (*iam.Caller, error) {
	identity, err := f.cloud.verifier.VerifyPost(r.Context(), post)
	if err != nil {
		return nil, signatureError(err)
	}
	limits.Known(r.Context())
	caller, ok := f.cloud.caller(r, identity, journal.FromContext(r.Context()))
	if !ok {
		return nil, &sigv4.Error{Kind: sigv4.UnknownAccessKey, Message: "access key ID " + identity.AccessKeyID + " does not exist"}
	}
	return caller, nil
}

// unsigned serves requests without a readable signature. STS and S3 serve anonymous callers, and all other services refuse
// them.
func (o *cloud) unsigned(w http.ResponseWriter, r *http.Request, call *journal.Call, home string) {
	name := guessService(r)
	if name == "iam" {
		var refusal *sigv4.Error
		if name, refusal = guessQueryService(r); refusal != nil {
			w.Header().Set(jsonRequestID, call.RequestID)
			iam.WriteSignatureError(w, r, refusal)
			return
		}
	}
	call.Service = name
	target := o.services[name]
	w.Header().Set(target.requestID, call.RequestID)
	_, err := o.verifier.Verify(r)
	refusal := signatureError(err)
	anonymous := refusal.Kind == sigv4.MissingAuthentication && (name == "sts" || name == "s3")
	if !anonymous {
		target.refuse(w, r, refusal)
		return
	}
	environment := iam.EnvironmentOf(r, home)
	target.handler.ServeHTTP(w, r.WithContext(iam.WithEnvironment(r.Context(), &environment)))
}

// guessService returns, by the protocol, the service of a request that names none.
func guessService(r *http.Request) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // a type that cannot be read is no form
	switch {
	case media == "application/x-www-form-urlencoded" && r.Method == http.MethodPost, r.URL.Path == "/" && r.URL.Query().Has("Action"):
		return "iam"
	case ecr.Targets(r):
		return "ecr"
	case r.URL.Path == "/clusters" || strings.HasPrefix(r.URL.Path, "/clusters/"), strings.HasPrefix(media, "application/x-amz-json"):
		return "eks"
	}
	return "s3"
}

// guessQueryService distinguishes the Query services by the API version of the request, and leaves the body unchanged. It
// refuses a body that cannot be read.
func guessQueryService(r *http.Request) (name string, refusal *sigv4.Error) {
	body, err := limits.ReadAll(r.Body, r.ContentLength, maxForm)
	switch {
	case limits.IsTooLarge(err):
		return "", &sigv4.Error{Kind: sigv4.TooLarge, Message: err.Error()}
	case errors.Is(err, limits.ErrMemory), errors.Is(err, limits.ErrInterrupted):
		return "", &sigv4.Error{Kind: sigv4.Busy, Message: err.Error() + "; try again later"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", &sigv4.Error{Kind: sigv4.Slow, Message: "the body stood still or came too slowly"}
	case err != nil:
		return "", &sigv4.Error{Kind: sigv4.BadBody, Message: "the body broke off"}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // the part that can be parsed is enough
	for _, version := range []string{form.Get("Version"), r.URL.Query().Get("Version")} {
		if name, ok := queryServices[version]; ok {
			return name, nil
		}
	}
	return "iam", nil
}

// queryServices are the Query services by their API version.
var queryServices = map[string]string{"2011-06-15": "sts", "2016-11-15": "ec2", "2010-05-15": "cloudformation"}

// statusRecorder keeps the status of the answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (s *statusRecorder) WriteHeader(status int) {
	if !s.wrote {
		s.status, s.wrote = status, status >= http.StatusOK
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Write(data []byte) (int, error) {
	s.wrote = true
	return s.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
