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
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

const (
	jsonRequestID = "x-amzn-RequestId"
	s3RequestID   = "x-amz-request-id"
	globalRegion  = "us-east-1"
	// maxForm bounds the body of a request that is read before it is known who sent it.
	maxForm = 1 << 20
)

// service is one of the emulator's AWS services.
type service struct {
	handler http.Handler
	// refuse answers, in the service's protocol, a request whose signature is not accepted.
	refuse func(http.ResponseWriter, *http.Request, *sigv4.Error)
	// requestID is the header that carries the request's ID.
	requestID string
	// regions are those that a request may be signed for; nil leaves it to the handler.
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
	e.options.Log.LogAttrs(r.Context(), slog.LevelDebug, "call",
		slog.String("service", call.Service), slog.String("operation", call.Operation), slog.Int("status", status),
		slog.String("error", call.ErrorCode), slog.String("principal", call.Principal), slog.String("source", call.SourceIP),
		slog.String("decision", call.Decision), slog.Duration("took", call.Duration), slog.String("request", call.RequestID))
}

// route finds the service by what the request says it is signed for, and hands the request to it
// only when that signature is verified.
func (o *cloud) route(w http.ResponseWriter, r *http.Request, call *journal.Call, home string) {
	region, name, signed := sigv4.Scope(r)
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
	identity, err := o.verifier.Verify(r)
	if err != nil {
		target.refuse(w, r, signatureError(err))
		return
	}
	caller, ok := o.caller(r, identity, call)
	if !ok {
		// The key was there a moment ago, when its signature was verified.
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

// caller is whose signature it was; false if the key is gone.
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

// unsigned serves what has no readable signature. STS and S3 have something to say to anonymous
// callers; all other services refuse them.
func (o *cloud) unsigned(w http.ResponseWriter, r *http.Request, call *journal.Call, home string) {
	name := guessService(r)
	if name == "iam" {
		var ok bool
		if name, ok = guessQueryService(w, r); !ok {
			w.Header().Set(jsonRequestID, call.RequestID)
			iam.WriteSignatureError(w, r, &sigv4.Error{Kind: sigv4.TooLarge, Message: "the body is too large or broke off"})
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
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	environment := iam.EnvironmentOf(r, home)
	target.handler.ServeHTTP(w, r.WithContext(iam.WithEnvironment(r.Context(), &environment)))
}

// guessService tells by its protocol which service a request is for that does not say it.
func guessService(r *http.Request) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // an unreadable type is no form
	switch {
	case media == "application/x-www-form-urlencoded" && r.Method == http.MethodPost, r.URL.Path == "/" && r.URL.Query().Has("Action"):
		return "iam"
	case r.URL.Path == "/clusters" || strings.HasPrefix(r.URL.Path, "/clusters/"), strings.HasPrefix(media, "application/x-amz-json"):
		return "eks"
	}
	return "s3"
}

// guessQueryService tells the services that speak Query apart by the API version that Query requests carry, and leaves the
// body as it was; false if the body cannot be read.
func guessQueryService(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return "", false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // what could be parsed is enough to guess
	for _, version := range []string{form.Get("Version"), r.URL.Query().Get("Version")} {
		if name, ok := queryServices[version]; ok {
			return name, true
		}
	}
	return "iam", true
}

// queryServices by their API version.
var queryServices = map[string]string{"2011-06-15": "sts", "2016-11-15": "ec2", "2010-05-15": "cloudformation"}

// statusRecorder remembers the status of the answer.
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
