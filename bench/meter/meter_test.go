package meter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const (
	agent = "4f2a90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a"
	other = "00ff90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a90b1c3d54f2a"
)

func files(contents map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, data := range contents {
		all[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return all
}

// open adds the open files of a process.
func open(all fstest.MapFS, process string, targets ...string) fstest.MapFS {
	for n, target := range targets {
		all[fmt.Sprintf("%s/fd/%d", process, n)] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
	}
	return all
}

// processes: two of the agent's container, one of another, one of none, and what else /proc has.
var processes = open(open(files(map[string]string{
	"10/cgroup":   "0::/kubepods.slice/cri-containerd-" + agent + ".scope\n",
	"10/status":   "Name:\tepi-agent\nUmask:\t0022\nThreads:\t7\nVmRSS:\t   13880 kB\nRssAnon:\t    5000 kB\n",
	"11/cgroup":   "4:memory:/kubelet/kubepods/besteffort/pod1/" + agent + "\n0::/\n",
	"11/status":   "Name:\tsh\nThreads:\t1\nVmRSS:\t   120 kB\nRssAnon:\t    20 kB\n",
	"12/cgroup":   "0::/../cri-containerd-" + other + ".scope\n",
	"12/status":   "Threads:\t3\nVmRSS:\t   7 kB\nRssAnon:\t    1 kB\n",
	"13/cgroup":   "0::/\n",
	"self/cgroup": "0::/" + agent + "\n",
	"cpuinfo":     "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: a b\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n",
	"meminfo":     "MemTotal:       24689764 kB\nMemFree:        1000 kB\n",

	"sys/kernel/osrelease": "6.18.5\n",
}), "10", "/dev/null", "socket:[4711]", "socket:[4712]", "anon_inode:[eventpoll]"), "11", "socket:[4713]", "pipe:[1]")

// Layouts of kernels and container runtimes: version 2 with systemd's names, version 1 with cgroupfs's, and with cpu and
// cpuacct in one.
var layouts = map[string]fstest.MapFS{
	"v2": files(map[string]string{
		"cgroup.controllers": "cpu memory\n",
		"kubepods.slice/kubepods-pod1.slice/cri-containerd-" + agent + ".scope/cpu.stat":       "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
		"kubepods.slice/kubepods-pod1.slice/cri-containerd-" + agent + ".scope/memory.current": "20000000\n",
		"kubepods.slice/kubepods-pod1.slice/cri-containerd-" + agent + ".scope/memory.stat":    "anon 5140480\nfile 14000000\n",
		"kubepods.slice/kubepods-pod2.slice/cri-containerd-" + other + ".scope/cpu.stat":       "usage_usec 7\n",
		"kubepods.slice/kubepods-pod2.slice/cri-containerd-" + other + ".scope/memory.current": "8192\n",
		"kubepods.slice/kubepods-pod2.slice/cri-containerd-" + other + ".scope/memory.stat":    "anon 4096\n",
	}),
	"v1":                      v1("cpuacct"),
	"v1, cpu and cpuacct one": v1("cpu,cpuacct"),
}

func v1(cpu string) fstest.MapFS {
	return files(map[string]string{
		cpu + "/docker/node/kubelet/kubepods/pod1/" + agent + "/cpuacct.usage":               "1500000000\n",
		"memory/docker/node/kubelet/kubepods/pod1/" + agent + "/memory.usage_in_bytes":       "20000000\n",
		"memory/docker/node/kubelet/kubepods/pod1/" + agent + "/memory.stat":                 "cache 14000000\nrss 1\ntotal_rss 5140480\n",
		cpu + "/kubepods/pod2/" + other + "/cpuacct.usage":                                   "7000\n",
		"memory/kubepods/pod2/" + other + "/memory.usage_in_bytes":                           "8192\n",
		"memory/kubepods/pod2/" + other + "/memory.stat":                                     "total_rss 4096\n",
		"unified/kubelet/cgroup.controllers":                                                 "",
		"memory/docker/node/kubelet/kubepods/pod1/" + agent + "/below/memory.usage_in_bytes": "1\n",
	})
}

func TestUsageOfContainers(t *testing.T) {
	want := map[string]Usage{
		"containerd://" + agent: {CPUSeconds: 1.5, MemoryBytes: 20000000, AnonBytes: 5140480, RSSBytes: 14000 << 10, RSSAnonBytes: 5020 << 10, Processes: 2, Threads: 8, Sockets: 3},
		other:                   {CPUSeconds: 7e-6, MemoryBytes: 8192, AnonBytes: 4096, RSSBytes: 7 << 10, RSSAnonBytes: 1 << 10, Processes: 1, Threads: 3},
	}
	for name, cgroups := range layouts {
		got, err := Host{Proc: processes, Cgroup: cgroups}.Read("containerd://"+agent, other)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestContainersThatAreNotThereAndFilesThatAreNone(t *testing.T) {
	broken := func(layout, name, data string) fstest.MapFS {
		all := fstest.MapFS{}
		for existing, file := range layouts[layout] {
			all[existing] = file
			if strings.Contains(existing, agent) && strings.HasSuffix(existing, name) {
				all[existing] = &fstest.MapFile{Data: []byte(data)}
			}
		}
		return all
	}
	for says, row := range map[string]struct {
		id      string
		cgroups fstest.MapFS
	}{
		"hexadecimal digits":      {"agent", layouts["v2"]},
		"12 to 64":                {"containerd://4f2a", layouts["v2"]},
		"is not on this node":     {strings.Repeat("a", 64), layouts["v1"]},
		"no number for usage":     {agent, broken("v2", "cpu.stat", "user_usec 5\n")},
		`holds "lots", want a`:    {agent, broken("v2", "memory.current", "lots")},
		`holds "-1", want a`:      {agent, broken("v1", "cpuacct.usage", "-1")},
		"no number for total_rss": {agent, broken("v1", "memory.stat", "total_rss many\n")},
	} {
		if _, err := (Host{Proc: processes, Cgroup: row.cgroups}).Read(row.id); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
	if _, err := (Host{Proc: processes, Cgroup: fstest.MapFS{}}).Read(agent); err == nil {
		t.Error("no cgroups at all, and no error")
	}
}

func TestMachine(t *testing.T) {
	got, err := Host{Proc: processes}.Machine()
	if want := (Machine{CPU: "AMD EPYC", Cores: 2, MemoryBytes: 24689764 << 10, Kernel: "6.18.5"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := (Host{Proc: fstest.MapFS{"cpuinfo": {}}}).Machine(); err == nil || !strings.Contains(err.Error(), "no processor") {
		t.Errorf("error %v", err)
	}
	// The kernel that runs this test.
	if _, err := os.Stat("/proc/cpuinfo"); errors.Is(err, os.ErrNotExist) {
		t.Skip("this system has no /proc")
	}
	if here, err := (Host{Proc: os.DirFS("/proc")}).Machine(); err != nil || here.Cores < 1 || here.MemoryBytes < 1<<26 || here.Kernel == "" {
		t.Errorf("%+v, %v", here, err)
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte("usage_usec 15\nVmRSS:\t 7 kB\n"))
	f.Add([]byte("a 9223372036854775807 kB\nb -1\nc 1 2 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, n := range parseFields(data) {
			if n < 0 || strings.ContainsAny(name, " \n") {
				t.Errorf("%q is %d", name, n)
			}
		}
		if _, cores := parseCPUs(data); cores > len(data) {
			t.Errorf("%d cores in %d bytes", cores, len(data))
		}
	})
}

// hidden refuses to list the open files of a process, like the kernel without the permission to trace it.
type hidden struct {
	fstest.MapFS
	process string
}

func (h hidden) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == h.process+"/fd" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return h.MapFS.ReadDir(name)
}

func TestSocketsThatMayNotBeSeenAreNotReported(t *testing.T) {
	for _, process := range []string{"10", "11"} {
		got, err := Host{Proc: hidden{processes, process}, Cgroup: layouts["v2"]}.Read(agent, other)
		if err != nil || got[agent].Sockets != -1 || got[agent].Threads != 8 || got[other].Sockets != 0 {
			t.Errorf("process %s is hidden: %+v, %v", process, got, err)
		}
	}
}
