package admission

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podidentity/epi/clusters/webhook/rawjson"
)

// question is the part of an AdmissionReview that the webhook reads. The rest, such as the pod's creator, must only be
// valid JSON.
type question struct {
	kind, apiVersion string
	request          *request
}

type request struct {
	uid, namespace, operation, subResource string
	// group and kind of the object.
	group, kind string
	// object is the object as it was sent; nil for none.
	object []byte
}

// readQuestion reads a review. With an error, the question has what was read before it.
func readQuestion(body []byte) (question, error) {
	var q question
	if !rawjson.Valid(body) {
		// The text is that of encoding/json and so of upstream, which clients know.
		if err := json.Unmarshal(body, &json.RawMessage{}); err != nil {
			return q, err
		}
	}
	err := rawjson.Members(body, func(m rawjson.Member) (err error) {
		switch {
		case m.Is("kind"):
			q.kind, err = rawjson.Text(m.Value, q.kind)
		case m.Is("apiVersion"):
			q.apiVersion, err = rawjson.Text(m.Value, q.apiVersion)
		case m.Is("request") && null(m.Value):
			q.request = nil
		case m.Is("request"):
			if q.request == nil {
				q.request = &request{}
			}
			err = rawjson.Members(m.Value, q.request.read)
		}
		return err
	})
	return q, err
}

func (r *request) read(m rawjson.Member) (err error) {
	switch {
	case m.Is("uid"):
		r.uid, err = rawjson.Text(m.Value, r.uid)
	case m.Is("namespace"):
		r.namespace, err = rawjson.Text(m.Value, r.namespace)
	case m.Is("operation"):
		r.operation, err = rawjson.Text(m.Value, r.operation)
	case m.Is("subResource"):
		r.subResource, err = rawjson.Text(m.Value, r.subResource)
	case m.Is("kind"):
		err = rawjson.Members(m.Value, func(m rawjson.Member) (err error) {
			switch {
			case m.Is("group"):
				r.group, err = rawjson.Text(m.Value, r.group)
			case m.Is("kind"):
				r.kind, err = rawjson.Text(m.Value, r.kind)
			}
			return err
		})
	case m.Is("object") && !null(m.Value):
		r.object = m.Value
	}
	return err
}

func null(value []byte) bool { return string(value) == "null" }

// answer appends an answer that admits the question's object, with a patch unless that is nil, in the review's version.
func (q question) answer(out, patch []byte) []byte {
	out = append(out, `{"kind":`...)
	out = rawjson.AppendText(out, q.kind)
	out = append(out, `,"apiVersion":`...)
	out = rawjson.AppendText(out, q.apiVersion)
	out = append(out, `,"response":{"uid":`...)
	out = rawjson.AppendText(out, q.request.uid)
	out = append(out, `,"allowed":true`...)
	if patch != nil {
		out = append(out, `,"patch":"`...)
		out = base64.StdEncoding.AppendEncode(out, patch)
		out = append(out, `","patchType":"JSONPatch"`...)
	}
	return append(out, `}}`...)
}

// refusal says why the question's object is not admitted.
func (q question) refusal(reason error) []byte {
	response := &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: reason.Error()}}
	if q.request != nil {
		response.UID = types.UID(q.request.uid)
	}
	return mustEncode(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{Kind: q.kind, APIVersion: q.apiVersion}, Response: response})
}

// mustEncode is for values that are always JSON.
func mustEncode(value any) []byte {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", value, err))
	}
	return raw
}
