package probe

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func firstObject() FirstObject {
	started := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	return FirstObject{
		Started: started, Credentials: started.Add(30 * time.Millisecond), Source: "CredentialsEndpointProvider",
		Object: started.Add(50 * time.Millisecond), Size: 12,
	}
}

func message(t testing.TB, first FirstObject) string {
	t.Helper()
	data, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}

func TestFirstObjectsComeBackAsTheyWereLeft(t *testing.T) {
	whole := firstObject()
	noCredentials := FirstObject{Started: whole.Started, Failure: &Failure{Class: NoCredentials, Operation: "Retrieve"}}
	denied := whole
	denied.Object, denied.Size, denied.Failure = time.Time{}, 0, &Failure{Class: APIError, Operation: "GetObject", Status: 403}
	for _, want := range []FirstObject{whole, noCredentials, denied} {
		got, err := DecodeFirstObject(message(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMessagesThatNoFirstObjectLeftAreRefused(t *testing.T) {
	changed := func(change func(*FirstObject)) string {
		first := firstObject()
		change(&first)
		return message(t, first)
	}
	whole := message(t, firstObject())
	for says, text := range map[string]string{
		"EOF":                             "",
		"invalid character":               "panic: runtime error",
		"unexpected EOF":                  whole[:len(whole)/2], // the kubelet keeps 4096 bytes
		"more after its end":              whole + whole,
		"unknown field":                   strings.Replace(whole, `"size"`, `"color"`, 1),
		"parsing time":                    strings.Replace(whole, "2026", "then", 1),
		"when it started":                 changed(func(f *FirstObject) { f.Started = time.Time{} }),
		"neither an object nor a failure": changed(func(f *FirstObject) { f.Object = time.Time{} }),
		"or both":                         changed(func(f *FirstObject) { f.Failure = &Failure{} }),
		"credentials before it started":   changed(func(f *FirstObject) { f.Credentials = f.Started.Add(-1) }),
		"object before credentials":       changed(func(f *FirstObject) { f.Object = f.Credentials.Add(-1) }),
		"the object before":               changed(func(f *FirstObject) { f.Credentials = time.Time{} }),
		"-1 bytes":                        changed(func(f *FirstObject) { f.Size = -1 }),
		"cannot unmarshal":                `[]`,
		"it does not say when it started": `null`,
	} {
		if got, err := DecodeFirstObject(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, error %v; want one that says %q", text, got, err, says)
		}
	}
}

func FuzzDecodeFirstObject(f *testing.F) {
	f.Add(message(f, firstObject()))
	f.Add(`{"started":"2026-01-02T03:04:05Z","failure":{"class":"no-credentials"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		first, err := DecodeFirstObject(text)
		if err != nil {
			return
		}
		if first.Failure == nil && (first.Credentials.Before(first.Started) || first.Object.Before(first.Credentials)) {
			t.Errorf("%q: a success with times in no order: %+v", text, first)
		}
		again, err := DecodeFirstObject(message(t, first))
		if err != nil || !cmp.Equal(first, again) {
			t.Errorf("%q: %v: %s", text, err, cmp.Diff(first, again))
		}
	})
}
