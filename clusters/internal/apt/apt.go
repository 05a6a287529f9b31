// Package apt installs packages of Debian and its descendants.
package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podidentity/epi/clusters/internal/command"
)

// Usable returns nil if this process can install packages, and otherwise the reason.
func Usable() error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this is not Debian or Ubuntu: there is no apt-get")
	}
	if os.Geteuid() != 0 {
		return errors.New("installing packages takes root")
	}
	return nil
}

// policyFile controls whether maintainer scripts may start services (invoke-rc.d(8)).
const policyFile = "/usr/sbin/policy-rc.d"

const policy = `#!/bin/sh
# Written by epi while it installs packages: their services must not start. Safe to remove.
exit 101
`

// Install installs the packages without their recommendations. It does not start their services, neither now nor at the
// next boot of the machine. services are the units that the packages would enable. onLine receives apt's output.
func Install(ctx context.Context, packages, services []string, onLine func(string)) error {
	if err := Usable(); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(packages, ", "), err)
	}
	release, err := forbidServices(policyFile)
	if err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(packages, ", "), err)
	}
	defer release()
	// A service that existed before belongs to the machine.
	services = slices.DeleteFunc(slices.Clone(services), func(unit string) bool { return hasUnit(unitFolders, unit) })
	install := func() error {
		return run(ctx, onLine, append([]string{"install", "--yes", "--no-install-recommends"}, packages...)...)
	}
	err = install()
	if err != nil && ctx.Err() == nil {
		// A fresh machine has no package lists, and an old one may have lists of versions that are gone.
		if updateErr := run(ctx, onLine, "update"); updateErr != nil {
			return fmt.Errorf("install %s: %w", strings.Join(packages, ", "), errors.Join(err, updateErr))
		}
		err = install()
	}
	if err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(packages, ", "), err)
	}
	if _, err := exec.LookPath("systemctl"); err == nil && len(services) > 0 {
		if _, err := command.New("systemctl", append([]string{"disable"}, services...)...).Output(ctx); err != nil {
			return fmt.Errorf("keep %s from starting with the machine: %w", strings.Join(services, ", "), err)
		}
	}
	return nil
}

// unitFolders are the folders of service units (systemd.unit(5)).
var unitFolders = []string{"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

func hasUnit(folders []string, unit string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		_, err := os.Stat(filepath.Join(folder, unit))
		return err == nil
	})
}

func run(ctx context.Context, onLine func(string), args ...string) error {
	get := command.New("apt-get", append([]string{"-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"}, args...)...)
	get.Env = []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	get.OnLine = onLine
	// A download ends at once. A package that is being unpacked is finished first, because the machine would otherwise need
	// `dpkg --configure -a`.
	get.Signal, get.LeaderOnly, get.Grace = syscall.SIGINT, true, 2*time.Minute
	return get.Run(ctx)
}

// forbidServices sets the policy and returns a function that removes it. Another program's policy stays as it is.
func forbidServices(file string) (release func(), err error) {
	there, err := os.ReadFile(file)
	if err == nil && !bytes.Equal(there, []byte(policy)) {
		return func() {}, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keep services from starting: %w", err)
	}
	if err := os.WriteFile(file, []byte(policy), 0o755); err != nil {
		return nil, fmt.Errorf("keep services from starting: %w", err)
	}
	// If this fails, the file itself says what to do.
	return func() { _ = os.Remove(file) }, nil
}
