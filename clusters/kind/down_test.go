package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// answers is a container engine that answers commands by their beginning, and records the removals.
type answers struct {
	replies map[string]string
	fails   map[string]error
	removed *[]string
}

func (a answers) Output(_ context.Context, args ...string) (string, error) {
	command := strings.Join(args, " ")
	if args[0] == "rm" || args[1] == "rm" || args[0] == "kill" {
		*a.removed = append(*a.removed, command)
	}
	for prefix, err := range a.fails {
		if strings.HasPrefix(command, prefix) {
			return "", err
		}
	}
	for prefix, reply := range a.replies {
		if strings.HasPrefix(command, prefix) {
			return reply, nil
		}
	}
	return "", nil
}

func (a answers) Load(context.Context, io.Reader) error { return errors.New("it loads nothing") }

func (a answers) With(...string) containerEngine { return a }

// described is the part of the output of `docker container inspect` that the tests need.
func described(mode, networks, labels string) string {
	return fmt.Sprintf(`[{"Config":{"Labels":{%s}},"HostConfig":{"NetworkMode":%q},"NetworkSettings":{"Networks":{%s}}}]`, labels, mode, networks)
}

func TestAUsersOwnClusterOfTheSameNameStays(t *testing.T) {
	for name, row := range map[string]struct {
		described string
		networks  string
		own       bool
	}{
		"epi's":                              {described("epi-mine", `"epi-mine":{}`, ""), "epi-mine mine", true},
		"epi's, whose network is gone":       {described("epi-mine", "", ""), "", true},
		"the user's":                         {described("kind", `"kind":{}`, ""), "", false},
		"the user's, beside an environment":  {described("kind", `"kind":{}`, ""), "epi-mine mine", false},
		"the user's, connected to it":        {described("kind", `"kind":{},"epi-mine":{}`, ""), "epi-mine mine", false},
		"the user's, in a network of theirs": {described("epi-mine", `"epi-mine":{}`, ""), "epi-mine ", false},
		"in a network of another name":       {described("epi-mine", `"epi-mine":{}`, ""), "xepi-mine \nepi-mine-2 mine-2", true},
		"podman's":                           {described("bridge", `"epi-mine":{}`, ""), "epi-mine mine", true},
		"podman's, the user's":               {described("bridge", `"kind":{}`, ""), "", false},
		"nerdctl's":                          {described("", `"unknown-eth0":{}`, `"nerdctl/networks":"[\"epi-mine\"]"`), "epi-mine mine", true},
		"nerdctl's, the user's":              {described("", `"unknown-eth0":{}`, `"nerdctl/networks":"[\"kind\"]"`), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var removed []string
			engine := answers{removed: &removed, replies: map[string]string{
				"ps --all --filter label=" + kindLabel: "mine-control-plane\n", "container inspect mine-control-plane": row.described, "network ls --filter name=": row.networks,
			}}
			if err := removeNodes(t.Context(), engine, "mine"); err != nil {
				t.Fatal(err)
			}
			if got := slices.ContainsFunc(removed, func(command string) bool { return strings.Contains(command, "mine-control-plane") }); got != row.own {
				t.Errorf("removed %q, want it removed: %t", removed, row.own)
			}
		})
	}
}

func TestReferencesAreNoOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, file := range []string{"-agent.tar", "a b.tar", "agent", "folder/agent"} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, right := range []string{"", "my/agent:dev", "localhost:5000/a@sha256:0", "./-agent.tar", "./a b.tar", "agent", "folder/agent", "folder", "folder/other"} {
		if err := CheckReference("agent-image", right); err != nil {
			t.Errorf("%q: %v", right, err)
		}
	}
	for _, wrong := range []string{"-v", "--privileged", "-", " a", "a ", "a\nb", "a\x00", "./folder", "folder/", ".", "..", "/", "./gone", "gone.tar", "folder/gone.tgz"} {
		if err := CheckReference("agent-image", wrong); err == nil || !strings.Contains(err.Error(), "--agent-image") || !strings.Contains(err.Error(), "my/agent:dev") {
			t.Errorf("%q: error %v", wrong, err)
		}
	}
}

func TestOnlyImagesOfEpisMakingAreItsOwn(t *testing.T) {
	for ref, own := range map[string]bool{
		"localhost/epi-emulator:0123456789ab": true, "localhost/epi-node:v1.36.3-26f1d4a43c9f": true, "localhost/epi-engine-check:4711": true,
		"localhost/epi-emulator:mine": false, "localhost/epi-node:latest": false, "localhost/epi-node:<none>": false, "registry/localhost/epi-node:v1-0123456789ab": false,
	} {
		if got := ownImage.MatchString(ref); got != own {
			t.Errorf("%s: %t, want %t", ref, got, own)
		}
	}
}

// systemd's output on a node's console has colours and carriage returns (ECMA-48), which do not belong into an error's
// text.
func TestLastLinesAreText(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a\nb\nc\n": "b\nc", "a": "a", "a\tb": "a\tb",
		"x\r\n[  \x1b[0;32mOK\x1b[0m  ] Started \x1b[0;1;39msystemd\x1b[0m.\r\n": "x\n[  OK  ] Started systemd.",
		"\x1b]0;title\x07a\x1b[?2004h\x1b[2K\n\x1bM\x1b(Bb\x00":                  "a\nb",
	} {
		if got := lastLines(text, 2); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
