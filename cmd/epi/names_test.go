package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wrongNames are invalid names, by their problem.
var wrongNames = map[string]string{
	"empty": "", "space": " ", "spaces": "a b", "folder": ".", "folder above": "..", "path": "a/b", "traversal": "../../victim", "absolute": "/etc",
	"backslash": `..\victim`, "33 characters": strings.Repeat("a", 33), "300 characters": strings.Repeat("a", 300), "300 of Unicode": strings.Repeat("é", 300),
	"newline": "epi\n", "two lines": "epi\nrm", "tab": "a\tb", "escape": "\x1b[31mepi", "zero byte": "a\x00b", "delete": "a\x7f",
	"leading dash": "-rf", "long flag": "--all", "trailing dash": "epi-", "leading digit": "1epi", "upper case": "Epi", "all upper case": "EPI",
	"underscore": "my_epi", "dot": "a.b", "Unicode letter": "épi", "Unicode look-alike": "\u0435pi", "full-width": "\uff45\uff50\uff49", "not UTF-8": "e\xffi",
	"pattern": "*", "home": "~", "variable": "$HOME", "quote": "a'b", "comma": "a,b",
}

// namedVerbs are the commands about one environment, with their other required arguments.
func namedVerbs(t *testing.T) map[string][]string {
	t.Helper()
	more := map[string][]string{"load": {"my/app:dev"}, "aws": {"--", "true"}}
	verbs := map[string][]string{}
	for _, command := range newApp(io.Discard, io.Discard, func(string) (string, bool) { return "", false }).rootCommand().Commands() {
		if command.Flags().Lookup("name") != nil {
			verbs[command.Name()] = more[command.Name()]
		}
	}
	if len(verbs) < 9 {
		t.Fatalf("only %v are about an environment", verbs)
	}
	return verbs
}

// TestEveryVerbRefusesEveryWrongName: typed, in the variable and in the file. The error is one line with the source of the
// name, and nothing changes.
func TestEveryVerbRefusesEveryWrongName(t *testing.T) {
	t.Setenv("PATH", "") // no container engine
	dir := place(t)
	t.Chdir(filepath.Join(dir, "work"))
	for verb, more := range namedVerbs(t) {
		before := contentsBelow(t, dir)
		for what, name := range wrongNames {
			// YAML does not allow such characters (https://yaml.org/spec/1.2.2/#51-character-set), but has escapes for
			// some.
			file := filepath.Join(t.TempDir(), "named.yaml")
			quoted := strings.NewReplacer(`\a`, `\x07`, "\xff", `\xff`).Replace(fmt.Sprintf("%+q", name))
			if err := os.WriteFile(file, []byte("name: "+quoted+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, row := range []struct {
				from      string
				args      []string
				variables map[string]string
			}{
				{from: "--name", args: []string{"--name", name}},
				{from: "--name", args: []string{"--name=" + name}},
				{from: "EPI_NAME", variables: map[string]string{"EPI_NAME": name}},
				{from: file + ":1:", args: []string{"--config", file}},
			} {
				variables := map[string]string{"EPI_STATE_DIR": filepath.Join(dir, "state"), "EPI_CACHE_DIR": filepath.Join(dir, "cache")}
				maps.Copy(variables, row.variables)
				code, stderr := perform(t, variables, slices.Concat([]string{verb}, row.args, more))
				if code != exitUsage || !strings.Contains(stderr, row.from) {
					t.Errorf("%s, %s (%q) from %s: exit code %d:\n%s", verb, what, name, row.from, code, stderr)
				}
				lines := strings.Split(strings.TrimSpace(stderr), "\n")
				if len(lines) > 3 || len(lines[0]) > 500 || strings.ContainsAny(strings.Join(lines, ""), "\x00\x07\x1b\x7f\t") {
					t.Errorf("%s, %s from %s: wants a line or two of plain text, got %d of %d bytes:\n%q", verb, what, row.from, len(lines), len(lines[0]), stderr)
				}
			}
		}
		if after := contentsBelow(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s changed something: %s", verb, difference(before, after))
		}
	}
}

// TestVerbsWithoutAnEnvironmentTakeNoName: they have no such flag, ignore a wrong variable, and warn of a wrong file.
func TestVerbsWithoutAnEnvironmentTakeNoName(t *testing.T) {
	t.Setenv("PATH", "")
	dir := place(t)
	t.Chdir(filepath.Join(dir, "work"))
	for _, args := range [][]string{{"list"}, {"report", "run"}, {"compare", "run", "run"}, {"completion", "bash"}, {"version"}, {"images", "--file", "x"}, {"doctor"}, {"exit-codes"}} {
		before := contentsBelow(t, dir)
		variables := map[string]string{"EPI_STATE_DIR": filepath.Join(dir, "state"), "EPI_CACHE_DIR": filepath.Join(dir, "cache")}
		code, stderr := perform(t, variables, append(args[:len(args):len(args)], "--name", "../../victim"))
		if code != exitUsage || !strings.Contains(stderr, "--name") {
			t.Errorf("%q: exit code %d:\n%s", args, code, stderr)
		}
		if after := contentsBelow(t, dir); !maps.Equal(before, after) {
			t.Errorf("%q changed something: %s", args, difference(before, after))
		}
	}
	for _, file := range []string{"", "traversal.yaml"} {
		args := []string{"list"}
		if file != "" {
			args = append(args, "--config", file)
		}
		code, stderr := perform(t, map[string]string{"EPI_NAME": "../../victim", "EPI_STATE_DIR": filepath.Join(dir, "state")}, args)
		if code != exitHeld || (file != "") != strings.Contains(stderr, "Warning: traversal.yaml:1:1") {
			t.Errorf("list with %q: exit code %d:\n%s", file, code, stderr)
		}
	}
}
