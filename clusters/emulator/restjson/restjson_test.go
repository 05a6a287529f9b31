package restjson

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWriteError(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		wantStatus int
		wantType   string
		wantBody   string
	}{
		{"service error", Errorf("ResourceInUseException", 409, "taken").With("clusterName", "blue"), 409, "ResourceInUseException", `{"clusterName":"blue","message":"taken"}`},
		{"wrapped", errors.Join(errors.New("x"), Errorf("InvalidTokenException", 400, "bad")), 400, "InvalidTokenException", `{"message":"bad"}`},
		{"unexpected error keeps its detail inside", errors.New("password is hunter2"), 500, "ServerException", `{"message":"Internal error."}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if code := WriteError(w, test.err, "ServerException"); code != test.wantType {
				t.Errorf("code = %q, want %q", code, test.wantType)
			}
			if w.Code != test.wantStatus || w.Header().Get("x-amzn-ErrorType") != test.wantType || w.Body.String() != test.wantBody {
				t.Errorf("got %d %q %s", w.Code, w.Header().Get("x-amzn-ErrorType"), w.Body)
			}
		})
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, body string
		wantErr    string
	}{
		{"object", `{"token":"a","unknown":[1]}`, ""},
		{"empty body", ``, ""},
		{"not JSON", `{"token":`, "not valid JSON"},
		{"wrong type", `{"token":7}`, "parameter token has the wrong type"},
		{"two values", `{} {}`, "not valid JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var v struct {
				Token string `json:"token"`
			}
			err := Read(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body)), &v, "InvalidRequestException")
			if test.wantErr == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refusal, ok := errors.AsType[*Error](err)
			if !ok || refusal.Code != "InvalidRequestException" || refusal.Status != 400 || !strings.Contains(refusal.Message, test.wantErr) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadRefusesOversizeBody(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"token":"`+strings.Repeat("a", 100)+`"}`))
	r.Body = http.MaxBytesReader(w, r.Body, 50)
	var v map[string]string
	if refusal, ok := errors.AsType[*Error](Read(r, &v, "InvalidRequestException")); !ok || refusal.Status != 413 {
		t.Errorf("got %v", refusal)
	}
}

func TestTimeIsEpochSeconds(t *testing.T) {
	tests := []struct {
		in   time.Time
		want string
	}{
		{time.Unix(1703395200, 0), `1703395200`},
		{time.Unix(1703395200, 250_000_000), `1703395200.250`},
	}
	for _, test := range tests {
		got, err := json.Marshal(Time(test.in))
		if err != nil || string(got) != test.want {
			t.Errorf("%v: got %s, %v; want %s", test.in, got, err, test.want)
		}
		var back Time
		if err := json.Unmarshal(got, &back); err != nil || !time.Time(back).Equal(test.in) {
			t.Errorf("read back %v, %v", time.Time(back), err)
		}
	}
}
