package query

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	formType = "application/x-www-form-urlencoded"
	maxTags  = 2
)

// FuzzForms sends requests of any form to an operation that reads parameters in every way. No request ends in a server's
// error. Only an unambiguous form reaches the operation. What it reads is in the form and within the limits. No text of the
// form becomes XML.
func FuzzForms(f *testing.F) {
	const action = "Action=Echo&Version=1&"
	for _, form := range []string{
		"", "Action=Echo", "Version=1&Action=", "Action=Nothing&Version=1", "Action=Fail&Version=1", "Action=%3C%2FEcho%3E&Version=1",
		action + "Name=abc&MaxItems=7", action + "Name=%00%ff%3C%2FName%3E&MaxItems=99999999999999999999", action + "MaxItems=-0", action + "MaxItems=%2B7&Name=a+b",
		action + "Tags.member.1.Key=a&Tags.member.1.Value=&Tags.member.2.Value=b", action + "Tags.member.2.Key=a", action + "Tags.member.01.Key=a&Tags.member.0.Key=b",
		action + "Keys.member.1=a&Keys.member.2=b&Keys.member.3=c&Keys.member.4=d", action + "Tags.member.1.Key=1&Tags.member.2.Key=2&Tags.member.3.Key=3&Tags.member.4.Key=4",
		action + "Name=abc&Name=abc", action + "name=abc", action + "Name=%zz", action + "Name=a;MaxItems=1", "&&=&" + action + "=&", "Action=Echo&Version=1&Action=Echo",
		strings.Repeat("a&", 20000), action + "Name=" + strings.Repeat("a", 2000),
	} {
		f.Add(true, formType, "", form)
		f.Add(false, "", form, "")
	}
	f.Add(true, formType+"; charset=utf-8", "", action+"Name=abc")
	f.Add(true, "multipart/form-data; boundary=a", "", "--a\r\n")
	f.Add(true, "text/plain", "", action)
	f.Add(true, "application/x-www-form-urlencoded;;", "", action)
	f.Add(true, formType, action+"Name=abc", "")
	f.Add(true, formType, "%", action)
	f.Add(false, formType, "", action)

	f.Fuzz(func(t *testing.T, post bool, contentType, queryString, body string) {
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		if post {
			r.Method = http.MethodPost
		}
		r.Header.Set("Content-Type", contentType)
		r.URL.RawQuery = queryString
		var read Parameters
		service := &Service{Version: "1", Namespace: "urn:test", Operations: map[string]Operation{
			"Echo": func(_ context.Context, p Parameters) (any, error) { read = p; return echo(t, p) },
			"Fail": func(context.Context, Parameters) (any, error) { return nil, errors.New("an inner secret") },
		}}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)

		form := unambiguous(post, contentType, queryString, body)
		reached := form.Get("Action") == "Echo" && form.Get("Version") == "1"
		if reached != (read != nil) {
			t.Fatalf("reached the operation: %v", read != nil)
		}
		fails := form.Get("Action") == "Fail" && form.Get("Version") == "1"
		if w.Code != http.StatusOK && w.Code/100 != 4 && !fails || w.Code == http.StatusOK && !reached {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		checkXML(t, w.Body.String())
	})
}

// unambiguous reads a request in a second way. It returns the form of a request that may reach an operation, or nil.
func unambiguous(post bool, contentType, queryString, body string) url.Values {
	form, err := url.ParseQuery(queryString)
	if err != nil {
		return nil
	}
	if post {
		if media, _, err := mime.ParseMediaType(contentType); err != nil || media != formType {
			return nil
		}
		if form, err = url.ParseQuery(body); err != nil {
			return nil
		}
	}
	for _, values := range form {
		if len(values) != 1 {
			return nil
		}
	}
	return form
}

type echoed struct {
	Name     string
	MaxItems int
	Tags     []echoedTag `xml:"Tags>member"`
	Keys     []string    `xml:"Keys>member"`
}

type echoedTag struct{ Key, Value string }

// echo answers with what it reads, after it has compared that with p.
func echo(t *testing.T, p Parameters) (any, error) {
	tags, keys := p.Structures("Tags", maxTags, "Key", "Value"), p.Strings("Keys", maxTags)
	if len(tags) > maxTags+1 || len(keys) > maxTags+1 {
		t.Fatalf("read %d tags and %d keys of at most %d", len(tags), len(keys), maxTags)
	}
	out := echoed{Keys: keys}
	for i, tag := range tags {
		for _, name := range []string{"Key", "Value"} {
			value, ok := tag[name]
			if flat := member("Tags", i+1) + "." + name; ok != p.Has(flat) || value != p.Get(flat) {
				t.Fatalf("%s is %q, %v", flat, value, ok)
			}
		}
		if len(tag) == 0 {
			t.Fatalf("tag %d is empty", i+1)
		}
		out.Tags = append(out.Tags, echoedTag{tag["Key"], tag["Value"]})
	}
	for i, key := range keys {
		if value := p.Get(member("Keys", i+1)); value != key {
			t.Fatalf("key %d is %q, not %q", i+1, key, value)
		}
	}
	if next := member("Tags", len(tags)+1); len(tags) <= maxTags && (p.Has(next+".Key") || p.Has(next+".Value")) {
		t.Fatalf("%s was not read", next)
	}
	if next := member("Keys", len(keys)+1); len(keys) <= maxTags && p.Has(next) {
		t.Fatalf("%s was not read", next)
	}

	var err error
	letters := regexp.MustCompile(`^[a-z]+$`)
	if out.Name, err = p.Check("Name", Rule{Min: 2, Max: 4, Pattern: letters}); err != nil {
		return nil, err
	}
	if length := utf8.RuneCountInString(out.Name); length < 2 || length > 4 || !letters.MatchString(out.Name) {
		t.Fatalf("the name %q keeps no rule", out.Name)
	}
	if out.MaxItems, err = p.Int("MaxItems", 1, 10, 5); err != nil {
		return nil, err
	}
	if out.MaxItems < 1 || out.MaxItems > 10 {
		t.Fatalf("MaxItems is %d", out.MaxItems)
	}
	return out, nil
}

func member(list string, n int) string { return list + ".member." + strconv.Itoa(n) }

var answerElements = map[string]bool{
	"EchoResponse": true, "EchoResult": true, "Name": true, "MaxItems": true, "Tags": true, "Keys": true, "member": true, "Key": true, "Value": true,
	"ResponseMetadata": true, "RequestId": true, "ErrorResponse": true, "Error": true, "Type": true, "Code": true, "Message": true,
}

// checkXML checks that an answer is well formed, has known elements only, and has no inner text.
func checkXML(t *testing.T, answer string) {
	t.Helper()
	if strings.Contains(answer, "inner secret") {
		t.Fatalf("the answer reveals an inner error: %s", answer)
	}
	decoder := xml.NewDecoder(strings.NewReader(answer))
	for elements := 0; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && elements > 0 {
			return
		}
		if err != nil {
			t.Fatalf("the answer %q is not well formed: %v", answer, err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements++
			if !answerElements[start.Name.Local] {
				t.Fatalf("the answer has the element %s: %s", start.Name.Local, answer)
			}
		}
	}
}

// TestFormSize checks the one limit that a fuzzer is too slow to find.
func TestFormSize(t *testing.T) {
	service := &Service{Version: "1", Operations: map[string]Operation{
		"Echo": func(context.Context, Parameters) (any, error) { return nil, nil },
	}}
	const start = "Action=Echo&Version=1&Name="
	for size, want := range map[int]int{maxForm: http.StatusOK, maxForm + 1: http.StatusBadRequest} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(start+strings.Repeat("a", size-len(start))))
		r.Header.Set("Content-Type", formType)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d bytes: got %d %s", size, w.Code, w.Body)
		}
	}
}
