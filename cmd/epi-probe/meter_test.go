package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podidentity/epi/bench/meter"
)

func TestMeterAndMachine(t *testing.T) {
	dir, id := t.TempDir(), strings.Repeat("4f2a", 16)
	for name, data := range map[string]string{
		"proc/1/cgroup": "0::/" + id, "proc/1/status": "VmRSS: 8 kB\nThreads: 2\n", "proc/cpuinfo": "processor : 0\n", "proc/meminfo": "MemTotal: 1024 kB\n",
		"proc/sys/kernel/osrelease": "6.1\n", "cgroup/cgroup.controllers": "", "cgroup/" + id + "/cpu.stat": "usage_usec 2000000\n",
		"cgroup/" + id + "/memory.current": "9", "cgroup/" + id + "/memory.stat": "anon 8\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	proc, cgroup := "--proc="+filepath.Join(dir, "proc"), "--cgroup="+filepath.Join(dir, "cgroup")
	call := func(args ...string) (int, []byte) {
		var out, errOut bytes.Buffer
		code := run(t.Context(), args, &out, &errOut)
		return code, append(out.Bytes(), errOut.Bytes()...)
	}
	var usages map[string]meter.Usage
	code, output := call("meter", proc, cgroup, id)
	if err := json.Unmarshal(output, &usages); code != exitOK || err != nil || usages[id] != (meter.Usage{CPUSeconds: 2, MemoryBytes: 9, AnonBytes: 8, RSSBytes: 8192, Processes: 1, Threads: 2}) {
		t.Errorf("exit code %d: %s", code, output)
	}
	var machine meter.Machine
	code, output = call("machine", proc)
	if err := json.Unmarshal(output, &machine); code != exitOK || err != nil || machine != (meter.Machine{Cores: 1, MemoryBytes: 1 << 20, Kernel: "6.1"}) {
		t.Errorf("exit code %d: %s", code, output)
	}
	for _, args := range [][]string{{"meter"}, {"machine", "x"}, {"meter", "--color", id}} {
		if code, output := call(args...); code != exitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, output)
		}
	}
	if code, output := call("meter", proc, cgroup, strings.Repeat("a", 64)); code != exitFailed || !bytes.Contains(output, []byte("not on this node")) {
		t.Errorf("exit code %d: %s", code, output)
	}
}
