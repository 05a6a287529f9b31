// Package meter reads the usage of a node's containers, and the node's properties, from the kernel itself, without
// estimates or sampling. It needs the process table of the host (a pod's hostPID) and the host's cgroups.
package meter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host has the paths of a node's files.
type Host struct {
	// Proc is /proc. Cgroup is /sys/fs/cgroup, with version 2, version 1, or both.
	Proc, Cgroup fs.FS
}

// Usage is the usage of a container.
type Usage struct {
	// CPUSeconds used since the container's start, in user and kernel mode, also by processes that have ended.
	CPUSeconds float64 `json:"cpuSeconds"`
	// MemoryBytes is the container's memory with its part of the page cache: the cgroup's memory.current or
	// memory.usage_in_bytes. AnonBytes is the part that is no file's: memory.stat.
	MemoryBytes int64 `json:"memoryBytes"`
	AnonBytes   int64 `json:"anonBytes"`
	// RSSBytes is the resident memory of all processes together, with the pages of their programs (VmRSS). RSSAnonBytes is
	// without those (RssAnon); see proc_pid_status(5).
	RSSBytes     int64 `json:"rssBytes"`
	RSSAnonBytes int64 `json:"rssAnonBytes"`
	Processes    int   `json:"processes"`
	Threads      int   `json:"threads"`
	// Sockets that its processes have open, with listening ones; -1 if the reader may not see them: it needs the processes'
	// user and capabilities, or CAP_SYS_PTRACE.
	Sockets int `json:"sockets"`
}

// containerID matches the IDs of container runtimes. A shorter one could be part of another name.
var containerID = regexp.MustCompile(`^[0-9a-f]{12,64}$`)

// Read returns the usage of containers by ID. An ID is as in a pod's status, "containerd://4f2a…", or without the runtime.
// The result has the IDs in the same form. A container that is not on this node is an error.
func (h Host) Read(ids ...string) (map[string]Usage, error) {
	usages := map[string]Usage{}
	names := map[string]string{} // as given, by bare ID
	for _, given := range ids {
		bare := given
		if _, after, found := strings.Cut(given, "://"); found {
			bare = after
		}
		if !containerID.MatchString(bare) {
			return nil, fmt.Errorf("meter container %q: want an ID of 12 to 64 hexadecimal digits, as in a pod's status", given)
		}
		names[bare] = given
	}
	cgroups, err := h.cgroups(names)
	if err != nil {
		return nil, fmt.Errorf("meter containers: %w", err)
	}
	for bare, given := range names {
		usage, err := h.charged(cgroups[bare])
		if err != nil {
			return nil, fmt.Errorf("meter container %s: %w", given, err)
		}
		usages[given] = usage
	}
	if err := h.addProcesses(names, usages); err != nil {
		return nil, fmt.Errorf("meter containers: %w", err)
	}
	return usages, nil
}

// cgroup has the places of a container's files in Host.Cgroup.
type cgroup struct{ cpu, memory string }

// cgroups finds the folders with the containers' IDs in their names, such as cri-containerd-ID.scope. The path in a
// process's own view would depend on the reader's namespace.
func (h Host) cgroups(names map[string]string) (map[string]cgroup, error) {
	if h.unified() {
		found, err := find(h.Cgroup, ".", names)
		if err != nil {
			return nil, err
		}
		cgroups := map[string]cgroup{}
		for bare, dir := range found {
			cgroups[bare] = cgroup{cpu: dir, memory: dir}
		}
		return cgroups, nil
	}
	root := "cpuacct"
	if _, err := fs.Stat(h.Cgroup, root); errors.Is(err, fs.ErrNotExist) {
		root = "cpu,cpuacct"
	}
	cpu, err := find(h.Cgroup, root, names)
	if err != nil {
		return nil, err
	}
	memory, err := find(h.Cgroup, "memory", names)
	if err != nil {
		return nil, err
	}
	cgroups := map[string]cgroup{}
	for bare := range names {
		cgroups[bare] = cgroup{cpu: cpu[bare], memory: memory[bare]}
	}
	return cgroups, nil
}

// unified says whether there is only version 2.
func (h Host) unified() bool {
	_, err := fs.Stat(h.Cgroup, "cgroup.controllers")
	return err == nil
}

func find(in fs.FS, root string, names map[string]string) (map[string]string, error) {
	found := map[string]string{}
	err := fs.WalkDir(in, root, func(at string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && at != root && gone(err): // a container that ended meanwhile
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		}
		for bare := range names {
			if _, already := found[bare]; !already && strings.Contains(path.Base(at), bare) {
				found[bare] = at
				return fs.SkipDir
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	for bare, given := range names {
		if found[bare] == "" {
			return nil, fmt.Errorf("container %s is not on this node, or the node's /sys/fs/cgroup is not what is read: no cgroup %s has its name", given, root)
		}
	}
	return found, nil
}

// charged reads the cgroup's values.
func (h Host) charged(at cgroup) (Usage, error) {
	var u Usage
	if h.unified() {
		stat, err := fields(h.Cgroup, path.Join(at.cpu, "cpu.stat"), "usage_usec")
		if err != nil {
			return u, err
		}
		u.CPUSeconds = (time.Duration(stat["usage_usec"]) * time.Microsecond).Seconds()
	} else {
		nanoseconds, err := number(h.Cgroup, path.Join(at.cpu, "cpuacct.usage"))
		if err != nil {
			return u, err
		}
		u.CPUSeconds = time.Duration(nanoseconds).Seconds()
	}
	current, anon := "memory.usage_in_bytes", "total_rss" // with those of the cgroups below it, as in current
	if h.unified() {
		current, anon = "memory.current", "anon"
	}
	var err error
	if u.MemoryBytes, err = number(h.Cgroup, path.Join(at.memory, current)); err != nil {
		return u, err
	}
	stat, err := fields(h.Cgroup, path.Join(at.memory, "memory.stat"), anon)
	if err != nil {
		return u, err
	}
	u.AnonBytes = stat[anon]
	return u, nil
}

// addProcesses adds the values of the process table.
func (h Host) addProcesses(names map[string]string, usages map[string]Usage) error {
	entries, err := fs.ReadDir(h.Proc, ".")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, entry := range entries {
		if _, err := strconv.ParseUint(entry.Name(), 10, 32); err != nil {
			continue
		}
		cgroups, err := fs.ReadFile(h.Proc, path.Join(entry.Name(), "cgroup"))
		if gone(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("read process: %w", err)
		}
		for bare, given := range names {
			if !bytes.Contains(cgroups, []byte(bare)) {
				continue
			}
			// A process that has ended has no memory, so these fields may be missing.
			stat, err := fields(h.Proc, path.Join(entry.Name(), "status"))
			if gone(err) {
				break
			} else if err != nil {
				return fmt.Errorf("read process: %w", err)
			}
			u := usages[given]
			u.RSSBytes += stat["VmRSS"]
			u.RSSAnonBytes += stat["RssAnon"]
			u.Threads += int(stat["Threads"])
			u.Processes++
			if u.Sockets, err = h.sockets(entry.Name(), u.Sockets); err != nil {
				return fmt.Errorf("read process: %w", err)
			}
			usages[given] = u
			break
		}
	}
	return nil
}

// sockets adds the number of a process's sockets; -1 if they are unknown.
func (h Host) sockets(process string, others int) (int, error) {
	if others < 0 {
		return others, nil
	}
	dir := path.Join(process, "fd")
	open, err := fs.ReadDir(h.Proc, dir)
	for _, file := range open {
		var target string
		if target, err = fs.ReadLink(h.Proc, path.Join(dir, file.Name())); err != nil && !gone(err) {
			break
		}
		if strings.HasPrefix(target, "socket:") {
			others++
		}
		err = nil
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return -1, nil
	case err != nil && !gone(err):
		return 0, err
	}
	return others, nil
}

// gone says that a process or cgroup ended during the read.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENODEV)
}

// number reads a file with one number.
func number(in fs.FS, name string) (int64, error) {
	data, err := fs.ReadFile(in, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s holds %.40q, want a number", name, data)
	}
	return n, nil
}

// fields reads the numbers of a file's lines "name number" or "name: number kB", the latter in bytes. A missing required
// name is an error.
func fields(in fs.FS, name string, must ...string) (map[string]int64, error) {
	data, err := fs.ReadFile(in, name)
	if err != nil {
		return nil, err
	}
	found := parseFields(data)
	for _, field := range must {
		if _, ok := found[field]; !ok {
			return nil, fmt.Errorf("%s has no number for %s", name, field)
		}
	}
	return found, nil
}

func parseFields(data []byte) map[string]int64 {
	found := map[string]int64{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		kilo := len(words) == 3 && words[2] == "kB"
		if len(words) != 2 && !kilo {
			continue
		}
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || n < 0 || kilo && n > 1<<52 {
			continue
		}
		if kilo {
			n <<= 10
		}
		found[strings.TrimSuffix(words[0], ":")] = n
	}
	return found
}

// Machine describes a node.
type Machine struct {
	// CPU is its model, such as "AMD EPYC 7B13"; empty if the kernel has no name for it.
	CPU         string `json:"cpu,omitempty"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memoryBytes"`
	// Kernel is its release, such as "6.18.5".
	Kernel string `json:"kernel"`
}

// Machine reads the description of the node. Cores and memory are the machine's, also in a container.
func (h Host) Machine() (Machine, error) {
	var m Machine
	info, err := fs.ReadFile(h.Proc, "cpuinfo")
	if err != nil {
		return m, fmt.Errorf("read machine: %w", err)
	}
	if m.CPU, m.Cores = parseCPUs(info); m.Cores == 0 {
		return m, errors.New("read machine: cpuinfo has no processor")
	}
	memory, err := fields(h.Proc, "meminfo", "MemTotal")
	if err != nil {
		return m, fmt.Errorf("read machine: %w", err)
	}
	m.MemoryBytes = memory["MemTotal"]
	release, err := fs.ReadFile(h.Proc, "sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("read machine: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(release))
	return m, nil
}

// parseCPUs counts processors and returns their model. The field with the model depends on the architecture.
func parseCPUs(info []byte) (model string, cores int) {
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case name == "processor":
			cores++
		case model == "" && slices.Contains([]string{"model name", "cpu model", "Model"}, name):
			model = value
		}
	}
	return model, cores
}
