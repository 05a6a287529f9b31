package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/clusters/detached"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
	pollInterval = 100 * time.Millisecond
)

// ensureRunning returns the private engine, which must exist. It starts the engine if it does not run.
func (p private) ensureRunning(ctx context.Context, progress detail) (*Engine, error) {
	found := p.engine()
	if err := p.installRuntime(); err != nil {
		return nil, err
	}
	if p.pid() != 0 {
		if err := found.ping(ctx); err == nil {
			return found, nil
		} else if ctx.Err() != nil {
			return nil, err
		}
		progress("stopping epi's own engine, which does not answer")
		if err := p.stop(ctx); err != nil {
			return nil, err
		}
	}
	progress("starting epi's own engine")
	if err := p.start(ctx, found); err != nil {
		return nil, err
	}
	return found, nil
}

// pid returns the process of the engine; 0 if it does not run. Another process with the same number does not count.
func (p private) pid() int {
	data, err := os.ReadFile(p.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || !p.isDaemon(pid) {
		return 0
	}
	return pid
}

func (p private) isDaemon(pid int) bool {
	args := commandLine(pid)
	return len(args) > 0 && filepath.Base(args[0]) == "dockerd" && slices.Contains(args, p.configFile())
}

// commandLine returns the arguments of a process; none if it has ended.
func commandLine(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
}

// start starts the engine in a session of its own, so that it outlives this process and its terminal. It waits until the
// engine answers.
func (p private) start(ctx context.Context, found *Engine) (err error) {
	// An engine that was killed leaves its containerd running. The new one finds the containers that the shims still run,
	// and ends them.
	if err := p.killStragglers(ctx, daemons...); err != nil {
		return err
	}
	if len(p.stragglers(shims)) == 0 {
		// No process of it lives, so after a restart of the machine the content of its run folder is wrong.
		if err := p.unmount(); err != nil {
			return fmt.Errorf("start engine: %w", err)
		}
		if err := p.removeRun(); err != nil {
			return err
		}
	}
	for _, stale := range []string{p.pidFile(), p.socket(), p.containerdSocket()} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("start engine: %w", err)
		}
	}
	if err := os.MkdirAll(p.run, 0o711); err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	// The configuration is written again, because the files may have been changed or may be from another version of epi.
	if err := p.writeConfig(); err != nil {
		return err
	}
	before, err := readFirewalls(ctx)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	defer func() { _ = log.Close() }() // the engine has its own handle
	containerd, err := spawn(log, "containerd", "--config", p.containerdConfig())
	if err != nil {
		return err
	}
	docker, err := spawn(log, "dockerd", "--config-file", p.configFile())
	if err != nil {
		containerd.end()
		return err
	}
	if err := p.waitAnswer(ctx, found, containerd, docker); err != nil {
		docker.end()
		containerd.end()
		return fmt.Errorf("start engine: %w\n%s", err, p.lastLog(15))
	}
	// It begins with empty chains of its own name, which may have rules of another engine.
	return p.giveBackRules(ctx, found, before)
}

// daemon is a process that outlives this one.
type daemon struct {
	name    string
	process *os.Process
	// ended receives the result once.
	ended chan error
}

// spawn starts a program in a session of its own: it outlives this process and its terminal.
func spawn(log *os.File, program string, args ...string) (*daemon, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // it is to outlive this process, so every context of it
	cmd.Stdout, cmd.Stderr = log, log
	if err := detached.Start(cmd); err != nil {
		return nil, fmt.Errorf("start engine: %w", err)
	}
	d := &daemon{name: program, process: cmd.Process, ended: make(chan error, 1)}
	go func() { d.ended <- cmd.Wait() }()
	return d, nil
}

// end stops a daemon that is not needed.
func (d *daemon) end() {
	_ = d.process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case exit := <-d.ended:
		d.ended <- exit
	case <-time.After(stopTimeout):
		_ = d.process.Kill()
	}
}

func (p private) waitAnswer(ctx context.Context, found *Engine, containerd, docker *daemon) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	for {
		err := found.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case exit := <-containerd.ended:
			containerd.ended <- exit
			return fmt.Errorf("containerd ended: %w", exit)
		case exit := <-docker.ended:
			docker.ended <- exit
			return fmt.Errorf("dockerd ended: %w", exit)
		case <-time.After(pollInterval):
		}
	}
}

// lastLog returns the last lines of the engine's log.
func (p private) lastLog(lines int) string {
	file, err := os.Open(p.logFile())
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // read only
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-8192), io.SeekStart) // at worst the output is shorter
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// stop ends the engine with a signal, or by force if that has no effect.
func (p private) stop(ctx context.Context) error {
	pid := p.pid()
	if pid == 0 {
		return nil
	}
	for _, attempt := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, attempt); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop engine (process %d): %w", pid, err)
		}
		for begun := time.Now(); time.Since(begun) < stopTimeout; {
			if !p.isDaemon(pid) {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("stop engine (process %d): %w", pid, context.Cause(ctx))
			case <-time.After(pollInterval):
			}
		}
	}
	return fmt.Errorf("stop engine: process %d does not end", pid)
}

// daemons are the engine's own processes. shims are the processes that keep its containers.
var (
	daemons = []string{"dockerd", "docker-proxy", "containerd"}
	shims   = []string{"containerd-shim", "containerd-shim-runc-v1", "containerd-shim-runc-v2"}
)

// stragglers returns the engine's processes of the named programs. It recognizes them by the engine's folders in their
// arguments.
func (p private) stragglers(programs []string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		args := commandLine(pid)
		if len(args) == 0 || !slices.Contains(programs, filepath.Base(args[0])) {
			continue
		}
		if slices.ContainsFunc(args[1:], p.isOurs) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (p private) isOurs(path string) bool {
	return strings.HasPrefix(path, p.run+"/") || strings.HasPrefix(path, p.dir+"/")
}

// killStragglers ends the engine's processes of the named programs.
func (p private) killStragglers(ctx context.Context, programs ...string) error {
	return killAll(ctx, "stop what a killed engine left", func() []int { return p.stragglers(programs) })
}

// killAll kills the processes that find returns until it returns none. doing says what for.
func killAll(ctx context.Context, doing string, find func() []int) error {
	for begun := time.Now(); ; {
		pids := find()
		if len(pids) == 0 {
			return nil
		}
		if time.Since(begun) > stopTimeout {
			return fmt.Errorf("%s: processes %v do not end", doing, pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // a process that has ended is as good
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}
