//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a shell block of the walkthrough.
type block struct {
	commands string
	// expected are the lines of its output by its comments, with "…" for what differs.
	expected []string
}

var fence = regexp.MustCompile("(?s)```sh\n(.*?)```")

// blocks are the blocks that are typed into the shell of `epi aws`.
func blocks(text string) []block {
	var list []block
	for _, match := range fence.FindAllStringSubmatch(text, -1) {
		b := block{}
		for line := range strings.Lines(match[1]) {
			if comment, ok := strings.CutPrefix(line, "# "); ok {
				b.expected = append(b.expected, strings.TrimSuffix(comment, "\n"))
			}
		}
		b.commands = match[1]
		if !strings.HasPrefix(b.commands, "epi up") && !strings.HasPrefix(b.commands, "exit") {
			list = append(list, b)
		}
	}
	return list
}

func TestWalkthroughHasTheSeedsThreeObservations(t *testing.T) {
	var all []string
	for _, b := range blocks(walkthrough) {
		all = append(all, b.expected...)
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", b.commands).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, b.commands)
		}
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"Unable to locate credentials", "download: s3://", "An error occurred (403) when calling the HeadObject operation: Forbidden"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing prints %q", want)
		}
	}
}

// environmentVariable names an environment of bin/epi up --redirect-aws --clients aws-cli@trixie in which the walkthrough
// was not done yet.
const environmentVariable = "EPI_TEST_WALKTHROUGH"

// TestWalkthroughIsTrue types the walkthrough.
func TestWalkthroughIsTrue(t *testing.T) {
	name := os.Getenv(environmentVariable)
	if name == "" {
		t.Skipf("needs a fresh environment: make build && bin/epi up --name walk --redirect-aws --clients aws-cli@trixie, then %s=walk go test -run %s ./cmd/epi", environmentVariable, t.Name())
	}
	epi, err := filepath.Abs("../../bin/epi")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, b := range blocks(walkthrough) {
		// A person is slower than the removal of the pod before.
		const settled = "kubectl wait --for=delete pods --all -n default --timeout=60s >/dev/null 2>&1\n"
		command := exec.CommandContext(t.Context(), epi, "aws", "--name", name, "--", "sh", "-c", settled+b.commands)
		command.Dir = folder
		printed, err := onTerminal(t, command) // kubectl run -it attaches to nothing else
		t.Logf("%s\n%s", b.commands, printed)
		if err != nil && len(b.expected) == 0 {
			t.Errorf("%v", err)
		}
		for _, line := range b.expected {
			for part := range strings.SplitSeq(strings.ReplaceAll(line, "/epi/", "/"+name+"/"), "…") {
				if !strings.Contains(printed, strings.ReplaceAll(part, "eks-epi-", "eks-"+name+"-")) {
					t.Errorf("not printed: %s", line)
				}
			}
		}
	}
}
