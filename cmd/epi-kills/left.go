//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// socket of the private engine. The folder's name is short enough for it.
func (m *matrix) socket() string { return filepath.Join(m.state(), "engine", "run", "docker.sock") }

// left lists what exists on this machine of an environment, and with engine also of the engine. Each item begins with its
// kind.
func (m *matrix) left(ctx context.Context, engine bool) []string {
	var list []string
	add := func(kind string, items []string) {
		for _, item := range items {
			list = append(list, kind+" "+item)
		}
	}
	if _, err := os.Stat(m.socket()); err == nil {
		add("container", m.lines(ctx, "ps", "--all", "--format", "{{.Names}}"))
		add("network", m.lines(ctx, "network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"))
	}
	add("link", m.links())
	add("rule", m.rules(ctx))
	add("mount", m.mounts(engine))
	add("state", m.files(engine))
	add("process", m.processes(engine))
	return list
}

func (m *matrix) lines(ctx context.Context, args ...string) []string {
	output, err := m.docker(ctx, args...)
	if err != nil {
		return []string{"unknown: " + strings.TrimSpace(err.Error())}
	}
	return strings.Fields(output)
}

// watchLinks records, until the context ends, the links of this state folder's engine. Other engines' links come and go
// meanwhile.
func (m *matrix) watchLinks(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := os.Stat(m.socket()); err == nil {
			for _, id := range m.lines(ctx, "network", "ls", "--quiet", "--no-trunc", "--filter", "driver=bridge") {
				if len(id) == 64 {
					m.mu.Lock()
					m.bridges["br-"+id[:12]] = true
					m.mu.Unlock()
				}
			}
		}
		wait(ctx, time.Second)
	}
}

func (m *matrix) isOwn(link string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bridges[link]
}

// links are the kernel's network links of the engine's networks, and those that are connected to them.
func (m *matrix) links() []string {
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		return nil
	}
	var list []string
	for _, entry := range entries {
		master, _ := os.Readlink(filepath.Join("/sys/class/net", entry.Name(), "master")) // most have none
		if m.isOwn(entry.Name()) || m.isOwn(filepath.Base(master)) {
			list = append(list, entry.Name())
		}
	}
	return list
}

// rules are the packet filters' rules that name a link of the engine's networks.
func (m *matrix) rules(ctx context.Context) []string {
	var list []string
	for _, family := range []string{"iptables-save", "ip6tables-save"} {
		output, err := exec.CommandContext(ctx, family).Output()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(output)) {
			if slices.ContainsFunc(strings.Fields(line), m.isOwn) {
				list = append(list, family+" "+strings.TrimSpace(line))
			}
		}
	}
	return list
}

// mounts are those in the state folders, without the engine's own.
func (m *matrix) mounts(engine bool) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], m.state()) && (engine || !strings.HasSuffix(fields[4], "/engine/run") && !strings.HasSuffix(fields[4], "/engine/data")) {
			list = append(list, fields[4])
		}
	}
	return list
}

// files are those of the state folder. With engine, they include the engine's folder itself.
func (m *matrix) files(engine bool) []string {
	if engine {
		if _, err := os.Lstat(m.state()); err == nil {
			return []string{m.state()}
		}
		return nil
	}
	var list []string
	for _, folder := range []string{"clusters", "locks"} {
		entries, _ := os.ReadDir(filepath.Join(m.state(), folder)) // a missing folder has none
		for _, entry := range entries {
			list = append(list, filepath.Join(folder, entry.Name()))
		}
	}
	if _, err := os.Lstat(filepath.Join(m.state(), "state.lock")); err == nil {
		list = append(list, "state.lock")
	}
	return list
}

// processes are those with the state folder in their command lines, without the engine's own.
func (m *matrix) processes(engine bool) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well-formed
	var list []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(data), m.state()) {
			continue
		}
		args := strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
		program := filepath.Base(args[0])
		if program == "epi-kills" || !engine && slices.Contains([]string{"dockerd", "containerd"}, program) {
			continue
		}
		list = append(list, program+" "+filepath.Base(filepath.Dir(file)))
	}
	return list
}
