// Package debian makes root file systems from the packages that this machine's own apt offers.
package debian

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/podidentity/epi/clusters/internal/apt"
	"github.com/podidentity/epi/clusters/internal/command"
)

// Suite is the release of Debian or Ubuntu that this machine installs packages from.
type Suite struct {
	// Name such as "bookworm"; empty on a machine that is neither.
	Name string
	// Debian says that it is Debian, and not Ubuntu.
	Debian bool
	// Sources are lines of sources.list(5).
	Sources []string
	// Options are apt's settings for reaching the sources, such as a proxy.
	Options []string
}

// Find returns the suite of this machine's apt. Without apt there is none.
func Find(ctx context.Context) Suite {
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return Suite{}
	}
	name := codename(string(release))
	targets, err := command.New("apt-get", "indextargets", "--format",
		"$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)|$(SIGNED_BY)", "Created-By: Packages").Output(ctx)
	if err != nil || name == "" {
		return Suite{}
	}
	found := Suite{Name: name, Debian: isDebian(string(release)), Sources: sourceLines(targets, name)}
	if config, err := command.New("apt-config", "dump", "Acquire").Output(ctx); err == nil {
		found.Options = reachOptions(config)
	}
	return found
}

// Release returns another release of Debian, such as "trixie", from the servers of this machine's own release. Its own name
// returns the same release. Ubuntu's servers have no release of Debian.
func (s Suite) Release(name string) (Suite, error) {
	switch {
	case len(s.Sources) == 0:
		return Suite{}, errors.New("it takes packages of Debian, and this machine has no sources of them")
	case s.Name == name:
		return s, nil
	case !s.Debian:
		return Suite{}, fmt.Errorf("it takes packages of Debian's %s, and this machine's are Ubuntu's", name)
	}
	other := Suite{Name: name, Debian: true, Options: s.Options}
	for _, line := range s.Sources {
		// A line is deb [OPTIONS] URI RELEASE COMPONENT, as sourceLines writes it.
		fields := strings.Fields(line)
		release := &fields[len(fields)-2]
		if suffix, ok := strings.CutPrefix(*release, s.Name); ok {
			*release = name + suffix
			other.Sources = append(other.Sources, strings.Join(fields, " "))
		}
	}
	return other, nil
}

// codename reads os-release(5).
func codename(release string) string { return field(release, "VERSION_CODENAME") }

func isDebian(release string) bool { return field(release, "ID") == "debian" }

func field(release, name string) string {
	for line := range strings.Lines(release) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// sourceLines turns the index targets of apt, in the format that findSuite asks for, into lines of sources.list. They are
// those of the distribution itself, for the suite and its updates.
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

// reachOptions selects the settings for reaching the sources from the output of `apt-config dump`.
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

// Rootfs describes a root file system.
type Rootfs struct {
	Suite Suite
	// Variant is mmdebstrap's: "minbase" is a system, and "extract" has only the files of packages.
	Variant string
	// Packages are those to install with their dependencies.
	Packages []string
	// Without has patterns of dpkg's path-exclude, for files to leave out. WithAgain has patterns of path-include, for
	// exceptions.
	Without, WithAgain []string
	// Hooks are shell commands that change the root file system, which is $1.
	Hooks []string
	// File is the tar archive to write. It is written completely or not at all. Work is a folder for temporary files.
	File, Work string
}

// hookOption is the beginning of the option for a command that runs after all packages are there. For extracted packages
// mmdebstrap runs no customize hook (mmdebstrap(1), OPERATION).
func hookOption(variant string) string {
	if variant == "extract" {
		return "--extract-hook="
	}
	return "--customize-hook="
}

// Make writes it. detail receives messages about the progress.
func (r Rootfs) Make(ctx context.Context, detail func(format string, args ...any)) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		detail("installing mmdebstrap")
		if err := apt.Install(ctx, []string{"mmdebstrap"}, nil, func(line string) { detail("apt: %s", line) }); err != nil {
			return err
		}
	}
	list := filepath.Join(r.Work, "sources.list")
	if err := os.WriteFile(list, []byte(strings.Join(r.Suite.Sources, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("make root file system: %w", err)
	}
	out := filepath.Join(r.Work, "rootfs.tar")
	args := []string{"--variant=" + r.Variant, "--include=" + strings.Join(r.Packages, ",")}
	for _, unread := range []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"} {
		args = append(args, "--dpkgopt=path-exclude="+unread)
	}
	for _, pattern := range r.Without {
		args = append(args, "--dpkgopt=path-exclude="+pattern)
	}
	for _, pattern := range r.WithAgain {
		args = append(args, "--dpkgopt=path-include="+pattern)
	}
	for _, hook := range r.Hooks {
		args = append(args, hookOption(r.Variant)+hook)
	}
	for _, option := range r.Suite.Options {
		args = append(args, "--aptopt="+option)
	}
	bootstrap := command.New("mmdebstrap", append(args, r.Suite.Name, out, list)...)
	bootstrap.Env = []string{"LC_ALL=C"}
	bootstrap.OnLine = func(line string) { detail("%s", strings.TrimPrefix(line, "I: ")) }
	detail("installing %d packages of %s and what they need", len(r.Packages), r.Suite.Name)
	if err := bootstrap.Run(ctx); err != nil {
		return err
	}
	if err := os.Rename(out, r.File); err != nil {
		return fmt.Errorf("make root file system: %w", err)
	}
	return nil
}
