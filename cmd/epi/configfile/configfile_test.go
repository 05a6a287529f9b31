package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseKeepsWhatIsWrittenAndWhere(t *testing.T) {
	file, err := Parse([]byte("# mine\nname: 0123\nkubernetes-version: 1.30\nagent-arg: [--v=4, 'a,b', 2]\nkeep: yes\nslo: []\nbench:\n  rate: 9e2\n  scenario:\n    - warm\nday: 2026-01-02\nbase: &b x\nother: *b\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Value{
		{"", "name", []string{"0123"}, false, 2, 1},
		{"", "kubernetes-version", []string{"1.30"}, false, 3, 1},
		{"", "agent-arg", []string{"--v=4", "a,b", "2"}, true, 4, 1},
		{"", "keep", []string{"yes"}, false, 5, 1},
		{"", "slo", []string{}, true, 6, 1},
		{"bench", "rate", []string{"9e2"}, false, 8, 3},
		{"bench", "scenario", []string{"warm"}, true, 9, 3},
		{"", "day", []string{"2026-01-02"}, false, 11, 1},
		{"", "base", []string{"x"}, false, 12, 1},
		{"", "other", []string{"x"}, false, 13, 1},
	}
	if !reflect.DeepEqual(file.Values, want) {
		t.Errorf("got  %+v\nwant %+v", file.Values, want)
	}
	if len(file.Problems) != 0 || !reflect.DeepEqual(file.Sections, []Section{{"bench", 7, 1}}) {
		t.Errorf("%+v", file)
	}
}

func TestWhatIsWrongHasItsPlace(t *testing.T) {
	for content, want := range map[string]Problem{
		"a: 1\nname: ~\n":        {"", "name", 2, 1, "key name: it has no value (null); leave it out for the default"},
		"a: 1\nname:\n":          {"", "name", 2, 1, "key name: it has no value (null); leave it out for the default"},
		"name: null":             {"", "name", 1, 1, "key name: it has no value (null); leave it out for the default"},
		"bench:\n  rate: ~":      {"bench", "rate", 2, 3, "key rate: it has no value (null); leave it out for the default"},
		"a: 1\nb: 2\na: 3":       {"", "a", 3, 1, "key a is here a second time, the first is in line 1"},
		"a: [1, [2]]":            {"", "a", 1, 8, "key a, in its list: want one value, found a list"},
		"a: [1, ~]":              {"", "a", 1, 8, "key a, in its list: it has no value (null); leave it out for the default"},
		"a:\n  b:\n    c: 1":     {"a", "b", 2, 3, "key b: want one value, found keys below it"},
		"a: !!binary aGk=":       {"", "a", 1, 1, "key a: want one value, found one with the tag !!binary"},
		"a: !mine x":             {"", "a", 1, 1, "key a: want one value, found one with the tag !mine"},
		"[a]: 1":                 {"", "", 1, 1, "want the name of a flag here, found a list"},
		"x: &x {a: 1}\n<<: *x":   {"", "<<", 2, 1, "want the name of a flag here, found a merge of keys (<<)"},
		"x: &x\n  a: 1\n  b: *x": {"x", "b", 3, 3, "key b: want one value, found keys below it"},
	} {
		file, err := Parse([]byte(content))
		if err != nil || len(file.Problems) != 1 || file.Problems[0] != want {
			t.Errorf("%q: %+v, %v, want %+v", content, file.Problems, err, want)
		}
	}
}

func TestWhatCannotBeReadAtAll(t *testing.T) {
	for content, want := range map[string]Error{
		"- nodes":                      {1, 1, "want keys with values, such as nodes: 2, found a list"},
		"nodes":                        {1, 1, `want keys with values, such as nodes: 2, found "nodes"`},
		"a: 1\n---\nb: 2\n":            {2, 1, "a second YAML document begins here; the configuration is one"},
		"a: 1\nb\xff: 2\n":             {2, 2, "it is not UTF-8 text"},
		"a: 1\nb: c: d\n":              {2, 0, "it is not YAML: mapping values are not allowed in this context"},
		"a: \"open\nb: 2\n":            {0, 0, "it is not YAML"},
		"a: *gone\n":                   {0, 0, "it is not YAML: unknown anchor 'gone' referenced"},
		"a: \x00\n":                    {0, 0, "it is not YAML: control characters are not allowed"},
		"\xfe\xff\x00n":                {1, 1, "it is not UTF-8 text"},
		strings.Repeat("#", maxSize+1): {0, 0, "it is larger than 1024 KiB: that is no configuration of epi"},
	} {
		_, err := Parse([]byte(content))
		got, ok := errors.AsType[*Error](err)
		if !ok || !strings.HasPrefix(got.Text, want.Text) || want.Line != 0 && (got.Line != want.Line || got.Column != want.Column) {
			t.Errorf("%.30q: %+v, want %+v", content, err, want)
		}
	}
}

func TestNothingIsAConfiguration(t *testing.T) {
	for _, content := range []string{"", "\n", "# only a comment\n", "---\n", "~", "\ufeff", "---\n# nothing\n...\n"} {
		if file, err := Parse([]byte(content)); err != nil || len(file.Values) != 0 || len(file.Problems) != 0 {
			t.Errorf("%q: %+v, %v", content, file, err)
		}
	}
}

func TestReadRefusesFoldersAndHugeFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 100<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(huge); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("100 MB: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"name: a\n", "a: [1, 2]\nb: {c: d}\n", "a: &a [*a]", "? [a]: b\n", "<<: {a: 1}", "a: 1\n---\n", "\xff", "a: !!binary x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 1
		seen := map[[2]string]bool{}
		for _, value := range file.Values {
			if !value.List && len(value.Arguments) != 1 {
				t.Errorf("%+v is one value", value)
			}
			if value.Line < 1 || value.Line > lines || value.Column < 1 {
				t.Errorf("%+v is not in the file", value)
			}
			if id := [2]string{value.Section, value.Key}; seen[id] {
				t.Errorf("%+v is there twice", value)
			} else {
				seen[id] = true
			}
		}
	})
}
