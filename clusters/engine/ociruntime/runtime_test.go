//go:build linux

package ociruntime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRequestOf(t *testing.T) {
	tests := []struct{ args, file string }{
		// The command line of containerd's shim.
		{"--root /run/r --log /l --log-format json create --bundle /b --pid-file /p abc", "/b/config.json"},
		{"--root /run/r --log /l --log-format json --systemd-cgroup create --bundle=/b abc", "/b/config.json"},
		{"--root /run/r --log /l exec --process /tmp/p --detach --pid-file /x abc", "/tmp/p"},
		{"exec --console-socket /s --process=/tmp/p abc", "/tmp/p"},
		{"run -b /b abc", "/b/config.json"},
		// By hand: the bundle is the current folder.
		{"run abc", "config.json"},
		// What follows the container's name is its own command line.
		{"exec abc tool --process /etc/passwd", ""},
		{"exec -e A=b abc tool -p 80", ""},
		// Values that look like commands.
		{"--root create --log exec state abc", ""},
		{"--version", ""},
		{"delete --force abc", ""},
		{"", ""},
	}
	for _, test := range tests {
		if got := requestOf(strings.Fields(test.args)).file; got != test.file {
			t.Errorf("%q: %q, want %q", test.args, got, test.file)
		}
	}
}

func TestFindRuncPassesOverItself(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	// The wrapper has runc's name, as in a node.
	if err := os.Link(self, filepath.Join(first, "runc")); err != nil {
		if err := os.Symlink(self, filepath.Join(first, "runc")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(second, "runc"), nil, 0o644); err != nil { // not a program
		t.Fatal(err)
	}
	want := filepath.Join(third, "runc")
	if err := os.WriteFile(want, []byte("#!/bin/true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := findRunc(strings.Join([]string{first, second, third}, ":"))
	if err != nil || got != want {
		t.Errorf("found %q, %v; want %q", got, err, want)
	}
}

func TestReplaceFileKeepsModeAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(file, []byte("new")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil || string(content) != "new" {
		t.Errorf("content %q, %v", content, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v, %v", entries, err)
	}
}

func TestBoundingSet(t *testing.T) {
	// From a machine without CAP_SYS_RESOURCE (bit 24).
	mask, err := boundingSet([]byte("Name:\tx\nCapEff:\t000001fffeffffff\nCapBnd:\t000001fffeffffff\nCapAmb:\t0000000000000000\n"))
	if err != nil || mask != 0x1fffeffffff {
		t.Errorf("%x, %v", mask, err)
	}
	names := CapabilityNames(^mask & (1<<41 - 1))
	if len(names) != 1 || names[0] != "CAP_SYS_RESOURCE" {
		t.Errorf("missing: %v", names)
	}
	for _, broken := range []string{"", "CapBnd:\tzz\n"} {
		if _, err := boundingSet([]byte(broken)); err == nil {
			t.Errorf("%q is no error", broken)
		}
	}
}

func TestOwnLimits(t *testing.T) {
	limits, err := OwnLimits()
	if err != nil {
		t.Fatal(err)
	}
	if hard, ok := limits.HardRlimit("RLIMIT_NOFILE"); !ok || hard == 0 {
		t.Errorf("open files: %d, %v", hard, ok)
	}
	if _, ok := limits.HardRlimit("RLIMIT_OF_TOMORROW"); ok {
		t.Error("an unknown limit is known")
	}
}
