package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/podidentity/epi/clusters/engine/ociruntime"
	"github.com/podidentity/epi/clusters/internal/command"
)

const (
	// neededDisk is twice the size of an engine with a node image and two nodes.
	neededDisk = 6 << 30
	// neededInotify and neededFiles are the needs of one node (kind's documentation, "Known issues": pod errors due to too
	// many open files), not of many nodes.
	neededInotify = 128
	neededFiles   = 4096
)

// machineChecks checks the kernel and its settings.
func machineChecks(ctx context.Context, stateDir string) []Check {
	return []Check{
		capabilitiesCheck(), overlayCheck(ctx), linksCheck(), packetFilterCheck(ctx), bridgeFilterCheck(ctx),
		cgroupCheck(), ipv6Check(), inotifyCheck(), filesCheck(), DiskCheck("disk for the engine", stateDir, neededDisk),
	}
}

func capabilitiesCheck() Check {
	check := Check{Name: "capabilities", OK: true, State: "all"}
	limits, err := ociruntime.OwnLimits()
	if err != nil {
		return Check{Name: check.Name, State: err.Error(), Remedy: "mount /proc"}
	}
	if missing := ociruntime.CapabilityNames(^limits.Capabilities); len(missing) > 0 {
		check.State = fmt.Sprintf("without %s: epi's own engine gives nodes what there is", strings.Join(missing, ", "))
		if os.Geteuid() != 0 {
			check.State = "not root: a user's engine is needed"
		}
	}
	return check
}

func overlayCheck(ctx context.Context) Check {
	check := Check{Name: "overlayfs", Remedy: "load it: modprobe overlay"}
	filesystems, err := os.ReadFile("/proc/filesystems")
	switch {
	case err == nil && strings.Contains(string(filesystems), "\toverlay\n"):
		check.OK, check.State = true, "in the kernel"
	case hasModule(ctx, "overlay"):
		check.OK, check.State = true, "a module, loaded when needed"
	default:
		check.State = "the kernel has none"
	}
	return check
}

// hasModule says whether the kernel could load a module.
func hasModule(ctx context.Context, name string) bool {
	_, err := command.New("modprobe", "--dry-run", name).Output(ctx)
	return err == nil
}

// linksCheck creates a bridge and a pair of veth links in a network namespace of its own, which is removed with them.
func linksCheck() Check {
	check := Check{Name: "bridge and veth links", OK: true, State: "can be made"}
	result := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so it ends with this function, and its namespace with it.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "check0"}}
		if err := netlink.LinkAdd(bridge); err != nil {
			result <- fmt.Errorf("make a bridge: %w", err)
			return
		}
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "check1"}, PeerName: "check2"}
		if err := netlink.LinkAdd(pair); err != nil {
			result <- fmt.Errorf("make a pair of veth links: %w", err)
			return
		}
		result <- nil
	}()
	err := <-result
	switch {
	case err == nil:
	case errors.Is(err, unix.EPERM) && os.Geteuid() != 0:
		check.State = "not tried, which takes root: a user's engine makes them"
	default:
		check.OK, check.State, check.Remedy = false, err.Error(), "load them: modprobe -a bridge veth; in a container: give it CAP_NET_ADMIN and CAP_SYS_ADMIN"
	}
	return check
}

func packetFilterCheck(ctx context.Context) Check {
	check := Check{Name: "iptables", OK: true}
	if _, err := exec.LookPath("iptables-save"); err != nil {
		check.State = "not installed: comes with docker.io when epi installs that"
		return check
	}
	if os.Geteuid() != 0 {
		check.State = "installed"
		return check
	}
	if _, err := command.New("iptables-save").Output(ctx); err != nil {
		return Check{Name: check.Name, State: command.LastLine(err), Remedy: "load it: modprobe -a nf_tables ip_tables; in a container: give it CAP_NET_ADMIN"}
	}
	check.State = "works"
	return check
}

func bridgeFilterCheck(ctx context.Context) Check {
	check := Check{Name: "br_netfilter", OK: true, State: "in the kernel"}
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err == nil {
		return check
	}
	if hasModule(ctx, "br_netfilter") {
		check.State = "a module, loaded by the engine"
		return check
	}
	return Check{Name: check.Name, State: "the kernel has none", Remedy: "load it: modprobe br_netfilter"}
}

func cgroupCheck() Check {
	check := Check{Name: "control groups", OK: true, State: "version 2"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return check
	}
	controllers, err := os.ReadFile("/proc/cgroups")
	if err != nil {
		return Check{Name: check.Name, State: "none are mounted", Remedy: "mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup"}
	}
	check.State = "version 1: the kubelet is configured to accept it"
	for _, needed := range []string{"cpu", "cpuset", "devices", "freezer", "memory", "pids"} {
		if !strings.Contains(string(controllers), "\n"+needed+"\t") {
			return Check{Name: check.Name, State: "version 1 without " + needed, Remedy: "enable it at boot, such as with cgroup_enable=memory"}
		}
	}
	return check
}

func ipv6Check() Check {
	check := Check{Name: "IPv6", OK: true, State: "on"}
	disabled, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	if err != nil || strings.TrimSpace(string(disabled)) != "0" {
		check.State = "off: what needs it is reported as not supported"
	}
	return check
}

func inotifyCheck() Check {
	const setting = "fs/inotify/max_user_instances"
	check := Check{Name: "inotify", OK: true}
	text, err := os.ReadFile(filepath.Join("/proc/sys", setting))
	if err != nil {
		return Check{Name: check.Name, State: "the kernel has none", Remedy: "use a kernel with CONFIG_INOTIFY_USER"}
	}
	check.State = strings.TrimSpace(string(text)) + " instances a user"
	if number, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || number < neededInotify {
		check.OK, check.Remedy = false, "raise it: sysctl fs.inotify.max_user_instances=512"
	}
	return check
}

func filesCheck() Check {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return Check{Name: "open files", State: err.Error(), Remedy: "see ulimit -Hn"}
	}
	check := Check{Name: "open files", OK: true, State: fmt.Sprintf("at most %d", limit.Max)}
	if limit.Max < neededFiles {
		check.OK, check.Remedy = false, fmt.Sprintf("raise the limit: ulimit -Hn %d", neededFiles*4)
	}
	return check
}

// DiskCheck checks that the file system of dir, or of the folder in which dir will be made, has that many bytes left.
func DiskCheck(name, dir string, needed uint64) Check {
	var fs unix.Statfs_t
	for {
		err := unix.Statfs(dir, &fs)
		if err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return Check{Name: name, State: err.Error(), Remedy: "make " + dir + " or choose another folder"}
		}
		dir = parent
	}
	free := fs.Bavail * uint64(fs.Bsize)
	check := Check{Name: name, OK: free >= needed, State: fmt.Sprintf("%.1f GiB free in %s", float64(free)/(1<<30), dir)}
	if !check.OK {
		check.Remedy = fmt.Sprintf("free %.1f GiB, or choose another folder with --state-dir and --cache-dir", float64(needed)/(1<<30))
	}
	return check
}
