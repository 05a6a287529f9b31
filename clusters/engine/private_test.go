package engine

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters"
)

func testPrivate(t *testing.T) private {
	t.Helper()
	p := newPrivate(Options{Dirs: clusters.Dirs{State: t.TempDir()}})
	for _, dir := range []string{p.dir, p.run} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) }) // the run folder may be outside the temporary one
	}
	return p
}

func TestSocketsFitTheirLimit(t *testing.T) {
	for _, state := range []string{"/root/.local/state/epi", "/home/" + strings.Repeat("x", 90) + "/.local/state/epi"} {
		p := newPrivate(Options{Dirs: clusters.Dirs{State: state}})
		// unix(7): sun_path has 108 bytes, the last of them 0.
		for _, socket := range []string{p.socket(), p.containerdSocket() + ".ttrpc", p.run + "/exec/libnetwork/0123456789ab.sock"} {
			if len(socket) > 107 {
				t.Errorf("%d bytes: %s", len(socket), socket)
			}
		}
	}
	long := func(name string) string {
		return newPrivate(Options{Dirs: clusters.Dirs{State: "/home/" + strings.Repeat("x", 90) + name}}).run
	}
	if long("a") == long("b") {
		t.Errorf("two engines share %s", long("a"))
	}
}

// TestConfigNamesNothingOfAnotherEngine: the configuration sets every place for which Docker has a default (dockerd(8),
// "Daemon configuration file").
func TestConfigNamesNothingOfAnotherEngine(t *testing.T) {
	p := testPrivate(t)
	if err := p.writeConfig(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(p.configFile())
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"data-root", "exec-root", "pidfile", "containerd"} {
		path, _ := config[place].(string)
		if !p.isOurs(path) {
			t.Errorf("%s is %q, outside %s and %s", place, path, p.dir, p.run)
		}
	}
	if hosts, _ := config["hosts"].([]any); len(hosts) != 1 || hosts[0] != "unix://"+p.socket() {
		t.Errorf("hosts %v", config["hosts"])
	}
	if config["bridge"] != "none" || config["default-runtime"] != "epi-runc" {
		t.Errorf("bridge %v, runtime %v", config["bridge"], config["default-runtime"])
	}
	containerd, err := os.ReadFile(p.containerdConfig())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(containerd)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " = ")
		if found && strings.HasPrefix(value, `"`) && !p.isOurs(strings.Trim(value, `"`)) {
			t.Errorf("containerd's %s is %s", name, value)
		}
	}
}

func TestPidOfAnotherProcessIsNotTheEngines(t *testing.T) {
	p := testPrivate(t)
	if got := p.pid(); got != 0 {
		t.Errorf("without a file: %d", got)
	}
	// After a restart of the machine another process may have the number. In this test it is the test's own.
	for _, content := range []string{strconv.Itoa(os.Getpid()), "1", "no number", "", "99999999"} {
		if err := os.WriteFile(p.pidFile(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.pid(); got != 0 {
			t.Errorf("%q: %d, want none", content, got)
		}
	}
}

func TestInstallRuntimeReplacesAndKeeps(t *testing.T) {
	p := testPrivate(t)
	if err := p.installRuntime(); err == nil {
		t.Error("an engine without a runtime is no error")
	}
	p.wrapper = filepath.Join(t.TempDir(), "epi-runc")
	for _, content := range []string{"first", "second"} {
		if err := os.WriteFile(p.wrapper, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := p.installRuntime(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(p.runtimeProgram()); err != nil || string(got) != content {
			t.Errorf("installed %q, %v; want %q", got, err, content)
		}
	}
	p.wrapper = "" // as `epi down` creates it
	if err := p.installRuntime(); err != nil {
		t.Errorf("with the one that is there: %v", err)
	}
	if info, err := os.Stat(p.runtimeProgram()); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info, err)
	}
}

func TestFindKnowsNoEngineThatIsNotThere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	found, err := Find(t.Context(), Options{Dirs: clusters.Dirs{State: t.TempDir()}})
	if found != nil || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestRemoveOfNoEngineLeavesNothing(t *testing.T) {
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "epi")}
	t.Setenv("PATH", t.TempDir())
	if _, err := Ensure(t.Context(), Options{Dirs: dirs, RuntimeWrapper: wrapper(t)}, silent{}); err == nil {
		t.Fatal("found an engine without any program")
	}
	for range 2 { // the second time there is nothing to remove
		if err := Remove(t.Context(), Options{Dirs: dirs}, silent{}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dirs.State); !errors.Is(err, os.ErrNotExist) {
			entries, _ := os.ReadDir(dirs.State)
			t.Errorf("state folder is still there: %v", entries)
		}
	}
}

func TestAnEngineOfOthersIsLeftAlone(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a source tree":                   {"engine.go": "package engine"},
		"a configuration of another":      {"daemon.json": `{"data-root":"/var/lib/docker","pidfile":"/run/docker.pid"}`},
		"a mark of something else":        {".epi.json": `{"folder":"environment","name":"x"}`, "file": ""},
		"what is written down, of others": {"before.json": `{"sysctls":{"../../etc/passwd":"x"}}`},
	} {
		dirs := clusters.Dirs{State: t.TempDir()}
		t.Setenv("PATH", t.TempDir())
		if err := os.MkdirAll(dirs.EngineDir(), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range files {
			if err := os.WriteFile(filepath.Join(dirs.EngineDir(), file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Remove(t.Context(), Options{Dirs: dirs}, silent{}); err == nil || clusters.Remedy(err) == "" {
			t.Errorf("%s: removed: %v", name, err)
		}
		if _, err := Ensure(t.Context(), Options{Dirs: dirs}, silent{}); err == nil || !strings.Contains(err.Error(), "not epi's") {
			t.Errorf("%s: used: %v", name, err)
		}
		if found, err := Find(t.Context(), Options{Dirs: dirs}); found != nil || err != nil {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
		for file := range files {
			if _, err := os.Stat(filepath.Join(dirs.EngineDir(), file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestAnEngineOfAnOlderEpiIsKnown(t *testing.T) {
	p := testPrivate(t)
	if err := p.writeConfig(); err != nil {
		t.Fatal(err)
	}
	if ours, err := p.ours(); err != nil || !ours || !p.exists() {
		t.Errorf("%t, %v", ours, err)
	}
}
