package nodeimage

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/internal/apt"
	"github.com/podidentity/epi/clusters/internal/command"
)

// packages are what a node needs of Debian: what kind's base image installs
// (images/base/Dockerfile of sigs.k8s.io/kind) without clients of network storage, and runc.
var packages = []string{
	"bash", "ca-certificates", "conntrack", "curl", "dbus", "e2fsprogs", "ethtool", "iproute2", "iptables", "jq", "kmod",
	"libseccomp2", "mount", "nftables", "procps", "runc", "socat", "systemd", "systemd-sysv", "util-linux",
}

// suite is the release of Debian or Ubuntu that this machine installs packages from.
type suite struct {
	// name such as "bookworm"; empty on a machine that is neither.
	name string
	// sources are lines of sources.list(5).
	sources []string
	// options are settings of apt that say how to reach the sources, such as a proxy.
	options []string
}

func (s suite) key() string {
	return newKey(s.name, strings.Join(s.sources, "\n"), strings.Join(packages, " "), runtime.GOARCH).sum()
}

// rootfsFile is where the root file system of a suite is kept.
func rootfsFile(dir string, s suite) string { return filepath.Join(dir, "rootfs-"+s.key()+".tar") }

// findSuite asks this machine's apt. Without apt there is no suite.
func findSuite(ctx context.Context) suite {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return suite{}
	}
	name := codename(string(release))
	targets, err := command.New("apt-get", "indextargets", "--format",
		"$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)|$(SIGNED_BY)", "Created-By: Packages").Output(ctx)
	if err != nil || name == "" {
		return suite{}
	}
	found := suite{name: name, sources: sourceLines(targets, name)}
	if config, err := command.New("apt-config", "dump", "Acquire").Output(ctx); err == nil {
		found.options = reachOptions(config)
	}
	return found
}

// codename reads os-release(5).
func codename(release string) string {
	for line := range strings.Lines(release) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// sourceLines turns the index targets of apt, in the format that findSuite asks for, into lines of
// sources.list: those of the distribution itself, for the suite and its updates.
func sourceLines(targets, name string) []string {
	var lines []string
	for target := range strings.Lines(targets) {
		fields := strings.Split(strings.TrimSpace(target), "|")
		if len(fields) != 6 {
			continue
		}
		origin, codename, release, uri, component, signedBy := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
		if origin != "Debian" && origin != "Ubuntu" {
			continue
		}
		if base, _, _ := strings.Cut(codename, "-"); base != name {
			continue
		}
		line := "deb "
		if filepath.IsAbs(signedBy) {
			line += "[signed-by=" + signedBy + "] "
		}
		lines = append(lines, line+uri+" "+release+" "+component)
	}
	return lines
}

// reachOptions picks from `apt-config dump` what says how to reach the sources.
func reachOptions(config string) []string {
	var options []string
	scanner := bufio.NewScanner(strings.NewReader(config))
	for scanner.Scan() {
		line := scanner.Text()
		if strings.HasSuffix(line, ` "";`) || strings.Contains(line, "::User-Agent") {
			continue
		}
		for _, prefix := range []string{"Acquire::http::", "Acquire::https::", "Acquire::Retries"} {
			if strings.HasPrefix(line, prefix) {
				options = append(options, line)
			}
		}
	}
	return options
}

// makeRootfs makes the root file system as a tar archive, in one piece or not at all.
func makeRootfs(ctx context.Context, s suite, file, work string, task clusters.Task) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		task.Detail("installing mmdebstrap")
		if err := apt.Install(ctx, []string{"mmdebstrap"}, nil, func(line string) { task.Detail("apt: %s", line) }); err != nil {
			return rootfsError(ctx, err)
		}
	}
	list := filepath.Join(work, "sources.list")
	if err := os.WriteFile(list, []byte(strings.Join(s.sources, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("make root file system: %w", err)
	}
	out := filepath.Join(work, "rootfs.tar")
	args := []string{"--variant=minbase", "--include=" + strings.Join(packages, ",")}
	for _, unread := range []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"} {
		args = append(args, "--dpkgopt=path-exclude="+unread)
	}
	for _, option := range s.options {
		args = append(args, "--aptopt="+option)
	}
	make := command.New("mmdebstrap", append(args, s.name, out, list)...)
	make.Env = []string{"LC_ALL=C"}
	make.OnLine = func(line string) { task.Detail("%s", strings.TrimPrefix(line, "I: ")) }
	task.Detail("installing %d packages of %s and what they need", len(packages), s.name)
	if err := make.Run(ctx); err != nil {
		return rootfsError(ctx, err)
	}
	if err := os.Rename(out, file); err != nil {
		return fmt.Errorf("make root file system: %w", err)
	}
	return nil
}

func rootfsError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err // it was stopped: nothing is wrong
	}
	return &clusters.EnvironmentError{
		Doing: "make root file system of the node", Remedy: "check that apt-get update works on this machine, then try again", Err: err,
	}
}
