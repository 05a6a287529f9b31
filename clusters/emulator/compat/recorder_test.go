package compat

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// exchange is the request and the answer.
type exchange struct {
	answer
	requestID string
	// route is method and path.
	route string
}

// recorder keeps the last exchange as it was on the wire, independently of an SDK.
type recorder struct {
	next http.RoundTripper

	mu     sync.Mutex
	newest exchange
}

func (r *recorder) reset() { r.set(exchange{}) }

func (r *recorder) set(e exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = e
}

func (r *recorder) last() exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.newest
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.reset()
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // the body was read to its end
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	id := response.Header.Get("x-amzn-RequestId")
	if id == "" {
		id = response.Header.Get("x-amz-request-id")
	}
	r.set(exchange{
		answer:    answer{response.StatusCode, code(response.Header, response.StatusCode, body)},
		requestID: id, route: request.Method + " " + request.URL.Path,
	})
	return response, nil
}

// code is the error's code in the protocol of the answer: the header of REST-JSON, or the XML of Query and S3. S3 answers
// some errors with 200 (CopyObject, CompleteMultipartUpload).
func code(header http.Header, status int, body []byte) string {
	if kind := header.Get("x-amzn-ErrorType"); kind != "" {
		kind, _, _ = strings.Cut(kind, ":")
		return kind
	}
	var failure struct {
		XMLName xml.Name
		Code    string `xml:"Code"`
		Error   struct {
			Code string `xml:"Code"`
		} `xml:"Error"`
		// Errors is EC2's form.
		Errors struct {
			Code string `xml:"Error>Code"`
		} `xml:"Errors"`
	}
	if xml.Unmarshal(body, &failure) == nil {
		switch failure.XMLName.Local {
		case "Error":
			return failure.Code
		case "ErrorResponse":
			return failure.Error.Code
		case "Response":
			return failure.Errors.Code
		}
	}
	var fields struct {
		Type string `json:"__type"`
	}
	if status >= http.StatusBadRequest && json.Unmarshal(body, &fields) == nil {
		return fields.Type
	}
	return ""
}

func TestCode(t *testing.T) {
	for _, test := range []struct {
		kind, body string
		status     int
		want       string
	}{
		{"ResourceNotFoundException", `{"message":"x"}`, 404, "ResourceNotFoundException"},
		{"ResourceNotFoundException:http://internal.amazon.com/", `{}`, 404, "ResourceNotFoundException"},
		{"", `<Error><Code>NoSuchKey</Code></Error>`, 404, "NoSuchKey"},
		{"", `<Error><Code>InternalError</Code></Error>`, 200, "InternalError"},
		{"", `<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>NoSuchEntity</Code></Error></ErrorResponse>`, 404, "NoSuchEntity"},
		{"", `<GetRoleResponse><Code>no error</Code></GetRoleResponse>`, 200, ""},
		{"", `<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code></Error></Errors></Response>`, 400, "InvalidVpcID.NotFound"},
		{"", ``, 404, ""},
		{"", `an object`, 200, ""},
	} {
		header := http.Header{}
		header.Set("x-amzn-ErrorType", test.kind)
		if got := code(header, test.status, []byte(test.body)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.body, got, test.want)
		}
	}
}
