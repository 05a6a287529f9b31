package reports

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestResultsComeBack(t *testing.T) {
	for name, run := range samples() {
		if strings.HasPrefix(name, "hostile") {
			continue // invalid UTF-8 is not restored, and an invalid outcome is refused
		}
		data := written(t, WriteJSON, run)
		back, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(run.sorted(), back.sorted()); diff != "" {
			t.Errorf("%s changed on the way:\n%s", name, diff)
		}
		if again := written(t, WriteJSON, back); !bytes.Equal(data, again) {
			t.Errorf("%s: written again, it differs:\n%s", name, cmp.Diff(string(data), string(again)))
		}
	}
}

func TestReadJSONRefuses(t *testing.T) {
	for name, row := range map[string]struct{ data, want string }{
		"nothing":            {``, "unexpected end of JSON input"},
		"not JSON":           {"{\n  \"schema\": \"epi.results/v1\",\n  nonsense}", "line 3, column 3"},
		"cut off":            {`{"schema":"epi.results/v1","id":"x`, "unexpected end"},
		"no schema":          {`{}`, `schema "", but this epi reads "epi.results/v1"`},
		"another schema":     {`{"schema":"epi.results/v9","novel":1}`, `schema "epi.results/v9"`},
		"unknown field":      {`{"schema":"epi.results/v1","novel":1}`, `unknown field "novel"`},
		"a second value":     {`{"schema":"epi.results/v1"} {}`, "after top-level value"},
		"wrong type":         {"{\"schema\":\"epi.results/v1\",\n\"id\":3}", "line 2, column"},
		"outcome":            {`{"schema":"epi.results/v1","specs":[{"name":"n","outcome":"passed"}]}`, `specs[0] "n": outcome "passed" is none of`},
		"nameless spec":      {`{"schema":"epi.results/v1","specs":[{"outcome":"pass"}]}`, "specs[0]: no name"},
		"negative duration":  {`{"schema":"epi.results/v1","specs":[{"name":"n","outcome":"pass","duration":-1}],"phases":[{"name":"p","duration":-1}]}`, `phases[0] "p": negative duration`},
		"same id twice":      {`{"schema":"epi.results/v1","requirements":[{"id":"A-1"},{"id":"A-1"},{"id":""}]}`, `requirements[1]: id "A-1" is there twice`},
		"bench outcome":      {`{"schema":"epi.results/v1","bench":{"scenarios":[{"name":"warm","outcome":"measured"},{"outcome":"pass"}]}}`, `scenarios[0] "warm": outcome "measured" is none of`},
		"bench field":        {`{"schema":"epi.results/v1","bench":{"scenario":[]}}`, `unknown field "scenario"`},
		"not a time":         {`{"schema":"epi.results/v1","started":"yesterday"}`, "yesterday"},
		"an array of values": {`[]`, "cannot unmarshal array"},
	} {
		_, err := ReadJSON(strings.NewReader(row.data))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: want an error with %q, got %v", name, row.want, err)
		}
	}
}

func TestWriteDir(t *testing.T) {
	dir := t.TempDir()
	if err := WriteDir(dir, NewFindings(failing())); err != nil {
		t.Fatal(err)
	}
	first := folder(t, dir)
	if len(first) != 4 {
		t.Errorf("want four files and nothing else, got %d", len(first))
	}
	run, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteDir(dir, NewFindings(run)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, folder(t, dir)); diff != "" {
		t.Errorf("rebuilt from results.json, the reports differ:\n%s", diff)
	}
	if err := WriteDir(filepath.Join(dir, "absent"), NewFindings(run)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want an error for a folder that is not there, got %v", err)
	}
	if _, err := ReadDir(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("want an error for a folder that is not there, got %v", err)
	}
}

// A writer that fails half-way leaves the file as it was, and nothing beside it.
func TestFilesAppearWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	if err := writeFile(dir, "f", func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := writeFile(dir, "f", func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("half", 10000))
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("want the writer's error, got %v", err)
	}
	if diff := cmp.Diff(map[string]string{"f": "whole"}, folder(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// folder is the contents of all files in dir, hidden ones too.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		contents[entry.Name()] = string(data)
	}
	return contents
}

// Whatever can be read can be written, in every format, as UTF-8.
func FuzzReadJSON(f *testing.F) {
	for _, run := range samples() {
		var b bytes.Buffer
		if err := WriteJSON(&b, run); err != nil {
			f.Fatal(err)
		}
		if b.Len() < 100<<10 {
			f.Add(b.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		run, err := ReadJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name, write := range writersOf(run) {
			output := written(t, write, run)
			if !utf8.Valid(output) {
				t.Errorf("%s is not UTF-8", name)
			}
		}
		again, err := ReadJSON(bytes.NewReader(written(t, WriteJSON, run)))
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		if diff := cmp.Diff(run.sorted(), again.sorted()); diff != "" {
			t.Errorf("changed on the way:\n%s", diff)
		}
	})
}
