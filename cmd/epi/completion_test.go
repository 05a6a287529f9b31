package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
)

// completed are the words that a shell is offered after a command line, without their descriptions, and
// cobra's directive: 4 for no files, 0 for files, 16 for folders.
func completed(t *testing.T, variables map[string]string, args ...string) (words []string, directive string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func(key string) (string, bool) {
		value, ok := variables[key]
		return value, ok
	})
	if code := run(t.Context(), a, append([]string{"__complete"}, args...)); code != exitHeld {
		t.Fatalf("%q: exit code %d:\n%s", args, code, errs.String())
	}
	for line := range strings.Lines(out.String()) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if rest, isDirective := strings.CutPrefix(word, ":"); isDirective {
			return words, rest
		}
		words = append(words, word)
	}
	t.Fatalf("%q: no directive in %q", args, out.String())
	return nil, ""
}

func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	state := filepath.Join(dir, "state")
	if _, err := clusters.MakeEnvironmentDir(clusters.Dirs{State: state}, "mine", kindProvider); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"EPI_STATE_DIR": state}
	for _, row := range []struct {
		args      []string
		offers    []string
		directive string
	}{
		{[]string{""}, []string{"list", "status", "logs", "load", "run"}, "4"},
		{[]string{"help", ""}, []string{"up", "configuration", "exit-codes"}, "4"},
		{[]string{"down", "--name", ""}, []string{"mine"}, "4"},
		{[]string{"status", ""}, []string{"mine"}, "4"},
		{[]string{"logs", ""}, []string{"agent", "emulator", "node"}, "4"},
		{[]string{"logs", "agent", ""}, nil, "4"},
		{[]string{"up", "--provider", ""}, []string{"kind", "existing"}, "4"},
		{[]string{"up", "--clients", "go-v2,"}, []string{"go-v2,js-v3"}, "4"},
		{[]string{"up", "--kubernetes-version", ""}, []string{"v1.36.3"}, "4"},
		{[]string{"up", "--nodes", ""}, nil, "4"},
		{[]string{"up", "--kubeconfig", ""}, nil, "0"},
		{[]string{"up", "--agent-image", ""}, nil, "0"},
		{[]string{"up", "--state-dir", ""}, nil, "16"},
		{[]string{"test", "--artifacts", ""}, nil, "16"},
		{[]string{"test", "--suites", "isolation,"}, []string{"isolation,injection"}, "4"},
		{[]string{"test", "--label-filter", "INJ-01 || "}, []string{"INJ-01 || ABAC-02"}, "4"},
		{[]string{"test", "--profile", "agent,"}, []string{"agent,core"}, "4"},
		{[]string{"test", "--break", ""}, []string{"role-without-policy"}, "4"},
		{[]string{"test", "--output", ""}, []string{"text", "json"}, "4"},
		{[]string{"bench", "--scenario", "warm,"}, []string{"warm,throttled"}, "4"},
		{[]string{"run", "--bench", ""}, []string{"smoke", "none", "warm"}, "4"},
		{[]string{"report", ""}, nil, "0"},
		{[]string{"compare", "a", "b", ""}, nil, "4"},
		{[]string{"compare", "a", "b", "-o", "ma"}, []string{"markdown"}, "4"},
		{[]string{"load", ""}, nil, "0"},
		{[]string{"down", ""}, nil, "4"},
	} {
		words, directive := completed(t, variables, row.args...)
		for _, word := range row.offers {
			if !slices.Contains(words, word) {
				t.Errorf("%q: %q is not offered, but %q", row.args, word, words)
			}
		}
		if row.offers == nil && len(words) > 0 {
			t.Errorf("%q: offers %q", row.args, words)
		}
		if directive != row.directive {
			t.Errorf("%q: directive %s, want %s", row.args, directive, row.directive)
		}
	}
	if words, _ := completed(t, variables, "test", "--suites", "isolation,"); slices.Contains(words, "isolation,isolation") {
		t.Error("an item is offered a second time")
	}
	if err := os.WriteFile(defaultConfigFile, []byte("state-dir: "+state+"\nnodess: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if words, _ := completed(t, nil, "down", "--name", ""); !slices.Equal(words, []string{"mine"}) {
		t.Errorf("the file's folder has %q", words)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, stderr := invokeBare(t, "completion", shell); code != exitHeld || !strings.Contains(stdout, "__complete") || stderr != "" {
			t.Errorf("%s: exit code %d, %d bytes:\n%s", shell, code, len(stdout), stderr)
		}
	}
}

// invokeBare runs one command line as it is, here.
func invokeBare(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), newApp(&out, &errs, func(string) (string, bool) { return "", false }), args)
	return code, out.String(), errs.String()
}
