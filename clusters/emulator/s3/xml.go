package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
)

// maxDocument is the largest XML or JSON document in bytes that a request may have. The largest one that SDKs send is a list of
// 10,000 parts with their checksums.
const maxDocument = 4 << 20

// writeXML answers 200 with a document.
func writeXML(w http.ResponseWriter, body any) error { return writeXMLStatus(w, http.StatusOK, body) }

func writeXMLStatus(w http.ResponseWriter, status int, body any) error {
	text, err := xml.Marshal(body)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	text = append([]byte(xml.Header), text...)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // fails only if the client closed the connection
	return nil
}

// bodyLimit is the largest body of an operation, and the error for a larger one.
func (q *request) bodyLimit() (int64, *Error) {
	switch q.name {
	case "PutObject", "UploadPart":
		return objects.MaxSize, errTooLarge
	case "DeleteObjects":
		return maxDocument, errMalformedXML
	}
	return maxDocument, &Error{Code: "MaxMessageLengthExceeded", Status: http.StatusBadRequest, Message: "Your request was too large."}
}

// whole is a body that is in memory already: the verifier of the signature has read it.
type whole interface{ Whole() ([]byte, error) }

var errRequestTimeout = &Error{Code: "RequestTimeout", Status: http.StatusBadRequest,
	Message: "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."}

// load reads the body once, into q.body. Before the decision the body counts against the memory of all unknown senders together
// (package limits). After the decision it may be large and slow.
func (q *request) load() error {
	r := q.http
	if q.loaded || r.Body == nil || r.Body == http.NoBody {
		q.loaded = true
		return nil
	}
	limit, tooLarge := q.bodyLimit()
	if r.ContentLength > limit {
		return tooLarge
	}
	if q.caller == nil && strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return notImplemented("The aws-chunked coding is not implemented for unsigned requests") // the verifier of the signature decodes it
	}
	var err error
	if verified, ok := r.Body.(whole); ok {
		q.body, err = verified.Whole()
	} else {
		q.body, err = limits.ReadAll(r.Body, r.ContentLength, limit)
	}
	refusal, refused := errors.AsType[*sigv4.Error](err)
	switch {
	case refused:
		return signatureError(r, refusal)
	case limits.IsTooLarge(err), err == nil && int64(len(q.body)) > limit:
		return tooLarge
	case errors.Is(err, limits.ErrMemory), errors.Is(err, limits.ErrInterrupted):
		return &Error{Code: "SlowDown", Status: http.StatusServiceUnavailable, Message: "Please reduce your request rate: " + err.Error()}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errRequestTimeout
	case err != nil, r.ContentLength >= 0 && int64(len(q.body)) < r.ContentLength:
		return &Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
	}
	q.loaded = true
	r.ContentLength = int64(len(q.body))
	return nil
}

// trust lifts the body's time limit: its sender has permission to send it.
func (q *request) trust() {
	if body, ok := q.http.Body.(interface{ Trust() }); ok {
		body.Trust()
	}
}

// readBody returns the body after it compared the body with the checksums that the request declares.
func (q *request) readBody() ([]byte, declared, error) {
	if err := q.load(); err != nil {
		return nil, declared{}, err
	}
	found, err := checkBody(q.http.Header, q.body)
	return q.body, found, err
}

// readDocument reads a document.
func (q *request) readDocument() ([]byte, error) {
	text, _, err := q.readBody()
	return text, err
}

// readXML reads a document with the given root element.
func (q *request) readXML(root string, into any) error {
	text, err := q.readDocument()
	if err != nil {
		return err
	}
	return parseXML(text, root, into)
}

func parseXML(text []byte, root string, into any) error {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if err != nil {
			return errMalformedXML
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != root || decoder.DecodeElement(into, &start) != nil {
			return errMalformedXML
		}
		return endXML(decoder)
	}
}

// endXML accepts nothing after the root element but space and comments.
func endXML(decoder *xml.Decoder) error {
	for {
		switch token, err := decoder.Token(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errMalformedXML
		default:
			if text, ok := token.(xml.CharData); ok && len(bytes.TrimSpace(text)) > 0 {
				return errMalformedXML
			}
			if _, ok := token.(xml.StartElement); ok {
				return errMalformedXML
			}
		}
	}
}
