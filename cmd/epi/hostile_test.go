package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snapshot is every file below dir with its content.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		content := ""
		switch {
		case entry.Type().IsRegular():
			data, readErr := os.ReadFile(path)
			content, err = string(data), readErr
		case entry.Type() == os.ModeSymlink:
			content, err = os.Readlink(path)
		}
		fmt.Fprintln(&b, path, entry.Type(), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHostileInputsTouchNothing: for any name, folder or file that epi is given, nothing is removed or written elsewhere.
// Wherever an input points to, there is a user's folder.
func TestHostileInputsTouchNothing(t *testing.T) {
	t.Setenv("PATH", "") // no container engine, because only files are removed
	mark := `{"folder":"environment","name":"mine","provider":"kind"}`
	for _, row := range []struct {
		name string
		// files below a folder that contains home (the working folder), state and victim; see put.
		files     map[string]string
		variables map[string]string
		args      []string
		code      int
		says      []string
	}{
		{name: "a name that is a path", args: []string{"down", "--name", "../../victim"}, code: exitUsage, says: []string{"--name", "../../victim", "it is a path", `"victim"`}},
		{name: "a name that is another path", args: []string{"down", "--name=../../../victim/"}, code: exitUsage, says: []string{"it is a path"}},
		{name: "a name that is an absolute path", args: []string{"down", "--name", "/victim"}, code: exitUsage, says: []string{"it is a path"}},
		{name: "a name that is the folder itself", args: []string{"down", "--name", "."}, code: exitUsage, says: []string{"--name"}},
		{name: "a name that is the folder above", args: []string{"down", "--name", ".."}, code: exitUsage, says: []string{"--name"}},
		{name: "an empty name", args: []string{"down", "--name", ""}, code: exitUsage, says: []string{"--name", "it is empty", `"pr-17"`}},
		{name: "an empty name, other spelling", args: []string{"down", "--name="}, code: exitUsage, says: []string{"it is empty"}},
		{name: "an empty variable", variables: map[string]string{"EPI_NAME": ""}, args: []string{"down"}, code: exitUsage, says: []string{"EPI_NAME", "it is empty"}},
		{name: "a variable that is a path", variables: map[string]string{"EPI_NAME": "../victim"}, args: []string{"down"}, code: exitUsage, says: []string{"EPI_NAME", "it is a path"}},
		{name: "a key that is a path", files: map[string]string{"home/epi.yaml": "name: ../../victim\n"}, args: []string{"down"}, code: exitUsage, says: []string{"epi.yaml", "name"}},
		{name: "a key that is null", files: map[string]string{"home/epi.yaml": "name: ~\n"}, args: []string{"down"}, code: exitUsage, says: []string{"epi.yaml", "name"}},
		{name: "a key that is empty", files: map[string]string{"home/epi.yaml": "name: ''\n"}, args: []string{"down"}, code: exitUsage, says: []string{"epi.yaml", "name"}},
		{name: "a name with a zero byte", args: []string{"down", "--name", "a\x00b"}, code: exitUsage, says: []string{"--name"}},
		{name: "a name with a line end", args: []string{"down", "--name", "epi\n"}, code: exitUsage, says: []string{"--name"}},
		{name: "a name of capitals", args: []string{"down", "--name", "EPI"}, code: exitUsage, says: []string{`"epi"`}},
		{name: "a name that is an option", args: []string{"down", "--name", "-rf"}, code: exitUsage, says: []string{"--name"}},
		{name: "a name that is a pattern", args: []string{"down", "--name", "*"}, code: exitUsage, says: []string{"--name"}},
		{name: "a name of 33 characters", args: []string{"down", "--name", strings.Repeat("x", 33)}, code: exitUsage, says: []string{"33 characters"}},
		{name: "up", args: []string{"up", "--name", "../../victim"}, code: exitUsage, says: []string{"it is a path"}},
		{name: "run", args: []string{"run", "--name", ""}, code: exitUsage, says: []string{"it is empty"}},
		{name: "test", args: []string{"test", "--name", "../../victim"}, code: exitUsage, says: []string{"it is a path"}},
		{name: "bench", args: []string{"bench", "--name", "../../victim"}, code: exitUsage, says: []string{"it is a path"}},
		{name: "aws", args: []string{"aws", "--name", "../../victim", "--", "true"}, code: exitUsage, says: []string{"it is a path"}},
		{
			name: "up on an existing cluster", code: exitUsage, says: []string{"it is a path"},
			args: []string{"up", "--provider", "existing", "--cluster-name", "c", "--probe-image", "p", "--name", "../../victim"},
		},
		{name: "an environment that is a link", files: map[string]string{"state/clusters/mine": "-> ../../victim"}, args: []string{"down", "--name", "mine"}, code: exitEnvironment, says: []string{"symbolic link", "rm -r"}},
		{name: "environments that are a link", files: map[string]string{"state/clusters": "-> ../victim", "victim/mine/.epi.json": mark}, args: []string{"down", "--name", "mine"}, code: exitEnvironment, says: []string{"symbolic link"}},
		{name: "an environment that is a file", files: map[string]string{"state/clusters/mine": "precious"}, args: []string{"down", "--name", "mine"}, code: exitEnvironment, says: []string{"not a folder"}},
		{name: "an environment of the user's making", files: map[string]string{"state/clusters/mine/notes": "precious"}, args: []string{"down", "--name", "mine"}, code: exitEnvironment, says: []string{"not epi's"}},
		{name: "an environment.json of another name", files: map[string]string{"state/clusters/mine/environment.json": `{"name":"../x","provider":"kind","clusterName":"x"}`}, args: []string{"down", "--name", "mine"}, code: exitEnvironment, says: []string{"not epi's"}},
		{name: "all, of which none is epi's", files: map[string]string{"state/clusters/a/notes": "precious", "state/clusters/b": "-> ../../victim"}, args: []string{"down", "--all"}, code: exitHeld},
		{name: "all, with an engine that is a link", files: map[string]string{"state/engine": "-> ../victim"}, args: []string{"down", "--all"}, code: exitEnvironment, says: []string{"symbolic link"}},
		{name: "all, with an engine of the user's", files: map[string]string{"state/engine/daemon.json": `{"data-root":"/var/lib/docker","pidfile":"/run/docker.pid"}`}, args: []string{"down", "--all"}, code: exitEnvironment, says: []string{"not epi's"}},
		{name: "up, with an engine of the user's", files: map[string]string{"state/engine/src/main.go": "package main"}, args: []string{"down", "--all"}, code: exitEnvironment, says: []string{"not epi's"}},
		{name: "a state folder of the user's", args: []string{"down", "--all", "--state-dir", "$DIR/victim"}, code: exitUsage, says: []string{"--state-dir", "not epi's"}},
		{name: "the working folder for state", args: []string{"down", "--all", "--state-dir", "."}, files: map[string]string{"home/work": "precious"}, code: exitUsage, says: []string{"--state-dir"}},
		{name: "the root for state", args: []string{"down", "--all", "--state-dir", "/"}, code: exitUsage, says: []string{"--state-dir", "root of the file system"}},
		{name: "a file for state", args: []string{"down", "--state-dir", "$DIR/victim/file"}, code: exitUsage, says: []string{"--state-dir", "not a folder"}},
		{name: "something in a file for state", args: []string{"down", "--state-dir", "$DIR/victim/file/state"}, code: exitUsage, says: []string{"--state-dir"}},
		{name: "a link to a state folder of the user's", files: map[string]string{"link": "-> victim"}, args: []string{"down", "--all", "--state-dir", "$DIR/link"}, code: exitUsage, says: []string{"--state-dir"}},
		{name: "a state folder named by a variable", variables: map[string]string{"EPI_STATE_DIR": "../victim"}, args: []string{"down", "--all"}, code: exitUsage, says: []string{"--state-dir"}},
		{name: "a file for the cache", args: []string{"down", "--cache-dir", "$DIR/victim/file"}, code: exitUsage, says: []string{"--cache-dir"}},
		{name: "an image that is an option", args: []string{"up", "--agent-image", "--privileged"}, code: exitUsage, says: []string{"--agent-image", "starts with '-'"}},
		{name: "a node image that is an option", args: []string{"up", "--node-image=-v/:/host"}, code: exitUsage, says: []string{"--node-image", "starts with '-'"}},
		{name: "a run whose latest is a folder", files: map[string]string{"home/_artifacts/latest/file": "precious"}, args: []string{"run", "--name", "mine"}, code: exitUsage, says: []string{"latest", "--artifacts"}},
		{name: "a run whose latest is a link of the user's", files: map[string]string{"home/_artifacts/latest": "-> release-1"}, args: []string{"run", "--name", "mine"}, code: exitUsage, says: []string{"latest", "--artifacts"}},
		{name: "a run into a file", files: map[string]string{"home/_artifacts": "precious"}, args: []string{"run", "--name", "mine"}, code: exitUsage, says: []string{"_artifacts"}},
		{name: "nothing of that name", args: []string{"down", "--name", "nosuch"}, code: exitHeld},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, map[string]string{"victim/file": "precious", "victim/environment.json": `{"name":"victim"}`, "home/": ""})
			put(t, dir, row.files)
			t.Chdir(filepath.Join(dir, "home"))
			before := snapshot(t, dir)
			args := []string{"--color", "never"}
			given := row.variables["EPI_STATE_DIR"] != ""
			for _, arg := range row.args {
				given = given || arg == "--state-dir"
				args = append(args, strings.ReplaceAll(arg, "$DIR", dir))
			}
			variables := map[string]string{"XDG_CACHE_HOME": filepath.Join(dir, "cache"), "XDG_STATE_HOME": filepath.Join(dir, "none")}
			for name, value := range row.variables {
				variables[name] = value
			}
			if !given {
				variables["EPI_STATE_DIR"] = filepath.Join(dir, "state")
			}
			code, stderr := perform(t, variables, args)
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, text := range row.says {
				if !strings.Contains(stderr, text) {
					t.Errorf("standard error lacks %q:\n%s", text, stderr)
				}
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("before:\n%s\nafter:\n%s\nsaid:\n%s", before, after, stderr)
			}
		})
	}
}

// put writes files below dir: a name that ends with "/" is a folder, content that starts with "-> " a link.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(content, "-> "); {
		case link:
			err = os.Symlink(target, file)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(file, 0o755)
		default:
			err = os.WriteFile(file, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// perform runs one command line and returns its exit code and output.
func perform(t *testing.T, variables map[string]string, args []string) (int, string) {
	t.Helper()
	var out, errs strings.Builder
	a := newApp(&out, &errs, func(key string) (string, bool) {
		value, ok := variables[key]
		return value, ok
	})
	code := run(t.Context(), a, args)
	return code, errs.String()
}
