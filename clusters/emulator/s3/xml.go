package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxDocument is the largest XML or JSON document in bytes that a request may bring. The largest that SDKs
// send are lists of 10,000 parts with their checksums.
const maxDocument = 4 << 20

// writeXML answers 200 with a document.
func writeXML(w http.ResponseWriter, body any) error {
	text, err := xml.Marshal(body)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	text = append([]byte(xml.Header), text...)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client is gone: nobody is left to tell
	return nil
}

// readBody reads the body and compares it with the checksums that the request declares.
func (q *request) readBody(limit int64, tooLarge *Error) ([]byte, declared, error) {
	var none declared
	if q.caller == nil && strings.HasPrefix(q.http.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return nil, none, notImplemented("The aws-chunked coding is not implemented for unsigned requests") // who verifies a signature decodes it
	}
	if q.http.ContentLength > limit {
		return nil, none, tooLarge
	}
	var data []byte
	var err error
	if length := q.http.ContentLength; length >= 0 && q.caller != nil {
		// As long as it says: who verified the signature has read it.
		data = make([]byte, length)
		_, err = io.ReadFull(q.http.Body, data)
	} else {
		data, err = io.ReadAll(io.LimitReader(q.http.Body, limit+1))
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over || int64(len(data)) > limit {
		return nil, none, tooLarge
	}
	if err != nil {
		return nil, none, &Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
	}
	found, err := checkBody(q.http.Header, data)
	return data, found, err
}

// readDocument reads a document.
func (q *request) readDocument() ([]byte, error) {
	text, _, err := q.readBody(maxDocument, &Error{Code: "MaxMessageLengthExceeded", Status: http.StatusBadRequest, Message: "Your request was too large."})
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

// endXML wants nothing after the root element but space and comments.
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
