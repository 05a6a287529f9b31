package nodeimage

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/debian"
)

// packages are the Debian packages of a node: those that kind's base image installs (images/base/Dockerfile of
// sigs.k8s.io/kind) without clients of network storage, and runc.
var packages = []string{
	"bash", "ca-certificates", "conntrack", "curl", "dbus", "e2fsprogs", "ethtool", "iproute2", "iptables", "jq", "kmod",
	"libseccomp2", "mount", "nftables", "procps", "runc", "socat", "systemd", "systemd-sysv", "util-linux",
}

// suiteKey names the sources of a root file system.
func suiteKey(s debian.Suite) string {
	return newKey(s.Name, strings.Join(s.Sources, "\n"), strings.Join(packages, " "), runtime.GOARCH).sum()
}

// rootfsFile is the place of the root file system of a suite.
func rootfsFile(dir string, s debian.Suite) string {
	return filepath.Join(dir, "rootfs-"+suiteKey(s)+".tar")
}

// makeRootfs makes the root file system as a tar archive, completely or not at all.
func makeRootfs(ctx context.Context, s debian.Suite, file, work string, task clusters.Task) error {
	err := debian.Rootfs{Suite: s, Variant: "minbase", Packages: packages, File: file, Work: work}.Make(ctx, task.Detail)
	if err != nil {
		return rootfsError(ctx, err)
	}
	return nil
}

func rootfsError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err // it was stopped, which is no fault
	}
	return &clusters.EnvironmentError{
		Doing: "make root file system of the node", Remedy: "check that apt-get update works on this machine, then try again", Err: err,
	}
}
