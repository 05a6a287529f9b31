package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
)

// invoke runs a command line in the repository.
func invoke(args ...string) (code int, out, errOut string) {
	var stdout, stderr strings.Builder
	code = run(context.Background(), append(args, "--root", "../.."), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestUsageErrorsNameTheFlag(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--mutants", "("}, "flag --mutants"},
		{[]string{"--mutants", "^nobody$"}, "no mutant is called ^nobody$"},
		{[]string{"--scope", "some"}, `flag --scope: "some"`},
		{[]string{"--procs", "0"}, "flag --procs"},
		{[]string{"--sample", "-1"}, "flags --sample"},
		{[]string{"--sample", "5", "--scope", "declared"}, "flag --scope"},
		{[]string{"--sample", "5", "--skip", "5"}, "flag --skip"},
		{[]string{"--skip", "1"}, "flag --skip"},
		{[]string{"--for", "-1s", "--table", "t"}, "flag --for"},
		{[]string{"--for", "10m"}, "flag --for wants a --table"},
		{[]string{"--table", "."}, "flag --table"},
		{[]string{"--nonsense"}, "--nonsense"},
		{[]string{"word"}, "word"},
	} {
		code, _, errOut := invoke(row.args...)
		if code != exitUsage || !strings.Contains(errOut, row.want) {
			t.Errorf("%q: exit %d, %q; want 2 and %q", row.args, code, errOut, row.want)
		}
	}
	if code, _, errOut := invoke("--scope", "some", "--procs", "0"); !strings.Contains(errOut, "--scope") || !strings.Contains(errOut, "--procs") {
		t.Errorf("exit %d, %q: not every problem is reported", code, errOut)
	}
	var stderr strings.Builder
	if code := run(context.Background(), []string{"--root", t.TempDir()}, &stderr, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "not the repository") {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

func TestListReportsWhatMutantsDeclare(t *testing.T) {
	code, out, errOut := invoke("--list", "--mutants", "^agent-ignores-account$")
	if code != exitHeld || !regexp.MustCompile(`^agent-ignores-account +AGT-01 +it leaves the account out of its answer\n$`).MatchString(out) {
		t.Errorf("exit %d, %q, %q", code, out, errOut)
	}
}

func TestExactlyMatchesNamesAlone(t *testing.T) {
	expression := regexp.MustCompile(exactly([]string{"A pod (of one) works", "It holds"}))
	for text, want := range map[string]bool{
		"A pod (of one) works": true, "It holds": true, "It holds too": false, "When asked It holds": false,
	} {
		if expression.MatchString(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
	if exactly(nil) != "" {
		t.Error("no selection is not all")
	}
	if regexp.MustCompile(exactly([]string{})).MatchString("It holds") {
		t.Error("an empty selection is all")
	}
}
