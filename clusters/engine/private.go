package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/apt"
	"github.com/podidentity/epi/clusters/internal/lockfile"
	"github.com/podidentity/epi/clusters/internal/ownfolder"
)

// addressPool is the range of the private engine's IPv4 subnets. Docker's default is another range, so a user's engine
// never has the same subnet.
const addressPool = "10.213.0.0/16"

// maxRunDir keeps the path of the longest socket below the run folder within 107 bytes, the limit of a socket's path
// (unix(7)). The longest is that of a network's sandbox.
const maxRunDir = 107 - len("/exec/libnetwork/0123456789ab.sock")

// private is epi's own Docker engine, running or not.
type private struct {
	// dir survives a restart of the machine. It has data, configuration and the record of the machine's earlier state.
	dir string
	// run has sockets and the pid file.
	run     string
	wrapper string
	dirs    clusters.Dirs
}

func newPrivate(options Options) private {
	dir := options.Dirs.EngineDir()
	return private{dir: dir, run: runDir(dir), wrapper: options.RuntimeWrapper, dirs: options.Dirs}
}

// folder is dir as a folder with epi's mark.
func (p private) folder() ownfolder.Folder {
	return ownfolder.Folder{
		Base: filepath.Dir(p.dir), Below: []string{filepath.Base(p.dir)},
		Mark: ownfolder.Mark{Folder: "engine"}, Older: p.isOlder,
	}
}

// isOlder recognizes the folder of an engine of an older epi, which set no mark: by a configuration that names its own
// folder or, for an engine that never ran, by the record that is written before anything changes.
func (p private) isOlder(root *os.Root) bool {
	data, err := root.ReadFile(filepath.Base(p.configFile()))
	if err == nil {
		var config struct {
			Data string `json:"data-root"`
			PID  string `json:"pidfile"`
		}
		return json.Unmarshal(data, &config) == nil && config.Data == p.dataDir() && config.PID == p.pidFile()
	}
	if data, err = root.ReadFile(filepath.Base(p.beforeFile())); err != nil {
		return false
	}
	var state before
	return json.Unmarshal(data, &state) == nil && state.Firewalls != nil && state.Sysctls != nil
}

// ours says whether the engine's folder exists. A foreign folder at its place is an error.
func (p private) ours() (bool, error) {
	root, _, err := p.folder().Open()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &clusters.EnvironmentError{
			Doing: "look for epi's own container engine", Err: err,
			Remedy: "give epi a folder of its own with --state-dir; epi leaves this one alone",
		}
	}
	return true, root.Close()
}

func runDir(dir string) string {
	run := filepath.Join(dir, "run")
	if len(run) <= maxRunDir {
		return run
	}
	sum := sha256.Sum256([]byte(dir))
	return "/run/epi-" + hex.EncodeToString(sum[:4])
}

func (p private) socket() string           { return filepath.Join(p.run, "docker.sock") }
func (p private) pidFile() string          { return filepath.Join(p.run, "docker.pid") }
func (p private) configFile() string       { return filepath.Join(p.dir, "daemon.json") }
func (p private) logFile() string          { return filepath.Join(p.dir, "engine.log") }
func (p private) containerdSocket() string { return filepath.Join(p.run, "containerd.sock") }
func (p private) containerdConfig() string { return filepath.Join(p.dir, "containerd.toml") }
func (p private) lockFile() string         { return p.dir + ".lock" }
func (p private) provenFile() string       { return filepath.Join(p.dir, "proven") }
func (p private) dataDir() string          { return filepath.Join(p.dir, "data") }
func (p private) beforeFile() string       { return filepath.Join(p.dir, "before.json") }
func (p private) runtimeProgram() string   { return filepath.Join(p.dir, "bin", "epi-runc") }

func (p private) engine() *Engine {
	return &Engine{Name: "docker", Host: "unix://" + p.socket(), Private: true}
}

// exists says whether there is a private engine, running or not. A foreign one does not count.
func (p private) exists() bool {
	if ours, err := p.ours(); err != nil || !ours {
		return false
	}
	_, err := os.Stat(p.configFile())
	return err == nil
}

// lock prevents that two processes start two engines. Its file is beside the folder, because the folder is removed as a
// whole.
func (p private) lock(ctx context.Context, waiting func()) (release func(), err error) {
	if err := p.dirs.MakeState(); err != nil {
		return nil, err
	}
	return lockfile.Acquire(ctx, p.lockFile(), waiting)
}

// possible returns the reason why a private engine cannot be started here, or nil.
func (p private) possible() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("this is %s, not Linux", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("starting one takes root")
	}
	if missing := missingPrograms(); len(missing) > 0 {
		if err := apt.Usable(); err != nil {
			return fmt.Errorf("%v is missing: %w", missing, err)
		}
	}
	return nil
}

// missingPrograms lists the programs of the engine's package that this machine lacks.
func missingPrograms() []string {
	var missing []string
	for _, program := range []string{"dockerd", "docker", "containerd", "runc", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	return missing
}

// detail receives messages about the progress.
type detail func(format string, args ...any)

// create creates a private engine, starts it and checks that it starts privileged containers. After an error nothing of it
// stays.
func (p private) create(ctx context.Context, progress detail) (*Engine, error) {
	// Since Debian 13 the client is in a separate package, which docker.io only recommends.
	for _, packages := range [][]string{{"docker.io", "iptables"}, {"docker-cli"}} {
		missing := missingPrograms()
		if len(missing) == 0 {
			break
		}
		progress("installing %s, since %s is missing", strings.Join(packages, " and "), strings.Join(missing, ", "))
		err := apt.Install(ctx, packages, []string{"docker.service", "docker.socket", "containerd.service"},
			func(line string) { progress("apt: %s", line) })
		if err != nil {
			return nil, err
		}
	}
	started, err := p.createStarted(ctx, progress)
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
		defer cancel()
		return nil, errors.Join(err, p.remove(cleanup, progress))
	}
	return started, nil
}

func (p private) createStarted(ctx context.Context, progress detail) (*Engine, error) {
	if err := p.folder().Make(0o711); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(p.dataDir(), 0o711); err != nil {
		return nil, fmt.Errorf("make folder of the engine: %w", err)
	}
	// The state to restore later is recorded before anything changes.
	if err := saveBefore(ctx, p.beforeFile()); err != nil {
		return nil, err
	}
	if err := p.writeConfig(); err != nil {
		return nil, err
	}
	started, err := p.ensureRunning(ctx, progress)
	if err != nil {
		return nil, err
	}
	progress("trying a privileged container with %s", started)
	if err := started.probe(ctx, p.runtimeProgram()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.provenFile(), nil, 0o600); err != nil {
		return nil, fmt.Errorf("write down that the engine works: %w", err)
	}
	return started, nil
}

// proven says whether a privileged container was seen to start. Without it, the creating process was killed before it knew.
func (p private) proven() bool {
	if !p.exists() {
		return false
	}
	_, err := os.Stat(p.provenFile())
	return err == nil
}

// writeConfig writes the engine's configuration. It names everything whose default place another engine may use. Docker
// would also use another engine's containerd if it found one, so the configuration names one.
func (p private) writeConfig() error {
	containerd := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\"]\n[grpc]\naddress = %q\n",
		filepath.Join(p.dir, "containerd"), filepath.Join(p.run, "containerd"), p.containerdSocket())
	if err := os.WriteFile(p.containerdConfig(), []byte(containerd), 0o600); err != nil {
		return fmt.Errorf("write configuration of the engine: %w", err)
	}
	config := map[string]any{
		"hosts":      []string{"unix://" + p.socket()},
		"data-root":  p.dataDir(),
		"exec-root":  filepath.Join(p.run, "exec"),
		"group":      "root", // and not the group docker
		"pidfile":    p.pidFile(),
		"containerd": p.containerdSocket(),
		// Each environment has its own network. There is no default network that could conflict with docker0.
		"bridge":                "none",
		"default-address-pools": []map[string]any{{"base": addressPool, "size": 24}},
		"runtimes":              map[string]any{"epi-runc": map[string]any{"path": p.runtimeProgram()}},
		"default-runtime":       "epi-runc",
		"log-level":             "warn",
		"log-driver":            "json-file",
		"log-opts":              map[string]string{"max-size": "10m", "max-file": "2"},
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("write configuration of the engine: %w", err)
	}
	if err := os.WriteFile(p.configFile(), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write configuration of the engine: %w", err)
	}
	return nil
}

// installRuntime copies the runtime wrapper to the configured place, because the engine outlives the folder that epi was
// built in.
func (p private) installRuntime() error {
	if p.wrapper == "" {
		if _, err := os.Stat(p.runtimeProgram()); err != nil {
			return fmt.Errorf("install runtime of the engine: %w", err)
		}
		return nil
	}
	program, err := os.ReadFile(p.wrapper)
	if err != nil {
		return fmt.Errorf("install runtime of the engine: %w", err)
	}
	file := p.runtimeProgram()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("install runtime of the engine: %w", err)
	}
	// A running program cannot be written to, but it can be replaced.
	if err := os.WriteFile(file+".new", program, 0o755); err != nil {
		return fmt.Errorf("install runtime of the engine: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("install runtime of the engine: %w", err)
	}
	return nil
}
