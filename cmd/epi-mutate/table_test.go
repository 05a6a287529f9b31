package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation"
)

func TestTableKeepsWhatWasDecided(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table")
	kept, err := openTable(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range []mutation.Result{
		{Name: "agent-a", Verdict: mutation.Survived}, {Name: "agent-a", Verdict: mutation.Killed}, {Name: "agent-b", Verdict: mutation.Undone},
	} {
		if err := kept.add(result); err != nil {
			t.Fatal(err)
		}
	}
	read, err := openTable(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.results) != 1 || read.results["agent-a"].Verdict != mutation.Killed {
		t.Errorf("got %+v, want agent-a as it was decided last, and nothing of agent-b", read.results)
	}
	a, b, equivalent := mutation.Mutant{Name: "agent-a"}, mutation.Mutant{Name: "agent-b"}, mutation.Mutant{Name: "agent-c", Equivalent: "nobody sees it"}
	if !read.has([]mutation.Mutant{a, equivalent}) || read.has([]mutation.Mutant{a, b}) {
		t.Error("what is to be examined is agent-b alone")
	}
}

func TestTableNamesTheLineThatItCannotRead(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{\"name\":\"a\"}\nno\n", "no name": "{\"name\":\"a\"}\n{}\n"} {
		file := filepath.Join(t.TempDir(), "table")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openTable(file); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
