// Package query serves the AWS Query protocol of IAM and STS: parameters as a form, answers in XML
// (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html).
package query

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

// Error is an error of a Query service: a code such as "NoSuchEntity", its HTTP status and a text
// for people.
type Error struct {
	Code    string
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error from a format.
func Errorf(code string, status int, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// Operation does what a request asks for. The result becomes the element NAMEResult; nil makes none. An error that is not
// an *Error is answered as an internal failure without its text.
type Operation func(ctx context.Context, parameters Parameters) (result any, err error)

// Service is one version of a Query API.
type Service struct {
	// Version such as "2010-05-08".
	Version string
	// Namespace of the XML, such as "https://iam.amazonaws.com/doc/2010-05-08/".
	Namespace  string
	Operations map[string]Operation
	// Known are the names of all operations that AWS has, sorted. Those that are not among Operations are refused as not
	// implemented.
	Known []string
	// EC2 says that answers are written in the EC2 variant of the protocol.
	EC2 bool
}

// maxForm bounds the body of an unsigned request; signed ones were read before.
const maxForm = 1 << 20

var actionName = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)

// ServeHTTP finds the operation by the parameter Action and answers with its result. It notes
// operation and error code in the journal's call.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := journal.FromContext(r.Context())
	action, result, err := s.do(w, r, call)
	switch {
	case err != nil && s.EC2:
		WriteEC2Error(w, call, err)
		return
	case err != nil:
		WriteError(w, r, s.Namespace, err)
		return
	case s.EC2:
		writeEC2(w, call, s.Namespace, action, result)
		return
	}
	type metadata struct {
		RequestID string `xml:"RequestId" json:"RequestId"`
	}
	if wantsJSON(r) {
		answer := map[string]any{"ResponseMetadata": metadata{call.RequestID}}
		if result != nil {
			answer[action+"Result"] = result
		}
		writeJSON(w, http.StatusOK, map[string]any{action + "Response": answer})
		return
	}
	body := response{XMLName: xml.Name{Local: action + "Response"}, Namespace: s.Namespace, Metadata: metadata{call.RequestID}}
	if result != nil {
		body.Result = &element{name: action + "Result", value: result}
	}
	write(w, http.StatusOK, body)
}

func (s *Service) do(w http.ResponseWriter, r *http.Request, call *journal.Call) (action string, result any, err error) {
	parameters, err := read(w, r)
	if err != nil {
		return "", nil, err
	}
	action = parameters.Get("Action")
	if action == "" {
		return "", nil, Errorf("MissingAction", http.StatusBadRequest, "The request must contain the parameter Action")
	}
	if !actionName.MatchString(action) {
		return "", nil, Errorf("InvalidAction", http.StatusBadRequest, "Could not find the requested operation for version %s", s.Version)
	}
	call.Operation = action
	operation, ok := s.Operations[action]
	version := parameters.Get("Version")
	if _, exists := slices.BinarySearch(s.Known, action); !ok && exists && version == s.Version {
		return "", nil, Errorf("InvalidAction", http.StatusBadRequest, "Could not find operation %s for version %q: AWS has it, the emulator does not", action, version)
	}
	if !ok || version != s.Version {
		return "", nil, Errorf("InvalidAction", http.StatusBadRequest, "Could not find operation %s for version %q", action, version)
	}
	if err := faults.At(r.Context(), faults.Target{Operation: action}); err != nil {
		if fault, ok := errors.AsType[*faults.Error](err); ok {
			err = &Error{Code: fault.Code, Status: fault.Status, Message: fault.Message}
		}
		return "", nil, err
	}
	result, err = operation(r.Context(), parameters)
	return action, result, err
}

// read reads the form of a POST, or the query of a GET. A repeated parameter is refused.
func read(w http.ResponseWriter, r *http.Request) (Parameters, error) {
	var values url.Values
	switch r.Method {
	case http.MethodGet:
		var err error
		if values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, Errorf("MalformedQueryString", http.StatusBadRequest, "The query string contains a syntax error")
		}
	case http.MethodPost:
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
			return nil, Errorf("MalformedInput", http.StatusUnsupportedMediaType, "The body must be application/x-www-form-urlencoded")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return nil, Errorf("MalformedInput", http.StatusBadRequest, "The body is not a form of at most %d bytes", maxForm)
		}
		values = r.PostForm
	default:
		return nil, Errorf("InvalidAction", http.StatusMethodNotAllowed, "Requests are GET or POST")
	}
	for name := range values {
		if len(values[name]) > 1 {
			return nil, Errorf("MalformedInput", http.StatusBadRequest, "A parameter is given twice")
		}
	}
	return Parameters(values), nil
}

type response struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    *element
	Metadata  any `xml:"ResponseMetadata"`
}

// element is a value whose name is known only at run time.
type element struct {
	name  string
	value any
}

func (e *element) MarshalXML(encoder *xml.Encoder, _ xml.StartElement) error {
	return encoder.EncodeElement(e.value, xml.StartElement{Name: xml.Name{Local: e.name}})
}

type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// WriteError answers with err in the protocol's XML, or in JSON if r asks for it. It notes the code in the journal's call
// of r.
func WriteError(w http.ResponseWriter, r *http.Request, namespace string, err error) {
	call := journal.FromContext(r.Context())
	refusal := asError(err)
	if _, ok := errors.AsType[*Error](err); !ok {
		call.Cause = err.Error()
	}
	call.ErrorCode = refusal.Code
	fault := "Sender"
	if refusal.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	if wantsJSON(r) {
		writeJSON(w, refusal.Status, map[string]any{
			"Error":     map[string]string{"Type": fault, "Code": refusal.Code, "Message": refusal.Message},
			"RequestId": call.RequestID,
		})
		return
	}
	write(w, refusal.Status, errorResponse{
		Namespace: namespace, Type: fault, Code: refusal.Code, Message: refusal.Message, RequestID: call.RequestID,
	})
}

// wantsJSON says whether a request asks for JSON, as clients of GetCallerIdentity do
// (https://github.com/gravitational/teleport/blob/master/lib/join/iamjoin/join_iam.go). AWS's SDKs accept everything.
func wantsJSON(r *http.Request) bool {
	for _, header := range r.Header["Accept"] {
		for one := range strings.SplitSeq(header, ",") {
			if media, _, err := mime.ParseMediaType(one); err == nil && media == "application/json" {
				return true
			}
		}
	}
	return false
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // fails only if the client closed the connection
}

// asError returns err, or an internal failure if err is no *Error, whose text is not for callers.
func asError(err error) *Error {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal
	}
	return Errorf("InternalFailure", http.StatusInternalServerError, "The request processing has failed because of an unknown error, exception or failure.")
}

func write(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(text) // fails only if the client closed the connection
}
