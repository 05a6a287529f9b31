//go:build unix

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/eksctl"
)

// The walkthrough on EKS, with its output: "…" stands for what differs, and alone on a line for several lines.
var (
	//go:embed eks-walkthrough.sh
	eksWalkthrough string
	//go:embed eks-walkthrough.txt
	eksTranscript string
)

const anything = "…"

// mismatch returns the first line of the transcript want that printed lacks at its place; "" if it has all.
func mismatch(want, printed string) string {
	lines := strings.Split(strings.TrimSpace(want), "\n")
	// The positions in got at which the lines so far can end, because "…" may stand for any number of lines.
	got := strings.Split(strings.TrimSpace(printed), "\n")
	ends := map[int]bool{0: true}
	for _, line := range lines {
		next := map[int]bool{}
		if line == anything {
			for at := slices.Min(keys(ends)); at <= len(got); at++ {
				next[at] = true
			}
		} else {
			pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(line)), anything, ".*") + "$")
			for at := range ends {
				if at < len(got) && pattern.MatchString(strings.TrimSpace(got[at])) {
					next[at+1] = true
				}
			}
		}
		if ends = next; len(ends) == 0 {
			return line
		}
	}
	if !ends[len(got)] {
		return "the end, after " + lines[len(lines)-1]
	}
	return ""
}

func keys(set map[int]bool) (list []int) {
	for key := range set {
		list = append(list, key)
	}
	return list
}

func TestMismatch(t *testing.T) {
	const want = "a\n…\nb…\n…\nend"
	for printed, line := range map[string]string{
		"a\nb\nend": "", "a\nx\ny\nb1\nz\nend": "", "a\nb\nb2\nend\n": "", "x\na\nb\nend": "a", "a\nend": "b…", "a\nb\nx": "end", "a\nb\nend\nx": "the end, after end",
	} {
		if got := mismatch(want, printed); got != line {
			t.Errorf("%q: %q, want %q", printed, got, line)
		}
	}
	if got := mismatch("a", "a\nb"); got != "the end, after a" {
		t.Errorf("more than was wanted: %q", got)
	}
}

// TestEKSWalkthroughIsTheArticle: the commands of the article are those of the script, except those that its head names.
func TestEKSWalkthroughIsTheArticle(t *testing.T) {
	head, typed, _ := strings.Cut(eksWalkthrough, "set -v\n")
	if out, err := exec.CommandContext(t.Context(), "bash", "-n", "eks-walkthrough.sh").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	const pod = `kubectl run -n default --rm -it aws-cli --image=public.ecr.aws/aws-cli/aws-cli:2.15.3 `
	const withAccount = pod + `--overrides='{ "spec": { "serviceAccount": "aws-cli" }  }' `
	rest := strings.NewReplacer("--version 1.36", "--version 1.28", "$EPI_AWS_CLI_IMAGE", "public.ecr.aws/aws-cli/aws-cli:2.15.3").Replace(typed)
	for _, command := range []string{
		"aws s3 ls --recursive s3://kaitoy-epi-test/",
		"eksctl create cluster --name epi-test --region us-east-1 --version 1.28 --managed -t t3.medium -N 1 -m 1 -M 1 --node-volume-size 20 --spot --disable-pod-imds",
		"aws eks create-addon --cluster-name epi-test --addon-name eks-pod-identity-agent --addon-version v1.0.0-eksbuild.1",
		"kubectl get po -n kube-system -l app.kubernetes.io/name=eks-pod-identity-agent",
		"kubectl get daemonset -n kube-system eks-pod-identity-agent",
		"aws iam create-policy --policy-name epi-s3 --policy-document file://epi-policy.json",
		"aws iam create-role --role-name epi-bucket-user --assume-role-policy-document file://epi-trust-policy.json",
		"aws iam attach-role-policy --role-name epi-bucket-user --policy-arn=arn:aws:iam::123456789012:policy/epi-s3",
		"kubectl create serviceaccount aws-cli -n default",
		"aws eks create-pod-identity-association --cluster-name epi-test --role-arn arn:aws:iam::123456789012:role/epi-bucket-user --namespace default --service-account aws-cli",
		pod + "-- s3 cp s3://kaitoy-epi-test/epi-test/default/text.txt .",
		withAccount + "-- s3 cp s3://kaitoy-epi-test/epi-test/default/test.txt .",
		withAccount + "-- s3 cp s3://kaitoy-epi-test/epi-test/hoge/test.txt .",
	} {
		_, after, found := strings.Cut(rest, "\n"+command+"\n")
		if !found {
			t.Errorf("not there, or not in the article's order: %s", command)
			continue
		}
		rest = "\n" + after
	}
	for _, word := range []string{"--version", "--image", "kubectl wait", "kubectl rollout", "bucket"} {
		if !strings.Contains(head, word) {
			t.Errorf("the head does not name what differs: %s", word)
		}
	}
	// A transcript begins with typed text.
	shown := "\n" + eksTranscript
	for line := range strings.Lines(typed) {
		if _, shell, _ := strings.Cut(line, "exit "); shell != "" || line == "\n" {
			continue
		}
		_, after, found := strings.Cut(shown, "\n"+line)
		if !found {
			t.Errorf("the transcript lacks, or has in another order: %s", line)
			continue
		}
		shown = "\n" + after
	}
	for _, decisive := range []string{"eks-pod-identity-agent   1         1         1", "Unable to locate credentials", "download: s3://", "An error occurred (403) when calling the HeadObject operation: Forbidden"} {
		if !strings.Contains(eksTranscript, decisive) {
			t.Errorf("the transcript lacks %q", decisive)
		}
	}
}

func TestEKSWalkthroughRunsInARegionOnly(t *testing.T) {
	for variables, says := range map[string]string{
		"AWS_ENDPOINT_URL=": "not in a region of epi", "AWS_ENDPOINT_URL=https://eks.us-east-1.amazonaws.com": "not in a region of epi",
		"AWS_ENDPOINT_URL=http://127.0.0.1:4566": "epi cloud up --clients aws-cli@trixie",
	} {
		command := exec.CommandContext(t.Context(), "bash", "eks-walkthrough.sh")
		command.Env = []string{"PATH=" + t.TempDir() + ":/usr/bin:/bin", variables}
		out, err := command.CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) || strings.Contains(string(out), "aws s3") {
			t.Errorf("%s: %v: %s", variables, err, out)
		}
	}
}

// seedVariable makes TestEKSWalkthroughIsTrue bring up a region of that name, or of its own name if it is 1, and type the
// walkthrough.
const seedVariable = "EPI_TEST_SEED"

// escapes match those of terminals: colours, and the queries of programs.
var escapes = regexp.MustCompile("\x1b(\\][^\x07\x1b]*(\x07|\x1b\\\\)|\\[[0-9;?]*[A-Za-z])")

// TestEKSWalkthroughIsTrue runs the walkthrough at a terminal, in a region of its own.
func TestEKSWalkthroughIsTrue(t *testing.T) {
	name := os.Getenv(seedVariable)
	if name == "" {
		t.Skipf("takes 6 minutes, a container engine and the pinned eksctl: make build eksctl, then %s=1 go test -timeout 30m -run %s ./cmd/epi", seedVariable, t.Name())
	}
	if name == "1" {
		name = "walkthrough"
	}
	if err := clusters.CheckName(name); err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	epi, err := filepath.Abs("../../bin/epi")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := clusters.FindDirs(clusters.Dirs{}, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	program, err := eksctl.Find(dirs.Cache)
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	if err := os.Symlink(program, filepath.Join(programs, "eksctl")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(epi, "cloud", "down", "--name", name).CombinedOutput(); err != nil {
			t.Errorf("epi cloud down: %v\n%s", err, out)
		}
	})
	if out, err := exec.CommandContext(t.Context(), epi, "cloud", "up", "--name", name, "--clients", "aws-cli@trixie").CombinedOutput(); err != nil {
		t.Fatalf("epi cloud up: %v\n%s", err, out)
	}
	script := fmt.Sprintf("export PATH=%q:\"$PATH\"; eval \"$(%q cloud env --name %s)\"; exec bash eks-walkthrough.sh", programs, epi, name)
	command := exec.CommandContext(t.Context(), "bash", "-c", script)
	began := time.Now()
	text, err := onTerminal(t, command)
	if err != nil {
		t.Errorf("the script: %v", err)
	}
	t.Logf("%s\nafter %s", text, time.Since(began).Round(time.Second))
	if line := mismatch(eksTranscript+"\n"+anything, text); line != "" {
		t.Errorf("not printed, or not there: %s", line)
	}
	if strings.Contains(text, "\nexit code ") {
		t.Error("a command failed")
	}
}

// onTerminal runs a command at a terminal, and returns its output and how it ended.
func onTerminal(t *testing.T, command *exec.Cmd) (string, error) {
	t.Helper()
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }() // it is only read
	var printed bytes.Buffer
	_, _ = printed.ReadFrom(terminal) // its end is an error of the terminal
	return plain(printed.String()), command.Wait()
}

// plain is the visible text of a terminal's output: the last text of each line.
func plain(output string) string {
	var lines []string
	for line := range strings.SplitSeq(escapes.ReplaceAllString(output, ""), "\n") {
		line = strings.TrimRight(line, "\r")
		lines = append(lines, line[strings.LastIndexByte(line, '\r')+1:])
	}
	return strings.Join(lines, "\n")
}

func TestPlain(t *testing.T) {
	if got := plain("\x1b]11;?\x1b\\\x1b[6n\x1b[36ma\x1b[0m\r\nhalf\rwhole\r\n"); got != "a\nwhole\n" {
		t.Errorf("got %q", got)
	}
}
