package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestExpectations(t *testing.T) {
	for name, row := range map[string]struct {
		expect Expectation
		body   string
		want   string
	}{
		"whatever":             {Status, "", ""},
		"credentials":          {Credentials, `{"AccessKeyId":"ASIA","Expiration":"2999-01-02T03:04:05Z"}`, ""},
		"with space":           {Credentials, "{\n \"Expiration\" : \"2999-01-02T03:04:05.123Z\",\n\t\"AccessKeyId\" : \"ASIA\" }", ""},
		"empty":                {Credentials, "", "no credentials"},
		"the real agent's []":  {Credentials, "[]", "no credentials"},
		"empty key":            {Credentials, `{"AccessKeyId":"","Expiration":"2999-01-02T03:04:05Z"}`, "no credentials"},
		"key is null":          {Credentials, `{"AccessKeyId":null,"Expiration":"2999-01-02T03:04:05Z"}`, "no credentials"},
		"only the word":        {Credentials, `{"message":"AccessKeyId","x":"\"AccessKeyId\":\"ASIA\""}`, "no credentials"},
		"no expiration":        {Credentials, `{"AccessKeyId":"ASIA"}`, "no expiration"},
		"expiration is cut":    {Credentials, `{"AccessKeyId":"ASIA","Expiration":"2999-01`, "no expiration"},
		"expired":              {Credentials, `{"AccessKeyId":"ASIA","Expiration":"2020-01-02T03:04:05Z"}`, "expired"},
		"admitted":             {Admitted, `{"kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patch":"W10=","patchType":"JSONPatch"}}`, ""},
		"refused":              {Admitted, `{"response":{"uid":"u","allowed":false}}`, "not allowed"},
		"nothing to change":    {Admitted, `{"response":{"uid":"u","allowed":true}}`, "no patch"},
		"a patch that is none": {Admitted, `{"response":{"uid":"u","allowed":true,"patch":""}}`, "no patch"},
		"not a review":         {Admitted, `hello`, "not allowed"},
	} {
		judge, err := row.expect.judge()
		if err != nil {
			t.Fatal(err)
		}
		if got := judge([]byte(row.body)); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

func FuzzExpectations(f *testing.F) {
	f.Add([]byte(`{"AccessKeyId":"ASIA","Expiration":"2999-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"response":{"allowed":true,"patch":"W10="}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, judge := range []func([]byte) string{judgeCredentials, judgeAdmitted} {
			if kind := judge(body); len(kind) > maxKind {
				t.Errorf("%q quotes the body", kind)
			}
		}
	})
}

// The null handler is right wherever credentials are expected, and of their size.
func TestNullPassesForCredentials(t *testing.T) {
	answer := httptest.NewRecorder()
	Null().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/credentials", nil))
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Code != http.StatusOK || judgeCredentials(body) != "" || len(body) < 900 || len(body) > 1100 {
		t.Errorf("status %d, %d bytes, %q, %v", answer.Code, len(body), judgeCredentials(body), err)
	}
}
