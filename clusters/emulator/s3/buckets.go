package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/journal"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

func writeXML(w http.ResponseWriter, body any) error {
	text, err := xml.Marshal(body)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(append([]byte(xml.Header), text...)) // the client is gone: nobody is left to tell
	return nil
}

// location answers GetBucketLocation: every bucket is in the one region, and us-east-1 is spelled
// as nothing.
func (h *handler) location(w http.ResponseWriter) error {
	body := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{Region: h.region}
	if h.region == "us-east-1" {
		body.Region = ""
	}
	return writeXML(w, body)
}

// checkLocation reads CreateBucket's body: outside of us-east-1 it must name the region.
func (h *handler) checkLocation(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return &Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "The request body terminated unexpectedly"}
	}
	var configuration struct{ LocationConstraint string }
	if len(body) > 0 {
		if err := xml.Unmarshal(body, &configuration); err != nil {
			return errMalformedXML
		}
	}
	r.Body = http.NoBody
	wanted := h.region
	if h.region == "us-east-1" {
		wanted = ""
	}
	switch configuration.LocationConstraint {
	case wanted:
		return nil
	case "":
		return &Error{Code: "IllegalLocationConstraintException", Status: http.StatusBadRequest, Message: "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."}
	}
	return &Error{Code: "IllegalLocationConstraintException", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("The %s location constraint is incompatible for the region specific endpoint this request was sent to.", configuration.LocationConstraint)}
}

var errMalformedXML = &Error{Code: "MalformedXML", Status: http.StatusBadRequest, Message: "The XML you provided was not well-formed or did not validate against our published schema"}

// maxDeletes is how many keys DeleteObjects takes.
const maxDeletes = 1000

type deletedKey struct{ Key string }

type failedKey struct{ Key, Code, Message string }

type deleteResult struct {
	XMLName xml.Name     `xml:"DeleteResult"`
	Xmlns   string       `xml:"xmlns,attr"`
	Deleted []deletedKey `xml:",omitempty"`
	Failed  []failedKey  `xml:"Error,omitempty"`
}

// deleteObjects decides on each key by itself: refused ones are told in the answer, the others go.
func (h *handler) deleteObjects(w http.ResponseWriter, r *http.Request, caller *iam.Caller, op *operation) error {
	if err := checkChecksums(r); err != nil {
		return err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return &Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "The request body terminated unexpectedly"}
	}
	if err := checkMD5(r.Header, body); err != nil {
		return err
	}
	var request struct {
		Quiet  bool
		Object []struct {
			Key       string
			VersionID string `xml:"VersionId"`
		}
	}
	if err := xml.Unmarshal(body, &request); err != nil || len(request.Object) == 0 || len(request.Object) > maxDeletes {
		return errMalformedXML
	}
	result := deleteResult{Xmlns: namespace}
	var allowed []string
	for _, asked := range request.Object {
		if asked.VersionID != "" {
			return notImplemented("Versions are not implemented")
		}
		if asked.Key == "" || checkKey(asked.Key) != nil {
			return errMalformedXML
		}
		access := iam.Access{Action: "s3:DeleteObject", Resource: object{op.bucket, asked.Key}.arn(), Context: op.keys()}
		if err := h.authorize(r.Context(), caller, access); err != nil {
			result.Failed = append(result.Failed, failedKey{asked.Key, "AccessDenied", "Access Denied"})
			continue
		}
		allowed = append(allowed, asked.Key)
	}
	call := journal.FromContext(r.Context())
	call.Decision = fmt.Sprintf("%d of %d keys allowed; the last: %s", len(allowed), len(request.Object), call.Decision)
	deleted, err := h.objects.DeleteMulti(op.bucket, allowed...)
	if err != nil {
		return fmt.Errorf("delete from %s: %w", op.bucket, err)
	}
	for _, failed := range deleted.Error {
		result.Failed = append(result.Failed, failedKey{failed.Key, string(failed.Code), failed.Message})
	}
	for _, done := range deleted.Deleted {
		if !request.Quiet {
			result.Deleted = append(result.Deleted, deletedKey{done.Key})
		}
	}
	return writeXML(w, result)
}
