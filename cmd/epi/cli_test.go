package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
)

// invoke runs one command line with the given variables in a folder of its own.
func invoke(t *testing.T, variables map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func(key string) (string, bool) {
		value, ok := variables[key]
		return value, ok
	})
	args = append(args, "--state-dir", filepath.Join(t.TempDir(), "state"), "--cache-dir", filepath.Join(t.TempDir(), "cache"))
	code = run(t.Context(), a, args)
	return code, out.String(), errs.String()
}

func TestWrongUsageExitsWithTwoAndSaysWhere(t *testing.T) {
	for _, row := range []struct {
		name      string
		variables map[string]string
		args      []string
		says      []string
	}{
		{name: "unknown command", args: []string{"upp"}, says: []string{`unknown command "upp"`}},
		{name: "unknown flag", args: []string{"up", "--node", "2"}, says: []string{"--node", "epi up --help"}},
		{name: "flag of the wrong type", args: []string{"up", "--nodes", "two"}, says: []string{"--nodes", "two"}},
		{name: "two flags out of range, printed at once", args: []string{"up", "--nodes", "0", "--imds-hop-limit", "3"}, says: []string{"--nodes", "--imds-hop-limit"}},
		{name: "name that is no DNS label", args: []string{"up", "--name", "My_Cluster"}, says: []string{"--name", "My_Cluster"}},
		{name: "version that is not pinned", args: []string{"up", "--kubernetes-version", "v0.1.0"}, says: []string{"v0.1.0", "v1.36"}},
		{name: "provider that does not exist", args: []string{"up", "--provider", "gke"}, says: []string{"--provider", "gke"}},
		{
			name: "image that is called in no known way", args: []string{"up", "--agent-layout", "upstream", "--webhook-layout", "eks", "--agent-env", "HTTPS_PROXY"},
			says: []string{"--agent-layout", "upstream", "--webhook-image", "KEY=value"},
		},
		{
			name: "an existing cluster without what it takes, and with what only kind takes",
			args: []string{"up", "--provider", "existing", "--nodes", "2", "--agent-image", "a"},
			says: []string{"--cluster-name is required", "--probe-image is required", "--nodes goes with --provider eks or kind", "--agent-image goes with"},
		},
		{name: "flag of another provider", args: []string{"run", "--kubeconfig", "k"}, says: []string{"--kubeconfig goes with --provider existing"}},
		{name: "argument too many", args: []string{"down", "epi"}, says: []string{"epi down --help"}},
		{name: "variable of the wrong type", variables: map[string]string{"EPI_NODES": "many"}, args: []string{"up"}, says: []string{"EPI_NODES", "many"}},
		{name: "aws without a command", args: []string{"aws"}, says: []string{"no command"}},
		{name: "output nobody writes", args: []string{"version", "--output", "xml"}, says: []string{"xml"}},
		{name: "scenario that does not exist", args: []string{"bench", "--scenario", "wram"}, says: []string{"--scenario", "wram", "herd-same"}},
		{name: "benchmark that does not exist", args: []string{"run", "--bench", "wram"}, says: []string{"--bench", "wram", "herd-same", "none"}},
		{name: "agents without --ab", args: []string{"bench", "my/agent"}, says: []string{"my/agent", "--ab", "epi bench --help"}},
		{name: "one agent", args: []string{"bench", "--ab", "my/agent"}, says: []string{"--ab", "A and B", "not 1"}},
		{name: "agent that is only an argument", args: []string{"bench", "--ab", "reference", " --max-cache-size=0"}, says: []string{"agent B", "image first", "reference"}},
		{name: "agent that is nothing", args: []string{"bench", "--ab", " ", "reference"}, says: []string{"agent A is empty"}},
		{name: "two agents and a baseline", args: []string{"bench", "--ab", "a", "b", "--baseline", "x"}, says: []string{"--ab", "--baseline"}},
		{name: "URL that is none", args: []string{"bench", "--url", "localhost:80"}, says: []string{"--url", "http://127.0.0.1:8080/path"}},
		{name: "URL and scenarios", args: []string{"bench", "--url", "http://127.0.0.1/", "--scenario", "warm"}, says: []string{"--url", "--scenario"}},
		{name: "new connections to nothing", args: []string{"bench", "--new-connections"}, says: []string{"--new-connections", "--url"}},
		{name: "rate beyond all bounds", args: []string{"bench", "--url", "http://127.0.0.1/", "--rate", "1e9"}, says: []string{"--rate", "200000"}},
		{name: "threshold for a scenario of a URL", args: []string{"bench", "--url", "http://127.0.0.1/", "--slo", "warm.p99<1s"}, says: []string{"--slo", "url"}},
		{name: "benchmark in a format that nobody writes", args: []string{"bench", "--output", "xml"}, says: []string{"xml"}},
		{name: "threshold that is none", args: []string{"bench", "--slo", "warm.p99"}, says: []string{"--slo", "warm.p99<5ms"}},
		{name: "threshold for what does not run", args: []string{"bench", "--scenario", "warm", "--slo", "herd-same.p99<1s"}, says: []string{"--slo", "herd-same", "warm"}},
		{name: "threshold for what is not measured", args: []string{"run", "--slo", "warm.p42<1s"}, says: []string{"--slo", "p42", "p99"}},
		{name: "threshold without a benchmark", args: []string{"run", "--bench", "none", "--slo", "warm.p99<1s"}, says: []string{"--slo", "--bench is none"}},
		{name: "threshold on a cluster of the user's that gets no load", args: []string{
			"run", "--provider", "existing", "--cluster-name", "c", "--probe-image", "p", "--slo", "warm.p99<1s",
		}, says: []string{"--slo", "--bench is none"}},
		{name: "baseline that is not there", args: []string{"bench", "--baseline", "gone"}, says: []string{"--baseline", "gone", "bench.json"}},
		{name: "tolerance that is none", args: []string{"bench", "--tolerance", "much"}, says: []string{"--tolerance", "10%"}},
		{name: "all and a name", args: []string{"down", "--all", "--name", "x"}, says: []string{"--all", "--name"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, row.variables, row.args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if stdout != "" {
				t.Errorf("standard output is for answers, got %q", stdout)
			}
			for _, text := range row.says {
				if !strings.Contains(stderr, text) {
					t.Errorf("standard error lacks %q:\n%s", text, stderr)
				}
			}
		})
	}
}

func TestMissingEnvironmentExitsWithThreeAndTheRemedy(t *testing.T) {
	for _, args := range [][]string{{"test", "--name", "gone"}, {"aws", "--name", "gone", "--", "true"}} {
		code, _, stderr := invoke(t, nil, args...)
		if code != exitEnvironment || !strings.Contains(stderr, "epi up --name gone") {
			t.Errorf("%q: exit code %d, want %d and the remedy:\n%s", args, code, exitEnvironment, stderr)
		}
	}
}

func TestFlagWinsOverVariableOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "epi.yaml")
	if err := os.WriteFile(file, []byte("output: xml-of-file\nimds-hop-limit: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name      string
		variables map[string]string
		args      []string
		code      int
		says      string
	}{
		{"file", nil, nil, exitUsage, "epi.yaml:1:1: key output: \"xml-of-file\""},
		{"variable over file", map[string]string{"EPI_OUTPUT": "xml-of-variable"}, nil, exitUsage, "variable EPI_OUTPUT: \"xml-of-variable\""},
		{"flag over variable", map[string]string{"EPI_OUTPUT": "xml-of-variable"}, []string{"--output", "json"}, exitHeld, ""},
		{"file named by variable", map[string]string{"EPI_CONFIG": file, "EPI_OUTPUT": "text"}, nil, exitHeld, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := append([]string{"version"}, row.args...)
			if row.variables["EPI_CONFIG"] == "" {
				args = append(args, "--config", file)
			}
			code, _, stderr := invoke(t, row.variables, args...)
			if code != row.code || !strings.Contains(stderr, row.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, row.code, row.says, stderr)
			}
		})
	}
}

func TestVersionAsJSON(t *testing.T) {
	code, stdout, _ := invoke(t, nil, "version", "--output", "json")
	var printed struct{ Version, Go, Platform string }
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil || code != exitHeld {
		t.Fatalf("exit code %d, %v: %q", code, err, stdout)
	}
	if printed.Version == "" || printed.Go == "" || printed.Platform == "" {
		t.Errorf("incomplete: %+v", printed)
	}
}

func TestExitCodes(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"nothing wrong", t.Context(), nil, 0},
		{"failed requirement", t.Context(), &codedError{code: exitFailed, err: errors.New("x")}, 1},
		{"usage", t.Context(), usageError("x"), 2},
		{"environment", t.Context(), &clusters.EnvironmentError{Doing: "x", Err: errors.New("y")}, 3},
		{"unexpected", t.Context(), errors.New("x"), 3},
		{"interrupted wins", ended, &codedError{code: exitFailed, err: errors.New("x")}, 130},
	} {
		if got := exitCode(row.ctx, row.err); got != row.want {
			t.Errorf("%s: exit code %d, want %d", row.name, got, row.want)
		}
	}
}

func TestAWSEnvironmentHidesTheUsersOwn(t *testing.T) {
	env := &clusters.Environment{Name: "epi", Region: "us-west-2", Kubeconfig: "/state/kubeconfig", AWS: clusters.AWS{
		EndpointURL: "http://127.0.0.1:1", AccessKeyID: "AKIAEMULATOR", SecretAccessKey: "secret",
	}}
	base := []string{"HOME=/root", "PATH=/bin", "AWS_PROFILE=production", "AWS_SESSION_TOKEN=theirs", "KUBECONFIG=/theirs", "DOCKER_HOST=tcp://theirs", "DOCKER_CONTEXT=theirs", "DOCKER_TLS_VERIFY=1"}
	got := awsEnvironment(base, env, clusters.Dirs{State: "/state"}, "unix:///state/docker.sock")
	for _, unwanted := range []string{"AWS_PROFILE=production", "AWS_SESSION_TOKEN=theirs", "KUBECONFIG=/theirs", "DOCKER_HOST=tcp://theirs", "DOCKER_CONTEXT=theirs", "DOCKER_TLS_VERIFY=1"} {
		if slices.Contains(got, unwanted) {
			t.Errorf("%s reaches the command", unwanted)
		}
	}
	for _, wanted := range []string{
		"HOME=/root", "PATH=/bin:/state/clusters/epi/bin", "KUBECONFIG=/state/kubeconfig", "AWS_ENDPOINT_URL=http://127.0.0.1:1",
		"AWS_ACCESS_KEY_ID=AKIAEMULATOR", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=us-west-2", "AWS_EC2_METADATA_DISABLED=true", "DOCKER_HOST=unix:///state/docker.sock",
	} {
		if !slices.Contains(got, wanted) {
			t.Errorf("%s does not reach the command", wanted)
		}
	}
}

func TestPipedStepsAreALineEach(t *testing.T) {
	var errs bytes.Buffer
	a := newApp(nil, &errs, func(string) (string, bool) { return "", false })
	a.color = "auto"
	clock := time.Unix(0, 0)
	a.now = func() time.Time { return clock }
	var phases []phase
	s := a.newSteps(func(p phase) { phases = append(phases, p) })
	good, bad := s.Start("Node image"), s.Start("Cluster")
	good.Detail("compiling")
	clock = clock.Add(72 * time.Second)
	good.End(nil)
	good.End(errors.New("a second end counts for nothing"))
	bad.End(errors.New("out of disk"))
	s.Close()
	want := " ✓ Node image (1m12s)\n ✗ Cluster (1m12s)\n"
	if errs.String() != want {
		t.Errorf("got %q, want %q", errs.String(), want)
	}
	if len(phases) != 2 || phases[0].took != 72*time.Second || phases[1].err == nil {
		t.Errorf("recorded %+v", phases)
	}
}

func TestPipedStepsReassure(t *testing.T) {
	a := newApp(nil, &bytes.Buffer{}, func(string) (string, bool) { return "", false })
	clock := time.Unix(0, 0)
	a.now = func() time.Time { return clock }
	started := &step{steps: &steps{now: a.now}, name: "Build", started: clock, shown: clock}
	started.Detail("package 1")
	for _, row := range []struct {
		after time.Duration
		due   bool
	}{{4 * time.Second, false}, {5 * time.Second, true}} {
		clock = time.Unix(0, 0).Add(row.after)
		if line, due := started.reassurance(clock); due != row.due || due && !strings.Contains(line, "package 1") {
			t.Errorf("after %s: due %t, want %t (%q)", row.after, due, row.due, line)
		}
	}
	if _, due := started.reassurance(clock.Add(20 * time.Second)); due {
		t.Error("nothing changed: 20 s are not long enough to say so")
	}
	if _, due := started.reassurance(clock.Add(30 * time.Second)); !due {
		t.Error("after 30 s the log seems stuck")
	}
}
