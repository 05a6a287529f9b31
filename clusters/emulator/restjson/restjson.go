// Package restjson writes and reads the AWS REST-JSON 1.1 protocol of EKS and EKS Auth. Bodies are JSON, timestamps are
// epoch seconds, and the header x-amzn-ErrorType names errors
// (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html).
package restjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is an error of a REST-JSON service: a code such as "ResourceNotFoundException", the HTTP
// status that goes with it and a text for people.
type Error struct {
	Code    string
	Status  int
	Message string
	// Fields are the error's further members, such as "clusterName"; may be nil.
	Fields map[string]string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Errorf makes an Error from a format.
func Errorf(code string, status int, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// With returns a copy of e that also has the member name.
func (e *Error) With(name, value string) *Error {
	fields := map[string]string{name: value}
	for k, v := range e.Fields {
		fields[k] = v
	}
	return &Error{Code: e.Code, Status: e.Status, Message: e.Message, Fields: fields}
}

// Write answers 200 with v as JSON.
func Write(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		WriteError(w, fmt.Errorf("encode answer: %w", err), "InternalServerException")
		return
	}
	writeBody(w, http.StatusOK, body)
}

// WriteError answers with err and returns the code that it wrote. An *Error has its own code and status. Any other error
// has internalCode and 500 without details, because its text is not for callers.
func WriteError(w http.ResponseWriter, err error, internalCode string) string {
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		refusal = &Error{Code: internalCode, Status: http.StatusInternalServerError, Message: "Internal error."}
	}
	members := map[string]string{"message": refusal.Message}
	for k, v := range refusal.Fields {
		members[k] = v
	}
	// A map of strings always encodes.
	body, _ := json.Marshal(members)
	w.Header().Set("x-amzn-ErrorType", refusal.Code)
	writeBody(w, refusal.Status, body)
	return refusal.Code
}

// Cause is the text of an error that WriteError does not show; "" for an *Error.
func Cause(err error) string {
	if _, known := errors.AsType[*Error](err); known || err == nil {
		return ""
	}
	return err.Error()
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// This fails only if the client closed the connection.
	_, _ = w.Write(body)
}

// Read decodes the JSON object of a request into v; an empty body is an empty object. Members that v
// does not know are ignored, as AWS ignores them. The error is an *Error with the given code and 400.
func Read(r *http.Request, v any, code string) error {
	body, err := readBody(r)
	if err != nil {
		return decodeError(err, code)
	}
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return decodeError(err, code)
	}
	return nil
}

// readBody reads all of the body. It allocates the length that the client declares, up to a limit.
func readBody(r *http.Request) ([]byte, error) {
	const plausible = 64 << 10
	buffer := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), plausible)+bytes.MinRead))
	if _, err := buffer.ReadFrom(r.Body); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func decodeError(err error, code string) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Errorf(code, http.StatusRequestEntityTooLarge, "The request body is larger than %d bytes.", tooLarge.Limit)
	}
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return Errorf(code, http.StatusBadRequest, "The parameter %s has the wrong type: found %s.", mismatch.Field, mismatch.Value)
	}
	return Errorf(code, http.StatusBadRequest, "The request body is not valid JSON.")
}

// Time is an instant on the wire: a JSON number of epoch seconds with milliseconds.
type Time time.Time

// MarshalJSON writes epoch seconds, with a fraction if there is one.
func (t Time) MarshalJSON() ([]byte, error) {
	millis := time.Time(t).UnixMilli()
	if millis%1000 == 0 {
		return strconv.AppendInt(nil, millis/1000, 10), nil
	}
	return strconv.AppendFloat(nil, float64(millis)/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Time) UnmarshalJSON(data []byte) error {
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("read epoch seconds: %w", err)
	}
	*t = Time(time.UnixMilli(int64(seconds*1000 + 0.5)).UTC())
	return nil
}
