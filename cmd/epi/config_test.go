package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// configured runs a command with the flags of up under a configuration file and returns them.
func configured(t *testing.T, file string) (*cobra.Command, error) {
	t.Helper()
	a := newApp(io.Discard, io.Discard, func(string) (string, bool) { return "", false })
	var flags environmentFlags
	root := a.rootCommand()
	command := &cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error { return nil }}
	flags.register(command)
	root.AddCommand(command)
	root.SetArgs([]string{"probe", "--config", file})
	return command, root.ExecuteContext(t.Context())
}

// A later run accepts the configuration that a run writes.
func TestConfigurationGoesRoundAlsoWithCommasInArguments(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.yaml")
	text := "agent-image: my/agent:dev\nagent-arg: ['--bind-hosts=169.254.170.23,fd00:ec2::23', --v=4]\nagent-env: [A=b]\n"
	if err := os.WriteFile(first, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command, err := configured(t, first)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "second.yaml")
	if err := writeConfig(second, command); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{first, second} {
		command, err := configured(t, file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := command.Flags().GetStringArray("agent-arg")
		if want := []string{"--bind-hosts=169.254.170.23,fd00:ec2::23", "--v=4"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: arguments %q (%v), want %q", filepath.Base(file), got, err, want)
		}
	}
}

// inFolder runs one command line in a folder with an epi.yaml, with a state folder that is empty.
func inFolder(t *testing.T, content string, variables map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, defaultConfigFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func(key string) (string, bool) {
		value, ok := variables[key]
		return value, ok
	})
	for key, value := range variables {
		a.environ = func() []string { return []string{key + "=" + value} }
	}
	code = run(t.Context(), a, append(args, "--state-dir", filepath.Join(dir, "state"), "--cache-dir", filepath.Join(dir, "cache")))
	return code, out.String(), errs.String()
}

// Commands that begin long work check the whole file: every wrong line is reported with its place.
func TestAWrongFileIsReportedWithThePlace(t *testing.T) {
	for content, says := range map[string]string{
		"nodes: 1\nnodess: 2":         `epi.yaml:2:1: unknown key "nodess"; did you mean nodes?`,
		"imds_hoplimit: 2":            `epi.yaml:1:1: unknown key "imds_hoplimit"; did you mean imds-hop-limit?`,
		"colour-of-the-sky: blue":     `epi.yaml:1:1: unknown key "colour-of-the-sky"; keys are the flags`,
		"nodes: 1\nnodes: 2":          "epi.yaml:2:1: key nodes is here a second time, the first is in line 1",
		"name: ~":                     "epi.yaml:1:1: key name: it has no value",
		"a: 1\nnodes: two":            `epi.yaml:2:1: key nodes: "two": want a whole number`,
		"keep: yes":                   `epi.yaml:1:1: key keep: "yes": want true or false`,
		"duration: 5":                 `epi.yaml:1:1: key duration: "5": want a duration, such as 5s`,
		"rate: [1, fast]":             `epi.yaml:1:1: key rate: "1, fast": want numbers`,
		"agent-image: [a, b]":         "key agent-image: [\"a\" \"b\"] is a list, want one value",
		"nodes: {a: b}":               "epi.yaml:1:1: key nodes: want one value, found keys below it",
		"- nodes":                     "epi.yaml:1:1: want keys with values, such as nodes: 2, found a list",
		"a: [":                        "epi.yaml:1: it is not YAML",
		"nodes: 1\n---\nnodes: 2":     "epi.yaml:2:1: a second YAML document begins here",
		"name: \xff":                  "epi.yaml:1:7: it is not UTF-8 text",
		"all: true":                   "epi.yaml:1:1: key all is not read",
		"list: specs":                 "epi.yaml:1:1: key list is not read",
		"config: other.yaml":          "epi.yaml:1:1: key config is not read",
		"bench:\n  rates: 5":          `epi.yaml:2:3: epi bench has no key "rates"; did you mean rate?`,
		"up:\n  label-filter: x":      `epi.yaml:2:3: epi up has no key "label-filter"; its flags are its keys`,
		"down:\n  all: true":          "epi.yaml:2:3: key all is not read",
		"tset:\n  procs: 1":           "epi.yaml:1:1: key tset has keys below it, and is no command; did you mean test?",
		"test:\n  procs: many":        `epi.yaml:2:3: key procs: "many": want a whole number`,
		"procs: 0":                    "epi.yaml:1:1: key procs: 0",
		"test:\n  procs: 0":           "epi.yaml:2:3: key procs: 0",
		"nodess: 1\nnodez: 1\nall: 1": "epi.yaml:3:1: key all",
		"output: xml":                 `epi.yaml:1:1: key output: "xml" is not text or json`,
		strings.Repeat("x: 1\n", 20):  "and 10 more",
		"color: ''":                   "epi.yaml:1:1: key color: it is empty",
		"state-dir: ''":               "", // typed in this test
	} {
		code, _, stderr := inFolder(t, content, nil, "test", "--list", "--suites", "isolation")
		if says == "" {
			if code != exitHeld {
				t.Errorf("%q: exit code %d:\n%s", content, code, stderr)
			}
			continue
		}
		if code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", content, code, exitUsage, says, stderr)
		}
		if longest := slices.MaxFunc(strings.Split(stderr, "\n"), func(x, y string) int { return len(x) - len(y) }); len(longest) > 200 {
			t.Errorf("%q: a line of %d characters: %s", content, len(longest), longest)
		}
	}
}

// Cleaning up and help are not stopped by a key for other commands.
func TestAFileThatIsWrongForOthersStopsNobody(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"list"}, {"help", "up"}, {"exit-codes"}, {"completion", "bash"}} {
		for _, content := range []string{"nodess: 2", "nodes: two", "procs: ~", "nodes: 1\nnodes: 2", "tset: {a: b}"} {
			if code, stdout, stderr := inFolder(t, content, nil, args...); code != exitHeld {
				t.Errorf("%q, %q: exit code %d:\n%s%s", args, content, code, stdout, stderr)
			}
		}
	}
	if code, _, stderr := inFolder(t, "a: [", nil, "version"); code != exitHeld || stderr != "" {
		t.Errorf("version: exit code %d:\n%s", code, stderr)
	}
	_, _, stderr := inFolder(t, "nodess: 2", nil, "list")
	if want := `Warning: epi.yaml:1:1: unknown key "nodess"; did you mean nodes?`; !strings.Contains(stderr, want) {
		t.Errorf("no warning:\n%s", stderr)
	}
}

// settingsOf are the values that a file has for a command, as its flags show them.
func settingsOf(t *testing.T, content string, variables map[string]string, command string, flags ...string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApp(io.Discard, io.Discard, func(key string) (string, bool) {
		value, ok := variables[key]
		return value, ok
	})
	root := a.rootCommand()
	got := map[string]string{}
	for _, cmd := range root.Commands() {
		if cmd.Name() == command {
			cmd.Args = cobra.ArbitraryArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				for _, flag := range flags {
					got[flag] = cmd.Flags().Lookup(flag).Value.String()
				}
				return nil
			}
		}
	}
	root.SetArgs([]string{command, "--config", file})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return got
}

// Flags that remove or list are never configured, in any spelling.
func TestRemovalAndListingAreOnlyTyped(t *testing.T) {
	for _, content := range []string{"all: true", "down:\n  all: true\n", "all: true\ndown: {all: true, name: mine}"} {
		got := settingsOf(t, content, map[string]string{"EPI_ALL": "true"}, "down", "all")
		if got["all"] != "false" {
			t.Errorf("%q: down --all=%s", content, got["all"])
		}
	}
	if got := settingsOf(t, "", map[string]string{"EPI_LIST": "specs"}, "test", "list"); got["list"] != "" {
		t.Errorf("test --list=%s", got["list"])
	}
	if got := settingsOf(t, "all: true", nil, "compare", "all"); got["all"] != "false" {
		t.Errorf("compare --all=%s", got["all"])
	}
}

// A section applies to its command only and precedes the top. down reads only places from a file.
func TestKeysBelongToCommands(t *testing.T) {
	content := "name: mine\nprocs: 2\ntest: {procs: 3}\nrun: {procs: 5, nodes: 2}\ncolor: never\n"
	for _, row := range []struct{ command, flag, want string }{
		{"test", "procs", "3"},
		{"run", "procs", "5"},
		{"run", "nodes", "2"},
		{"up", "nodes", "1"},
		{"up", "name", "mine"},
		{"down", "name", "mine"},
		{"down", "color", "never"},
	} {
		if got := settingsOf(t, content, nil, row.command, row.flag); got[row.flag] != row.want {
			t.Errorf("%s --%s=%s, want %s", row.command, row.flag, got[row.flag], row.want)
		}
	}
}

func TestVariablesThatAreEmptyOrWrong(t *testing.T) {
	for variable, says := range map[string]string{
		"EPI_NAME=":             "variable EPI_NAME: it is empty",
		"EPI_NODES=":            "variable EPI_NODES: it is empty",
		"EPI_ARTIFACTS=":        "variable EPI_ARTIFACTS: it is empty",
		"EPI_CONFIG=":           "variable EPI_CONFIG: it is empty",
		"EPI_CLIENTS=":          "variable EPI_CLIENTS: it is empty",
		"EPI_NODES=two":         `variable EPI_NODES: "two": want a whole number`,
		"EPI_KEEP=maybe":        `variable EPI_KEEP: "maybe": want true or false`,
		"EPI_NODES=99":          "variable EPI_NODES: 99 is not between 1 and 20",
		"EPI_NAME=../../victim": "variable EPI_NAME",
		"EPI_BENCH=wram":        "variable EPI_BENCH",
	} {
		name, value, _ := strings.Cut(variable, "=")
		code, _, stderr := inFolder(t, "", map[string]string{name: value}, "run")
		if code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", variable, code, exitUsage, says, stderr)
		}
	}
	// If the default is empty, an empty variable changes nothing, as in a CI matrix.
	if got := settingsOf(t, "", map[string]string{"EPI_AGENT_IMAGE": "", "EPI_SLO": ""}, "run", "agent-image", "slo"); got["agent-image"] != "" || got["slo"] != "[]" {
		t.Errorf("%q", got)
	}
}

func TestMisspeltVariablesAreReported(t *testing.T) {
	for variable, says := range map[string]string{
		"EPI_IMDS_HOPLIMIT":          "variable EPI_IMDS_HOPLIMIT is not read; did you mean EPI_IMDS_HOP_LIMIT?",
		"EPI_AGENT_IMGAE":            "did you mean EPI_AGENT_IMAGE?",
		"EPI_ALL":                    "variable EPI_ALL is not read: --all is only ever typed",
		"EPI_NODES":                  "",
		"EPI_POD_ENDPOINT_URL":       "",
		"EPI_EMULATOR_CONTROL_TOKEN": "",
		"EPISODE":                    "",
		"EPI_MY_OWN_SPECIAL_THING":   "",
	} {
		code, _, stderr := inFolder(t, "", map[string]string{variable: "2"}, "list")
		if code != exitHeld || !strings.Contains(stderr, says) || says == "" && strings.Contains(stderr, variable) {
			t.Errorf("%s: exit code %d, want %q:\n%s", variable, code, says, stderr)
		}
	}
}

// Every command that wrote a configuration accepts it with the same values.
func TestWrittenConfigurationIsTakenBack(t *testing.T) {
	for _, command := range []string{"run", "test", "bench"} {
		a := newApp(io.Discard, io.Discard, func(string) (string, bool) { return "", false })
		root := a.rootCommand()
		index := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == command })
		written := filepath.Join(t.TempDir(), "written.yaml")
		root.Commands()[index].Args = cobra.ArbitraryArgs
		root.Commands()[index].RunE = func(cmd *cobra.Command, _ []string) error { return writeConfig(written, cmd) }
		root.SetArgs([]string{command, "--name", "mine", "--slo", "warm.p99<5ms", "--slo", "a,b", "--profile", "agent,core"}[:map[string]int{"run": 9, "test": 3, "bench": 7}[command]])
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(written)
		if err != nil {
			t.Fatal(err)
		}
		for _, unwanted := range []string{"list:", "all:", "config:", "help:", "state-dir"} {
			if strings.Contains("\n"+string(content), "\n"+unwanted) {
				t.Errorf("%s: written has %s", command, unwanted)
			}
		}
		got := settingsOf(t, string(content), nil, command, "name")
		if got["name"] != "mine" {
			t.Errorf("%s: name %q", command, got["name"])
		}
		if command != "test" {
			if got := settingsOf(t, string(content), nil, command, "slo"); got["slo"] != `[warm.p99<5ms,"a,b"]` {
				t.Errorf("%s: slo %q", command, got["slo"])
			}
		}
	}
}
