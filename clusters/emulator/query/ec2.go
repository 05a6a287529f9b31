package query

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"github.com/podidentity/epi/clusters/emulator/journal"
)

// This is the EC2 variant of the protocol (https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html): the members of
// a result are in the answer's element itself, and errors have another envelope.

// writeEC2 answers with a result; nil is <return>true</return>.
func writeEC2(w http.ResponseWriter, call *journal.Call, namespace, action string, result any) {
	if result == nil {
		result = struct {
			Return bool `xml:"return"`
		}{true}
	}
	var body bytes.Buffer
	name := xml.Name{Local: action + "Response"}
	encoder := xml.NewEncoder(&body)
	err := encoder.EncodeElement(result, xml.StartElement{Name: name, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	// The position is after the start tag, whose only ">" is its last character.
	text := body.Bytes()
	end := bytes.IndexByte(text, '>') + 1
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	// These writes fail only if the client closed the connection.
	_, _ = w.Write(text[:end])
	_, _ = w.Write([]byte("<requestId>" + call.RequestID + "</requestId>"))
	_, _ = w.Write(text[end:])
}

type ec2Errors struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

// WriteEC2Error answers with err and notes its code in call.
func WriteEC2Error(w http.ResponseWriter, call *journal.Call, err error) {
	refusal := asError(err)
	call.ErrorCode = refusal.Code
	write(w, refusal.Status, ec2Errors{Code: refusal.Code, Message: refusal.Message, RequestID: call.RequestID})
}
