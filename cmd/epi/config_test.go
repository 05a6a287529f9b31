package main

import (
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

// What a run writes down as its configuration is what the next one can be given.
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

func TestAListForOneValueIsAMistake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("agent-image: [a, b]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := configured(t, file); err == nil || !strings.Contains(err.Error(), "key agent-image") || !strings.Contains(err.Error(), "list") {
		t.Errorf("error %v", err)
	}
}
