package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/internal/freezer"
	"github.com/podidentity/epi/clusters/internal/ownfolder"
)

const removeTimeout = 2 * time.Minute

// Remove removes the private engine with everything in it, and restores what it changed on this machine. If there is none,
// it only removes the state folder if that is empty. Its error says what is left.
func Remove(ctx context.Context, options Options, progress clusters.Progress) error {
	p := newPrivate(options)
	// The folder also holds environments. It is removed when they are gone, and then only epi's cache is left.
	defer func() { _ = options.Dirs.RemoveState() }()
	ours, err := p.ours()
	if err != nil {
		return err
	}
	if !ours {
		return removeLock(p)
	}
	task := progress.Start("Remove epi's own container engine")
	err = func() error {
		release, err := p.lock(ctx, func() { task.Detail("waiting for another epi to be done with the engine") })
		if err != nil {
			return err
		}
		defer release()
		if err := p.remove(ctx, task.Detail); err != nil {
			return &clusters.EnvironmentError{Doing: "remove epi's own container engine", Remedy: p.byHand(), Err: err}
		}
		// It is removed while it is locked. A process that waits for it then notices that the file no longer has that name.
		return removeLock(p)
	}()
	task.End(err)
	return err
}

// removeLock removes the lock file if it is empty. Another file is not epi's.
func removeLock(p private) error {
	if info, err := os.Lstat(p.lockFile()); err == nil && (!info.Mode().IsRegular() || info.Size() > 0) {
		return nil
	}
	if err := os.Remove(p.lockFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove lock of the engine: %w", err)
	}
	return nil
}

// remove continues after errors and removes what it can.
func (p private) remove(ctx context.Context, progress detail) error {
	var left []error
	note := func(err error) {
		if err != nil {
			left = append(left, err)
		}
	}
	// The engine itself removes its links, mounts and rules in the right order. So it is asked first, and started for that
	// if it has ended. The rest is removed without it.
	var own networks
	if p.exists() && len(missingPrograms()) == 0 {
		found, err := p.ensureRunning(ctx, progress)
		if err == nil {
			own, _ = found.networks(ctx) // without an answer, no network is known to be its own
			progress("removing its containers and networks")
			if err := found.empty(ctx); err != nil {
				progress("ending what it could not remove: %s", command.LastLine(err))
			}
		} else if ctx.Err() != nil {
			return err
		}
	}
	progress("stopping it")
	note(p.stop(ctx))
	note(p.killStragglers(ctx, slices.Concat(daemons, shims)...))
	note(p.killContainers(ctx))
	progress("putting back packet filter and kernel settings")
	note(removeLinks(own.bridges))
	note(p.restoreMachine(ctx, own))
	progress("removing its files")
	note(p.unmount())
	if err := errors.Join(left...); err != nil {
		// The folder has the record of what there was. Without it a later attempt would find nothing.
		return err
	}
	if err := p.removeRun(); err != nil {
		return err
	}
	return p.folder().Remove()
}

// byHand is the command that removes the first part of the engine that is left.
func (p private) byHand() string {
	containers, _ := os.ReadDir(filepath.Join(p.dataDir(), "containers")) // a missing folder has no containers
	processes := append(p.stragglers(slices.Concat(daemons, shims)), processesIn(containers)...)
	if len(processes) > 0 {
		argv := []string{"kill", "-KILL"}
		for _, pid := range processes {
			argv = append(argv, strconv.Itoa(pid))
		}
		return "end its processes with: " + strings.Join(argv, " ")
	}
	if data, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		if points := ownfolder.MountPoints(string(data), p.isOurs); len(points) > 0 {
			return "unmount what is left with: umount --lazy " + points[0]
		}
	}
	return "nothing of it runs; remove its folder with: rm -r " + p.dir
}

// removeRun removes the run folder. If it is outside the engine's folder, its name is derived from that.
func (p private) removeRun() error {
	info, err := os.Lstat(p.run)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.IsDir():
		err = &clusters.ForeignError{Path: p.run, Why: "it is not a folder"}
	case err == nil:
		err = os.RemoveAll(p.run)
	}
	if err != nil {
		return fmt.Errorf("remove run folder of the engine: %w", err)
	}
	return nil
}

// empty removes all containers and networks of the engine.
func (e *Engine) empty(ctx context.Context) error {
	containers, err := e.Output(ctx, "ps", "--all", "--quiet")
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	if ids := strings.Fields(containers); len(ids) > 0 {
		if _, err := e.Output(ctx, append([]string{"rm", "--force", "--volumes"}, ids...)...); err != nil {
			return fmt.Errorf("remove containers: %w", err)
		}
	}
	networks, err := e.Output(ctx, "network", "ls", "--quiet", "--filter", "type=custom")
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	if ids := strings.Fields(networks); len(ids) > 0 {
		if _, err := e.Output(ctx, append([]string{"network", "rm"}, ids...)...); err != nil {
			return fmt.Errorf("remove networks: %w", err)
		}
	}
	return nil
}

// killContainers kills the processes of containers if the engine could not. It recognizes them by the containers' IDs in
// the names of their control groups.
func (p private) killContainers(ctx context.Context) error {
	containers, err := os.ReadDir(filepath.Join(p.dataDir(), "containers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list containers of the engine: %w", err)
	}
	var ids []string
	for _, container := range containers {
		ids = append(ids, container.Name())
	}
	// A process in a frozen control group takes no signal. If thawing fails, killing returns an error.
	_, _ = freezer.Thaw(ids...)
	return killAll(ctx, "end containers", func() []int { return processesIn(containers) })
}

func processesIn(containers []os.DirEntry) []int {
	processes, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil || len(containers) == 0 {
		return nil
	}
	var pids []int
	for _, file := range processes {
		groups, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		if slices.ContainsFunc(containers, func(c os.DirEntry) bool { return strings.Contains(string(groups), c.Name()) }) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// restoreMachine removes what a Docker engine leaves when it ends: chains, the policy of forwarding, kernel settings, empty
// control groups. If another engine runs, these belong to that one too.
func (p private) restoreMachine(ctx context.Context, own networks) error {
	state, err := loadBefore(p.beforeFile())
	if err != nil || state == nil {
		return err
	}
	if err := removeRules(ctx, own); err != nil {
		return err
	}
	if otherEngineRuns() {
		return nil
	}
	now, err := readFirewalls(ctx)
	if err != nil {
		return err
	}
	var left []error
	for _, family := range families {
		rules := now[family]
		for _, args := range undo(state.Firewalls[family], rules) {
			if _, err := command.New(family, append([]string{"--wait"}, args...)...).Output(ctx); err != nil {
				left = append(left, fmt.Errorf("put back packet filter: %w", err))
			}
		}
	}
	for _, name := range engineSysctls {
		value, saved := state.Sysctls[name]
		if !saved {
			continue
		}
		file := filepath.Join("/proc/sys", name)
		current, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(current)) == value {
			continue // it is missing, or unchanged
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			left = append(left, fmt.Errorf("put back kernel setting: %w", err))
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/docker", "/sys/fs/cgroup/*/docker"} {
		groups, _ := filepath.Glob(pattern) // the pattern is well-formed
		for _, group := range groups {
			_ = os.Remove(group) // the kernel refuses it unless it is empty
		}
	}
	return errors.Join(left...)
}

// removeRules removes the rules of networks that the engine could not remove itself.
func removeRules(ctx context.Context, own networks) error {
	if len(own.bridges) == 0 {
		return nil
	}
	now, err := readFirewalls(ctx)
	if err != nil {
		return err
	}
	var left []error
	for family, rules := range now {
		for name, t := range rules {
			for _, rule := range t.Rules {
				// The rules are recognized by the link alone, because a user's rule may be about addresses that include the
				// network's.
				if !slices.ContainsFunc(strings.Fields(rule), func(word string) bool { return slices.Contains(own.bridges, word) }) {
					continue
				}
				args := append([]string{"--wait", "--table", name, "--delete", chainOf(rule)}, ruleArguments(rule)...)
				if _, err := command.New(family, args...).Output(ctx); err != nil {
					left = append(left, fmt.Errorf("remove rule of a network: %w", err))
				}
			}
		}
	}
	return errors.Join(left...)
}

// otherEngineRuns says whether another Docker engine runs than the private one, which has been stopped already.
func otherEngineRuns() bool {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	return slices.ContainsFunc(files, func(file string) bool {
		stat, err := os.ReadFile(file)
		return err == nil && isLiveEngine(string(stat))
	})
}

// isLiveEngine says, by a process's status line, whether it is a running Docker engine (proc(5), /proc/pid/stat: the name
// in parentheses, then the state). The private engine that was just stopped stays as a zombie until its parent waits for
// it, which may take long in a container.
func isLiveEngine(stat string) bool {
	_, after, found := strings.Cut(stat, "(dockerd) ")
	return found && !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// undo returns the arguments of iptables that remove what an engine left. Their order matters: rules that lead to its
// chains, the rules in them, the chains, and a policy.
func undo(before, now ruleset) [][]string {
	var steps [][]string
	for name, t := range now {
		old := before[name]
		var chains []string
		for chain := range t.Policies {
			if _, was := old.Policies[chain]; !was && strings.HasPrefix(chain, "DOCKER") {
				chains = append(chains, chain)
			}
		}
		slices.Sort(chains)
		for _, rule := range t.Rules {
			target := targetOf(rule)
			if !slices.Contains(chains, chainOf(rule)) && slices.Contains(chains, target) {
				steps = append(steps, append([]string{"--table", name, "--delete", chainOf(rule)}, ruleArguments(rule)...))
			}
		}
		for _, chain := range chains {
			steps = append(steps, []string{"--table", name, "--flush", chain})
		}
		for _, chain := range chains {
			steps = append(steps, []string{"--table", name, "--delete-chain", chain})
		}
		was := old.Policies["FORWARD"]
		if was != "DROP" {
			was = "ACCEPT" // the kernel's default
		}
		if policy := t.Policies["FORWARD"]; policy != "" && policy != was {
			steps = append(steps, []string{"--table", name, "--policy", "FORWARD", was})
		}
	}
	return steps
}

// targetOf returns the target of a rule's jump.
func targetOf(rule string) string {
	fields := strings.Fields(rule)
	for i, field := range fields {
		if (field == "-j" || field == "-g") && i+1 < len(fields) {
			return fields[i+1]
		}
	}
	return ""
}
