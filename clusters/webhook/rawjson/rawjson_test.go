package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func members(raw string) (string, error) {
	var all []string
	err := Members([]byte(raw), func(m Member) error {
		all = append(all, string(m.Key)+"="+string(m.Value))
		return nil
	})
	return strings.Join(all, " "), err
}

func TestValid(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"a":1,"a":[1, {"b":null}]}`: true, ` 5 `: true, `"a"`: true, "\"\xff\"": true, `"\ud800"`: true,
		``: false, `nul`: false, `{`: false, `{"a":1,}`: false, `[1,]`: false, `{"a":01}`: false, `[}`: false, `{} {}`: false, `{"a":"\x"}`: false, "\"\n\"": false,
	} {
		if got := Valid([]byte(raw)); got != want {
			t.Errorf("%s: got %t, want %t", raw, got, want)
		}
	}
}

func TestMembers(t *testing.T) {
	for raw, want := range map[string]string{
		`{}`:                           ``,
		`null`:                         ``,
		` null`:                        ``,
		`{"a":1.50,"b":{"c": [1, 2]}}`: `"a"=1.50 "b"={"c": [1, 2]}`, // as it was sent
		` { "a" : null , "a" : "x" } `: `"a"=null "a"="x"`,           // names may repeat
		`{"\u0061":1,"A":2,"a\"b":3,"\u00e9\n":4}`: `"a"=1 "A"=2 "a\"b"=3 "é\n"=4`,
		"{\"\xff\":\"\xff\"}":                      "\"\ufffd\"=\"\xff\"", // no UTF-8
	} {
		if got, err := members(raw); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", raw, got, err, want)
		}
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for raw, want := range map[string]string{
		`[]`: "got an array, expected an object", `5`: "got a number, expected an object", `"a"`: "got a string, expected an object", `true`: "got a boolean, expected an object",
		``: "EOF", `{`: "EOF", `{"a"}`: "a colon", `{"a":}`: "EOF", `{"a":1]`: "a comma", `{a:1}`: "a name", `{"a":1} {}`: "there is more after the value", `null null`: "there is more after the value",
	} {
		got, err := members(raw)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %s, %v, want an error with %q", raw, got, err, want)
		}
	}
}

func TestElements(t *testing.T) {
	elements := func(raw string) (all []string, err error) {
		err = Elements([]byte(raw), func(value []byte) error {
			all = append(all, string(value))
			return nil
		})
		return all, err
	}
	if got, err := elements(` [1, {"a": 2} ,null]`); err != nil || fmt.Sprintf("%q", got) != `["1" "{\"a\": 2}" "null"]` {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := elements(`null`); err != nil || got != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, raw := range []string{`{}`, `[`, `[,`, `[1}`, `[] []`} {
		if got, err := elements(raw); err == nil {
			t.Errorf("%s: got %q", raw, got)
		}
	}
}

func TestEachEndsIt(t *testing.T) {
	stop, calls := errors.New("stop"), 0
	err := Members([]byte(`{"a":1,"b":2}`), func(Member) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestText(t *testing.T) {
	for raw, want := range map[string]string{`"a"`: "a", `""`: "", `"\u0061\n"`: "a\n", `"é"`: "é", `null`: "otherwise", "\"\xff\"": "\ufffd"} {
		if got, err := Text([]byte(raw), "otherwise"); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", raw, got, err, want)
		}
	}
	if _, err := Text([]byte(`[]`), ""); err == nil || err.Error() != "got an array, expected a string" {
		t.Errorf("got %v", err)
	}
}

func TestAppendText(t *testing.T) {
	for text, want := range map[string]string{"": `x""`, "a/b": `x"a/b"`, "é\"\n\x01<": `x"é\"\n\u0001<"`, "a\xffb": "x\"a\ufffdb\""} {
		if got := string(AppendText([]byte("x"), text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// FuzzMembers: what is valid, what is an object, and what is in it, is what encoding/json says. Of the rest nothing is
// read that is not there.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"a":1,"a":{"b":[2]}}`, `{"\u0061":"\ud800"}`, "{\"\xff\":1}", `{"a":1} x`, `[]`, ` {"a" : -0.0e5 }`,
		`{"a":"\\","b\"":["]",{"}":"\\\""}]}`, `{"a":[}`, `{"a":1,}`, `{"a`, `{"a":"\`, `[1,{"a":2},null]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(raw, &want)
		if got := Valid(raw); got != json.Valid(raw) {
			t.Fatalf("valid is %t, encoding/json says %v", got, wantErr)
		}
		got := map[string]string{}
		err := Members(raw, func(m Member) error {
			var name string
			if err := json.Unmarshal(m.Key, &name); err != nil && wantErr == nil {
				t.Errorf("key %s: %v", m.Key, err)
			}
			got[name] = string(m.Value)
			return nil
		})
		var wantList []json.RawMessage
		wantListErr := json.Unmarshal(raw, &wantList)
		var gotList []string
		listErr := Elements(raw, func(value []byte) error {
			gotList = append(gotList, string(value))
			return nil
		})
		if !json.Valid(raw) {
			return
		}
		if (err == nil) != (wantErr == nil) || (listErr == nil) != (wantListErr == nil) {
			t.Fatalf("got %v and %v, encoding/json says %v and %v", err, listErr, wantErr, wantListErr)
		}
		if len(got) != len(want) || len(gotList) != len(wantList) {
			t.Fatalf("got %q and %q, encoding/json has %q and %q", got, gotList, want, wantList)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q: got %q, encoding/json has %q", name, got[name], value)
			}
		}
		for n, value := range wantList {
			if gotList[n] != string(value) {
				t.Errorf("element %d: got %q, encoding/json has %q", n, gotList[n], value)
			}
		}
	})
}
