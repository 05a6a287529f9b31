package clients

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

func TestCompareVersions(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"2.9.19", "2.15.0", -1}, // by numbers, not by letters
		{"1.26.27+dfsg-1", "1.34.41", -1},
		{"1.34.41-1", "1.34.41", 0}, // Debian's revision belongs to the package
		{"2.15.0", "2.15", 1},
		{"v1.2.3", "0.1", -1}, // no version at all
		{"3.515.0", "3.458.0", 1},
	} {
		if got := Compare(row.a, row.b); got != row.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("2.9.19-1", "2.15.0")
	f.Add("", "1..2")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, b) != -Compare(b, a) || Compare(a, a) != 0 {
			t.Errorf("%q and %q have no order: %d, %d", a, b, Compare(a, b), Compare(b, a))
		}
	})
}

// A matrix needs versions on both sides of a floor.
func TestEverySDKHasAVersionAtItsFloorOrDebianDecides(t *testing.T) {
	supported, old := map[string]bool{}, 0
	for _, c := range All() {
		switch {
		case c.Version != "" && c.TooOld(c.Version):
			old++
		default:
			supported[c.Folder] = true
		}
	}
	for _, c := range All() {
		if !supported[c.Folder] {
			t.Errorf("%s has no version that can be supported", c.Folder)
		}
	}
	if old == 0 {
		t.Error("no client is too old")
	}
}

func TestSelect(t *testing.T) {
	for selection, want := range map[string]string{
		"none":                  "go-v2",
		"default":               "go-v1@1.55.8 go-v2",
		"go-v1@1.47.10,boto3":   "boto3@trixie boto3 go-v1@1.47.10 go-v2",
		"js-v2":                 "go-v2 js-v2@2.1693.0 js-v2@2.1550.0 js-v2@2.1549.0",
		"default,go-v1@1.55.8":  "go-v1@1.55.8 go-v2",
		"aws-cli@trixie":        "aws-cli@trixie go-v2",
		"go-v2,go-v2,go-v2@1.0": "",
	} {
		list, err := Select(strings.Split(selection, ","))
		var names []string
		for _, c := range list {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, error %v, want %q", selection, got, err, want)
		}
	}
	if all, err := Select([]string{SelectAll}); err != nil || len(all) != len(All()) {
		t.Errorf("all: %d of %d, error %v", len(all), len(All()), err)
	}
}

func TestReadNamesWhatAFolderLacks(t *testing.T) {
	good := map[string]string{
		"_sdk/a/client.yaml": "{sdk: A, floor: 1.2.3, source: 'https://example.com', kind: go, versions: [{version: 1.2.3}]}",
		"_sdk/a/main.go":     "package main", "_sdk/a/1.2.3.mod": "module client", "_sdk/a/1.2.3.sum": "",
	}
	for name, row := range map[string]struct {
		change func(map[string]string)
		says   string
	}{
		"complete":      {func(map[string]string) {}, ""},
		"no program":    {func(f map[string]string) { delete(f, "_sdk/a/main.go") }, "client a@1.2.3: lacks main.go"},
		"not pinned":    {func(f map[string]string) { delete(f, "_sdk/a/1.2.3.sum") }, "lacks 1.2.3.sum"},
		"a typo":        {func(f map[string]string) { f["_sdk/a/client.yaml"] = "{sdk: A, flor: 1.2.3}" }, "flor"},
		"another kind":  {func(f map[string]string) { f["_sdk/a/client.yaml"] = "{sdk: A, kind: ruby, versions: [{}]}" }, `kind "ruby"`},
		"no floor":      {func(f map[string]string) { f["_sdk/a/client.yaml"] = "{kind: npm, versions: [{}]}" }, "a floor with numbers"},
		"no other file": {func(f map[string]string) { delete(f, "_sdk/a/client.yaml") }, "read client a"},
	} {
		changed := maps.Clone(good)
		row.change(changed)
		files := fstest.MapFS{}
		for name, text := range changed {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		list, err := read(files)
		switch {
		case row.says == "" && (err != nil || len(list) != 1 || list[0].Name != "a@1.2.3"):
			t.Errorf("%s: %+v, %v", name, list, err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
			t.Errorf("%s: error %v, want %q", name, err, row.says)
		}
	}
}
