package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	kjson "sigs.k8s.io/json"

	"github.com/podidentity/epi/clusters/webhook/injection"
)

type everybody struct{}

func (everybody) Has(_, serviceAccount string) bool { return serviceAccount != "nobody" }

// nothing is a source without any service account.
type nothing struct{}

func (nothing) Annotations(string, string) (map[string]string, bool)           { return nil, false }
func (nothing) Await(context.Context, string, string) (none map[string]string) { return none }

func newHandler() (http.Handler, *bytes.Buffer) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	return New(injection.New(everybody{}, nothing{}, injection.DefaultSettings()), registry, slog.New(slog.NewTextHandler(&log, nil))), &log
}

func post(h http.Handler, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder
}

const pod = `{"metadata":{"name":"p"},"spec":{"serviceAccountName":"sa","containers":[{"name":"a"}]}}`

func review(version, members string) string {
	return `{"kind":"AdmissionReview","apiVersion":"` + version + `","request":{"uid":"u-1","namespace":"ns",` + members + `}}`
}

// INJ-12: the answer has the version of the request.
func TestVersions(t *testing.T) {
	for _, version := range []string{"admission.k8s.io/v1", "admission.k8s.io/v1beta1"} {
		h, _ := newHandler()
		recorder := post(h, "application/json", review(version, `"operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},"object":`+pod))
		var got struct {
			Kind, APIVersion string
			Response         struct {
				UID       string
				Allowed   bool
				PatchType string
				Patch     []byte
			}
		}
		if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if recorder.Code != 200 || got.Kind != "AdmissionReview" || got.APIVersion != version || got.Response.UID != "u-1" ||
			!got.Response.Allowed || got.Response.PatchType != "JSONPatch" || !bytes.HasPrefix(got.Response.Patch, []byte(`[{"op":"add"`)) {
			t.Errorf("%s: got %d %s", version, recorder.Code, recorder.Body)
		}
	}
}

// INJ-12, and measured answers of upstream.
func TestAnswers(t *testing.T) {
	const v1 = "admission.k8s.io/v1"
	const admitted = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true}}`
	refusal := func(message string) string {
		return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":false,"status":{"metadata":{},"message":"` + message + `"}}}`
	}
	for name, row := range map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"text":            {"text/plain", "{}", 415, "Invalid Content-Type, expected `application/json`\n"},
		"no content type": {"", "{}", 415, "Invalid Content-Type, expected `application/json`\n"},
		"with charset":    {"application/json; charset=utf-8", "{}", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"bad content"}}}`},
		"empty":           {"application/json", "", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"bad content"}}}`},
		"empty object":    {"application/json", "{}", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"bad content"}}}`},
		"cut off":         {"application/json", "{", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"couldn't get version/kind; json parse error: unexpected end of JSON input"}}}`},
		"not listed":      {"application/json", review(v1, `"object":{"spec":{"serviceAccountName":"nobody"}}`), 200, admitted},
		"another version": {"application/json", strings.Replace(review(v1, `"object":`+pod), "/v1", "/v2", 1), 200,
			`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2","response":{"uid":"u-1","allowed":false,"status":{"metadata":{},"message":"got kind \"AdmissionReview\" of \"admission.k8s.io/v2\", expected AdmissionReview of admission.k8s.io/v1 or admission.k8s.io/v1beta1"}}}`},
		"no object":     {"application/json", review(v1, `"operation":"CREATE"`), 200, refusal("review has no object")},
		"no pod":        {"application/json", review(v1, `"object":{"spec":5}`), 200, refusal("decode field spec of pod: got a number, expected an object")},
		"update":        {"application/json", review(v1, `"operation":"UPDATE","object":`+pod), 200, admitted},
		"another kind":  {"application/json", review(v1, `"kind":{"group":"apps","kind":"Deployment"},"object":`+pod), 200, admitted},
		"a subresource": {"application/json", review(v1, `"subResource":"binding","object":`+pod), 200, admitted},
		// Names must match exactly, as in the API server. Parts that the webhook does not read must only be valid JSON.
		"other case":     {"application/json", review(v1, `"Object":`+pod), 200, refusal("review has no object")},
		"unread members": {"application/json", review(v1, `"userInfo":5,"operation":"DELETE"`), 200, admitted},
		"no text": {"application/json", review(v1, `"operation":5`), 200,
			refusal("couldn't get version/kind; json parse error: got a number, expected a string")},
		"null":          {"application/json", "null", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"bad content"}}}`},
		"an array":      {"application/json", "[]", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"couldn't get version/kind; json parse error: got an array, expected an object"}}}`},
		"more than one": {"application/json", "{} {}", 200, `{"response":{"uid":"","allowed":false,"status":{"metadata":{},"message":"couldn't get version/kind; json parse error: invalid character '{' after top-level value"}}}`},
		"too large":     {"application/json", `{"kind":"` + strings.Repeat("x", maxReview) + `"}`, 413, "read review: http: request body too large\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newHandler()
			if got := post(h, row.contentType, row.body); got.Code != row.status || got.Body.String() != row.want {
				t.Errorf("got  %d %s\nwant %d %s", got.Code, got.Body, row.status, row.want)
			}
		})
	}
}

func TestLogSaysWhichPodButNotWhatIsInIt(t *testing.T) {
	h, log := newHandler()
	post(h, "application/json", review("admission.k8s.io/v1", `"object":{"metadata":{"generateName":"gen-"},"spec":{"serviceAccountName":"sa","containers":[{"name":"a","env":[{"name":"PASSWORD","value":"hunter2"}]}]}}`))
	post(h, "application/json", review("admission.k8s.io/v1", `"object":{"spec":{"serviceAccountName":"sa","containers":"hunter2"}}`))
	if text := log.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "pod=gen-") || !strings.Contains(text, "serviceAccount=sa") {
		t.Errorf("log is\n%s", text)
	}
}

// FuzzMutate: for any body the answer is a review, and a patch in it applies to the object.
func FuzzMutate(f *testing.F) {
	f.Add([]byte(review("admission.k8s.io/v1", `"operation":"CREATE","object":`+pod)))
	f.Add([]byte(review("admission.k8s.io/v1beta1", `"object":{"metadata":{"labels":{"a":"b"}},"spec":{"serviceAccountName":"sa","volumes":[],"containers":[null],"initContainers":[{"env":[]}]}}`)))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"kind":"AdmissionReview","ApiVersion":"admission.k8s.io/v1","request":{"oBjeCt":{}}}`))
	f.Add([]byte(`{"request":{"object":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, _ := newHandler()
		recorder := post(h, "application/json", string(body))
		if recorder.Code != http.StatusOK {
			t.Fatalf("status %d", recorder.Code)
		}
		var answer, sent admissionv1.AdmissionReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil || answer.Response == nil {
			t.Fatalf("answer is %s", recorder.Body)
		}
		// The API server's own decoder matches the case of names.
		decoded := kjson.UnmarshalCaseSensitivePreserveInts(body, &sent)
		if decoded == nil && sent.Request != nil && (answer.Response.UID != sent.Request.UID || answer.APIVersion != sent.APIVersion) {
			t.Fatalf("answer is to %q in %q, want %q in %q", answer.Response.UID, answer.APIVersion, sent.Request.UID, sent.APIVersion)
		}
		if !json.Valid(body) && answer.Response.Allowed {
			t.Fatal("admitted what is not JSON")
		}
		if answer.Response.Patch == nil {
			return
		}
		if !answer.Response.Allowed {
			t.Fatal("refused with a patch")
		}
		if sent.Request == nil || sent.Request.Object.Raw == nil {
			t.Fatalf("patched what the API server does not read: %v", decoded)
		}
		patch, err := jsonpatch.DecodePatch(answer.Response.Patch)
		if err != nil {
			t.Fatal(err)
		}
		patched, err := patch.Apply(sent.Request.Object.Raw)
		if err != nil {
			t.Fatalf("%v with %s", err, answer.Response.Patch)
		}
		if n := strings.Count(string(patched), "eks-pod-identity-token"); n == 0 {
			t.Fatalf("patched pod has no token: %s", patched)
		}
	})
}

// BenchmarkMutate: a whole review of a pod with 2 containers and 1 init container, without TLS.
func BenchmarkMutate(b *testing.B) {
	container := `{"name":%q,"image":"busybox","command":["sleep","1"],"env":[{"name":"FOO","value":"bar"}],"volumeMounts":[{"name":"kube-api-access-x","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}]}`
	object := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"two","namespace":"bench","labels":{"app":"x"}},"spec":{"serviceAccountName":"bench-3",
		"containers":[` + fmt.Sprintf(container, "a") + `,{"name":"b","image":"busybox"}],"initContainers":[{"name":"init","image":"busybox","command":["true"]}],
		"volumes":[{"name":"kube-api-access-x","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}}]}}]}}`
	body := review("admission.k8s.io/v1", `"operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},"object":`+object)
	h := New(injection.New(everybody{}, nothing{}, injection.DefaultSettings()), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		if recorder := post(h, "application/json", body); recorder.Code != 200 {
			b.Fatal(recorder.Code)
		}
	}
}
