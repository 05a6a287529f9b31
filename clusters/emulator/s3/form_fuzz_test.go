package s3

import (
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"time"
)

// FuzzForm reads forms of any text. A refusal is a client's error. An accepted form is within the bounds and has each field once.
func FuzzForm(f *testing.F) {
	const head = "--b\r\nContent-Disposition: form-data; name="
	f.Add(head + "\"key\"\r\n\r\nuser/${filename}\r\n" + head + "\"file\"; filename=\"a.txt\"\r\n\r\ntext\r\n--b--\r\n")
	f.Add(head + "\"Key\"\r\n\r\nk\r\n" + head + "\"key\"\r\n\r\nk\r\n" + head + "\"file\"\r\n\r\n\r\n--b--\r\n")
	f.Add(head + "\"\"; filename=\"a\"\r\n\r\ntext\r\n--b--\r\n")
	f.Add(head + "\"x-amz-meta-a\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=0D=0A\r\n--b--")
	f.Add("--b\r\n\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		form := &form{fields: map[string]string{}, gate: &gate{source: strings.NewReader(body), left: maxForm}}
		err := form.read(multipart.NewReader(form.gate, "b"))
		size := 0
		for name, value := range form.fields {
			size += len(name) + len(value)
			if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, "\r\n\x00: ") {
				t.Fatalf("field %q of %q", name, body)
			}
			if name != "policy" && name != "tagging" && strings.ContainsAny(value, "\r\n\x00") {
				t.Fatalf("%s is %q: an object would give it back as a header", name, value)
			}
		}
		if size > maxFields || len(form.names) != len(form.fields) {
			t.Fatalf("%d bytes, names %q of fields %q", size, form.names, form.fields)
		}
		if err != nil {
			if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Status < 400 || refusal.Status >= 500 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if file, err := io.ReadAll(form.file); err == nil && !strings.Contains(body, string(file)) && !strings.Contains(strings.ToLower(body), "quoted-printable") {
			t.Fatalf("the file %q is not in %q", file, body)
		}
	})
}

// FuzzPostPolicy checks a form of one field against policies of any text. A policy that accepts the form has a condition that names
// the field, and has not expired.
func FuzzPostPolicy(f *testing.F) {
	const expires = `{"expiration":"2030-01-01T00:00:00Z","conditions":`
	f.Add(expires+`[{"bucket":"bucket"},["starts-with","$key","user/"]]}`, "key", "user/a")
	f.Add(expires+`[["eq","$Key","a"],["content-length-range","1",10]]}`, "key", "a")
	f.Add(expires+`[["starts-with","$Content-Type","image/"],{"a":"b","c":"d"}]}`, "content-type", "image/png,text/html")
	f.Add(expires+`[]}`, "x-ignore-a", "b")
	f.Add(`{"expiration":"2001-01-01T00:00:00.000Z","conditions":[]} {}`, "key", "a")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text, name, value string) {
		policy, err := parsePostPolicy(base64.StdEncoding.EncodeToString([]byte(text)))
		if err == nil {
			sent := &form{fields: map[string]string{name: value}, names: []string{name}, most: 100}
			var least, most int64
			if least, most, err = policy.check(sent, "bucket", now); err == nil {
				switch {
				case !now.Before(policy.expiration):
					t.Fatalf("%q has expired", text)
				case least < 0 || most > 100:
					t.Fatalf("%q lets in %d to %d bytes", text, least, most)
				case !strings.Contains(strings.ToLower(text), "expiration"), !exempt(name) && len(policy.conditions) == 0:
					t.Fatalf("%q takes %s", text, name)
				}
				for _, condition := range policy.conditions {
					if condition.name == name && name != "bucket" && !condition.prefix && condition.value != value {
						t.Fatalf("%q takes %q for %s", text, value, name)
					}
				}
			}
		}
		if err != nil {
			if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Status != 400 && refusal.Status != 403 {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

// exempt are the fields that need no condition (sigv4-HTTPPOSTConstructPolicy, "Conditions").
func exempt(name string) bool {
	switch name {
	case "policy", "x-amz-signature", "awsaccesskeyid", "bucket":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}
