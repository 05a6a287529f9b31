package mutation

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/cmd/epi-mutate/mutation/reach"
)

// repository is a module with an agent that prints a word.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module example.org/repository\n\ngo 1.25\n",
		"cmd/epi-agent/main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"right\") }\n",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestToolchainBuildsMutantsOverTheSource(t *testing.T) {
	root, reference := repository(t), t.TempDir()
	toolchain := Toolchain{Root: root, Dir: t.TempDir()}
	if err := toolchain.Reference(t.Context(), reference, []Subject{Agent}); err != nil {
		t.Fatal(err)
	}
	m := Mutant{Name: "agent-wrong", Subject: Agent, Edits: []Edit{{File: "cmd/epi-agent/main.go", Replace: "right", With: "wrong"}}}
	dir, err := toolchain.Build(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{reference: "right", dir: "wrong"} {
		said, err := exec.Command(filepath.Join(folder, "epi-agent")).Output()
		if err != nil || string(said) != want {
			t.Errorf("the program in %s says %q, %v; want %q", folder, said, err, want)
		}
	}

	m.Edits[0].With = "wrong\" + 1 + \""
	_, err = toolchain.Build(t.Context(), m)
	if broken, ok := errors.AsType[*BuildError](err); !ok || !strings.Contains(broken.Output, "main.go:5") {
		t.Errorf("error %v, want the compiler's words", err)
	}
}

func TestInstrumentedProgramReportsWhatItReaches(t *testing.T) {
	toolchain := Toolchain{Root: repository(t), Dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(toolchain.Root, "cmd/epi-agent/main.go"), []byte("package main\n\nfunc main() { select {} }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := toolchain.Instrumented(t.Context(), Agent)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(dir, "epi-agent"))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	url := fmt.Sprintf("http://127.0.0.1:%d", reach.Port)
	var meta []byte
	// Its listener starts soon after the program.
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.Tick(20 * time.Millisecond); ; <-tick {
		meta, err = fetch(t.Context(), http.DefaultClient, http.MethodGet, url+"/meta")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	counters, err := fetch(t.Context(), http.DefaultClient, http.MethodPost, url+"/take")
	if err != nil {
		t.Fatal(err)
	}
	profile, err := reach.Decode(t.Context(), "example.org/repository", meta, counters)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(profile, func(e reach.Executed) bool { return e.File == "cmd/epi-agent/main.go" && e.Count == 1 }) {
		t.Errorf("main ran once, but %v", profile)
	}
}
