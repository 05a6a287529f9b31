package credentials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

var example = Credentials{
	AccessKeyID:     "ASIAEXAMPLE",
	SecretAccessKey: "a-secret-key",
	SessionToken:    "a-session-token",
	AccountID:       "123456789012",
	Expiration:      time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC),
}

func TestJSONIsThatOfAContainerCredentialsEndpoint(t *testing.T) {
	got, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"a-secret-key","Token":"a-session-token","AccountId":"123456789012","Expiration":"2026-05-06T07:08:09Z"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("got", "credentials", example, "pointer", &example)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		log.WriteString(fmt.Sprintf(verb, example) + fmt.Sprintf(verb, &example) + fmt.Sprintf(verb, []Credentials{example}))
	}
	for _, secret := range []string{example.SecretAccessKey, example.SessionToken, "612d736563726574"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in %s", secret, &log)
		}
	}
	if !strings.Contains(log.String(), "123456789012") {
		t.Errorf("nothing is said of the credentials: %s", &log)
	}
}
