//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// name is the environments' name: there is one at a time.
const name = "kills"

// kill is one case.
type kill struct {
	name string
	// after is the text of the run's step after which do is called.
	after string
	// later is how long after.
	later time.Duration
	// do does the damage. The process is the run's.
	do func(context.Context, *matrix, *attempt) error
	// codes that the run may end with; none means any.
	codes []string
	// prepare changes the start of the run, and returns a function that restores it.
	prepare func(context.Context, *matrix) (args []string, undo func(), err error)
	// says is what the run must print, at most three times: when it is noticed, as its problem, and in the verdict.
	says string
}

// attempt is a run in progress.
type attempt struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	said []string
	// steps receives each line.
	steps chan string
	ended chan struct{}
	err   error
}

func (a *attempt) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.said) - 1; i >= 0; i-- {
		if strings.TrimSpace(a.said[i]) != "" {
			return a.said[i]
		}
	}
	return ""
}

func (a *attempt) all() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.said, "\n")
}

// summary returns the most important line: a hint or an error, otherwise the last line.
func (a *attempt) summary() string {
	a.mu.Lock()
	for _, word := range []string{"Interrupted:", "Error:", "Hint:", "is gone", "does not answer"} {
		for _, line := range a.said {
			if strings.Contains(line, word) {
				a.mu.Unlock()
				return line
			}
		}
	}
	a.mu.Unlock()
	return a.last()
}

func (a *attempt) code() string {
	if state := a.cmd.ProcessState; state != nil {
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return status.Signal().String()
		}
		return fmt.Sprint(state.ExitCode())
	}
	return "?"
}

// signals returns a function that sends signals to the run, with a pause between them.
func signals(pause time.Duration, list ...syscall.Signal) func(context.Context, *matrix, *attempt) error {
	return func(ctx context.Context, _ *matrix, a *attempt) error {
		for i, s := range list {
			if i > 0 {
				wait(ctx, pause)
			}
			if err := a.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
		}
		return nil
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// steps are those of a run as it prints them, with the longest pause after each within which it still works.
var steps = []struct {
	text string
	long time.Duration
}{
	{"", time.Second}, {"Container engine", time.Second}, {"Images of emulator", time.Second}, {"Node image", time.Second},
	{"AWS emulator", 8 * time.Second}, {"Cluster", time.Second}, {"Nodes Ready", 3 * time.Second}, {"Pod Identity webhook", 2 * time.Second},
	{"Pod Identity agent", 10 * time.Second}, {suitesStep, 3 * time.Second},
}

const suitesStep = "Conformance suites"

// fewSpecs makes the run execute few specs, because the case is about what follows them.
func fewSpecs(context.Context, *matrix) (args []string, undo func(), err error) {
	return []string{"--label-filter", "INJ-01"}, func() {}, nil
}

// cases lists all.
func cases(moments int) []kill {
	var list []kill
	for i := range moments {
		step := steps[i*len(steps)/moments]
		later := time.Duration(0)
		if i > 0 && steps[(i-1)*len(steps)/moments] == step {
			later = step.long
		}
		label := step.text
		if label == "" {
			label = "the start"
		}
		k := kill{
			name: fmt.Sprintf("SIGKILL %02d, %s after %s", i+1, later, label), after: step.text, later: later,
			do: signals(0, syscall.SIGKILL), codes: []string{"killed", "0", "1", "3"},
		}
		if step.text == suitesStep {
			k.prepare = fewSpecs
		}
		list = append(list, k)
	}
	interrupted := []string{"130"}
	return append(list,
		kill{name: "SIGINT once, cluster on its way", after: "AWS emulator", later: 4 * time.Second, do: signals(0, syscall.SIGINT), codes: interrupted},
		kill{name: "SIGINT once, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: signals(0, syscall.SIGINT), codes: interrupted},
		kill{name: "SIGINT twice, cluster on its way", after: "AWS emulator", later: 4 * time.Second, do: signals(500*time.Millisecond, syscall.SIGINT, syscall.SIGINT), codes: []string{"130", "interrupt"}},
		kill{name: "SIGINT twice, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: signals(500*time.Millisecond, syscall.SIGINT, syscall.SIGINT), codes: []string{"130", "interrupt"}},
		kill{name: "SIGTERM, cluster on its way", after: "AWS emulator", later: 4 * time.Second, do: signals(0, syscall.SIGTERM), codes: []string{"130", "143"}},
		kill{name: "SIGHUP, cluster on its way", after: "AWS emulator", later: 4 * time.Second, do: signals(0, syscall.SIGHUP), codes: []string{"130", "129"}},
		kill{name: "SIGHUP, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: signals(0, syscall.SIGHUP), codes: []string{"130", "129"}},
		kill{name: "the same name twice at once", do: second, codes: []string{"3", "130"}},
		kill{name: "down while it runs", after: "AWS emulator", do: downMeanwhile, codes: []string{"130"}},
		kill{name: "node paused", after: "Pod Identity agent", later: 10 * time.Second, do: onContainer("pause", name+"-control-plane"), codes: []string{"3"}},
		kill{name: "node killed", after: "Pod Identity agent", later: 10 * time.Second, do: onContainer("kill", name+"-control-plane"), codes: []string{"3"}},
		kill{name: "emulator killed", after: "Pod Identity agent", later: 10 * time.Second, do: onContainer("kill", name+"-emulator"), codes: []string{"3"}},
		kill{name: "emulator removed, cluster on its way", after: "AWS emulator", later: 2 * time.Second, do: onContainer("rm", "--force", name+"-emulator"), codes: []string{"3"}},
		kill{name: "emulator removed, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: onContainer("rm", "--force", name+"-emulator"), codes: []string{"3"}},
		kill{name: "node removed, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: onContainer("rm", "--force", name+"-control-plane"), codes: []string{"3"}},
		kill{name: "artifacts' disk full, from the start", prepare: smallArtifacts("64k"), codes: []string{"3"}, says: "is full"},
		kill{name: "artifacts' disk full, cluster on its way", prepare: smallArtifacts("64m"), after: "AWS emulator", do: fill, codes: []string{"3"}, says: "is full"},
		kill{name: "artifacts' disk full, specs under way", prepare: smallArtifacts("64m"), after: "Pod Identity agent", later: 10 * time.Second, do: fill, codes: []string{"3"}, says: "is full"},
		kill{name: "artifacts' disk read-only, specs under way", prepare: smallArtifacts("64m"), after: "Pod Identity agent", later: 10 * time.Second, do: makeReadOnly, codes: []string{"3"}, says: "read-only"},
		kill{name: "artifacts removed, specs under way", after: "Pod Identity agent", later: 10 * time.Second, do: removeArtifacts, codes: []string{"3"}, says: "was removed"},
		kill{name: "state's disk full, from the start", prepare: smallState("64k"), codes: []string{"3"}, says: "is full"},
		kill{name: "state's disk full, cluster on its way", prepare: smallState("8g"), after: "AWS emulator", later: 2 * time.Second, do: fill, codes: []string{"3"}, says: "is full"},
		kill{name: "state's disk full, specs under way", prepare: smallState("8g"), after: "Pod Identity agent", later: 10 * time.Second, do: fill, codes: []string{"3"}, says: "is full"},
		kill{name: "cache's disk full", prepare: smallCache, codes: []string{"3"}, says: "is full"},
		kill{name: "frozen control group", after: "Pod Identity agent", later: 5 * time.Second, do: freeze, codes: []string{"3", "killed"}},
		kill{name: "engine killed", after: "Pod Identity agent", later: 10 * time.Second, do: killEngine, codes: []string{"3", "0", "1"}},
		kill{name: "engine stopped (SIGSTOP), run killed", after: "Nodes Ready", do: stopEngine, codes: []string{"killed"}},
	)
}

// onContainer runs a command of the engine.
func onContainer(args ...string) func(context.Context, *matrix, *attempt) error {
	return func(ctx context.Context, m *matrix, _ *attempt) error {
		_, err := m.docker(ctx, args...)
		return err
	}
}

// matrix runs cases one after the other.
type matrix struct {
	epi, work string
	errs      io.Writer
	clean     map[string]bool
	mu        sync.Mutex
	// small is the small file system of a case. ownState says that its state folder is in it.
	small    string
	ownState bool
	// bridges are the links of networks that this state folder's engine had.
	bridges map[string]bool
	// wrong lists the errors that a case has found.
	wrong string
}

func (m *matrix) artifacts() string { return filepath.Join(m.work, "artifacts") }

func (m *matrix) state() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ownState {
		return filepath.Join(m.small, "state")
	}
	return filepath.Join(m.work, "state")
}

func (m *matrix) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(args, "--state-dir", m.state(), "--color", "never")
	cmd := exec.CommandContext(ctx, m.epi, args...)
	cmd.Dir = m.work
	return cmd
}

// docker runs a command of the engine that the environment is in.
func (m *matrix) docker(ctx context.Context, args ...string) (string, error) {
	// A stopped engine never answers.
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	if _, err := os.Stat(filepath.Join(m.state(), "engine")); err == nil {
		cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+m.socket())
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return string(output), fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, output)
	}
	return string(output), nil
}

// each runs the cases, in an engine that exists before the first one, so that the engine's own parts do not count. It
// reports each result, and begins none after the time.
func (m *matrix) each(ctx context.Context, list []kill, until time.Time, report func(result) error) error {
	if err := os.MkdirAll(m.work, 0o755); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go m.watchLinks(watching)
	m.clean = set(m.left(ctx, false))
	for _, k := range list {
		if ctx.Err() != nil || !until.IsZero() && time.Now().After(until) {
			return nil
		}
		r, err := m.one(ctx, k)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		_, _ = fmt.Fprintf(m.errs, "%s: at %q, exit %s, before down %q, down %s, after %q %s; said %q\n", r.Case, r.At, r.Code, r.Before, r.Down, r.After, r.Wrong, r.Said)
		if err := report(r); err != nil {
			return err
		}
	}
	return nil
}

// lastCase is the name of the removal of everything, after all cases.
const lastCase = "down --all"

// downAll removes everything.
func (m *matrix) downAll(ctx context.Context) result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	output, err := m.command(ctx, "down", "--all").CombinedOutput()
	r := result{Case: lastCase, Took: time.Since(began), Code: exitOf(err), Down: exitOf(err), Said: lastLine(output)}
	for range 20 {
		r.After = m.left(ctx, true)
		if len(r.After) == 0 {
			break
		}
		wait(ctx, 100*time.Millisecond)
	}
	if r.Down != "0" {
		r.Wrong = "down: " + lastLine(output)
	}
	return r
}

func exitOf(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Sprint(exit.ExitCode())
	}
	if err != nil {
		return err.Error()
	}
	return "0"
}

func lastLine(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1]
}

func set(list []string) map[string]bool {
	m := map[string]bool{}
	for _, item := range list {
		m[item] = true
	}
	return m
}

// longest is the longest duration of a run with its damage.
const longest = 6 * time.Minute

// one runs a case.
func (m *matrix) one(ctx context.Context, k kill) (result, error) {
	m.wrong = ""
	r := result{Case: k.name}
	args := []string{"run", "--name", name, "--bench", "none", "--artifacts", m.artifacts()}
	if k.prepare != nil {
		more, undo, err := k.prepare(ctx, m)
		if err != nil {
			return r, err
		}
		defer undo()
		args = append(args, more...)
	}
	began := time.Now()
	running, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	a, err := m.start(running, args)
	if err != nil {
		return r, err
	}
	if a.await(running, k.after) {
		timer := time.NewTimer(k.later)
		select {
		case <-timer.C:
		case <-a.ended:
		case <-running.Done():
		}
		timer.Stop()
		r.At = a.last()
		if k.do != nil {
			if err := k.do(running, m, a); err != nil {
				m.wrong = err.Error()
			}
		}
	} else {
		// For example if the machine is too busy for a cluster to come up. That says nothing about the case.
		m.wrong = "it ended before the moment came, after " + k.after
	}
	select {
	case <-a.ended:
	case <-running.Done():
		_ = a.cmd.Process.Kill()
		<-a.ended
		m.wrong = "it did not end by itself"
	}
	r.Took, r.Code, r.Said = time.Since(began), a.code(), a.summary()
	if err := m.keepLog(k.name, a.all()); err != nil {
		return r, err
	}
	r.Before = m.newly(ctx)
	output, err := m.command(ctx, "down", "--name", name).CombinedOutput()
	if r.Down = exitOf(err); r.Down != "0" {
		r.Wrong = "down: " + lastLine(output)
	}
	r.After = m.newly(ctx)
	again, err := m.command(ctx, "down", "--name", name).CombinedOutput()
	if exitOf(err) != "0" {
		r.Wrong += " second down: " + lastLine(again)
	}
	if len(k.codes) > 0 && !set(k.codes)[r.Code] {
		r.Wrong += fmt.Sprintf(" exit %s, want %v", r.Code, k.codes)
	}
	if count := strings.Count(a.all(), k.says); k.says != "" && (count < 1 || count > 3) {
		r.Wrong += fmt.Sprintf(" says %q %d times", k.says, count)
	}
	if m.wrong != "" {
		r.Wrong += " " + m.wrong
	}
	if m.ownState {
		all := m.downAll(ctx)
		r.After, r.Wrong = append(r.After, all.After...), r.Wrong+all.Wrong
	}
	return r, nil
}

// keepLog writes a run's output to a file of the case.
func (m *matrix) keepLog(name, text string) error {
	dir := filepath.Join(m.work, "logs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	letters := strings.Map(func(r rune) rune {
		if r == ' ' || r == ',' || r == '\'' || r == '(' || r == ')' || r == '/' {
			return '-'
		}
		return r
	}, name)
	return os.WriteFile(filepath.Join(dir, letters+".log"), []byte(text+"\n"), 0o644)
}

// start starts a run in its own session, as a terminal does.
func (m *matrix) start(ctx context.Context, args []string) (*attempt, error) {
	a := &attempt{cmd: m.command(ctx, args...), steps: make(chan string, 10_000), ended: make(chan struct{})}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	a.cmd.WaitDelay = 10 * time.Second
	output, input := io.Pipe()
	a.cmd.Stdout, a.cmd.Stderr = input, input
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			a.mu.Lock()
			a.said = append(a.said, lines.Text())
			a.mu.Unlock()
			select {
			case a.steps <- lines.Text():
			default:
			}
		}
		_, _ = io.Copy(io.Discard, output)
	}()
	go func() {
		a.err = a.cmd.Wait()
		_ = input.Close()
		close(a.ended)
	}()
	return a, nil
}

// await waits until a step has ended, and says whether it did before the run ended.
func (a *attempt) await(ctx context.Context, step string) bool {
	if step == "" {
		return true
	}
	for {
		select {
		case line := <-a.steps:
			if strings.Contains(line, "✓ "+step) {
				return true
			}
		case <-a.ended:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// newly lists what exists now and did not before the first case, without the engine.
func (m *matrix) newly(ctx context.Context) []string {
	var list []string
	// The kernel removes links some time after the engine, so they are read again.
	for range 20 {
		list = nil
		for _, item := range m.left(ctx, false) {
			if !m.clean[item] {
				list = append(list, item)
			}
		}
		if len(list) == 0 {
			break
		}
		wait(ctx, 100*time.Millisecond)
	}
	return list
}

// second starts another run of the same name at the same time. One of the two is refused at once, with the other's name.
// Then the other one is interrupted.
func second(ctx context.Context, m *matrix, a *attempt) error {
	b, err := m.start(ctx, []string{"run", "--name", name, "--bench", "none", "--artifacts", m.artifacts()})
	if err != nil {
		return err
	}
	refused, other := a, b
	select {
	case <-a.ended:
	case <-b.ended:
		refused, other = b, a
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	interrupt := other.cmd.Process.Signal(syscall.SIGINT)
	if b == other {
		<-b.ended
	}
	if refused.code() != "3" || !strings.Contains(refused.all(), "in use by process") || interrupt != nil {
		return fmt.Errorf("one ends with %s: %s, the other cannot be interrupted: %w", refused.code(), refused.summary(), interrupt)
	}
	return nil
}

func downMeanwhile(ctx context.Context, m *matrix, a *attempt) error {
	output, err := m.command(ctx, "down", "--name", name).CombinedOutput()
	if exitOf(err) != "3" || !bytes.Contains(output, []byte("in use by process")) {
		return fmt.Errorf("down ends with %s: %s", exitOf(err), lastLine(output))
	}
	return a.cmd.Process.Signal(syscall.SIGINT)
}

// freeze freezes a control group in the node, like an interrupted creation of a pod, and kills the run.
func freeze(ctx context.Context, m *matrix, a *attempt) error {
	id, err := m.docker(ctx, "container", "inspect", "--format", "{{.Id}}", name+"-control-plane")
	if err != nil {
		return err
	}
	id = strings.TrimSpace(id)
	frozen := false
	for _, top := range []string{"/sys/fs/cgroup/freezer", "/sys/fs/cgroup"} {
		_ = filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.IsDir() || !strings.Contains(path, id) || frozen {
				return nil //nolint:nilerr // it has just gone
			}
			// A control group with processes, below the node's own.
			processes, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil || len(bytes.TrimSpace(processes)) == 0 || strings.HasSuffix(path, id) {
				return nil //nolint:nilerr // another will do
			}
			for file, word := range map[string]string{"freezer.state": "FROZEN", "cgroup.freeze": "1"} {
				if os.WriteFile(filepath.Join(path, file), []byte(word), 0o644) == nil {
					frozen = true
				}
			}
			return nil
		})
		if frozen {
			return a.cmd.Process.Kill()
		}
	}
	return errors.New("found no control group to freeze")
}

// engineProcess is the private engine's process.
func (m *matrix) engineProcess() (*os.Process, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(m.socket()), "docker.pid"))
	if err != nil {
		return nil, fmt.Errorf("find the private engine: %w", err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		return nil, err
	}
	return os.FindProcess(pid)
}

func killEngine(_ context.Context, m *matrix, _ *attempt) error {
	process, err := m.engineProcess()
	if err != nil {
		return err
	}
	return process.Kill()
}

func stopEngine(_ context.Context, m *matrix, a *attempt) error {
	process, err := m.engineProcess()
	if err != nil {
		return err
	}
	return errors.Join(process.Signal(syscall.SIGSTOP), a.cmd.Process.Kill())
}
