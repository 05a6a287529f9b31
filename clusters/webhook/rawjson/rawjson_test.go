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
		``: "EOF", `nul`: "", `{`: "", `{"a"}`: "", `{"a":}`: "", `{"a":1,}`: "", `{"a":1]`: "", `{a:1}`: "", `{"a":1} {}`: "there is more after the value", `null null`: "there is more after the value",
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
	for _, raw := range []string{`{}`, `[`, `[1,]`, `[1}`, `[] []`} {
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

// FuzzMembers: the package and encoding/json agree on what is an object, and on its members.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `null`, `{"a":1,"a":{"b":[2]}}`, `{"\u0061":"\ud800"}`, "{\"\xff\":1}", `{"a":1} x`, `[]`, ` {"a" : -0.0e5 }`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(raw, &want)
		got := map[string]string{}
		err := Members(raw, func(m Member) error {
			var name string
			if err := json.Unmarshal(m.Key, &name); err != nil {
				t.Errorf("key %s: %v", m.Key, err)
			}
			got[name] = string(m.Value)
			return nil
		})
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, encoding/json says %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("got %q, encoding/json has %q", got, want)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q: got %q, encoding/json has %q", name, got[name], value)
			}
		}
	})
}
