package nodeimage

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/engine"
	"github.com/podidentity/epi/clusters/internal/apt"
	"github.com/podidentity/epi/clusters/internal/command"
	"github.com/podidentity/epi/clusters/internal/debian"
)

// neededDisk is what a build needs in the cache folder, with its temporary files.
const neededDisk = 3 << 30

// Checks checks the two ways to a node image: a registry, and the requirements of a build. It changes nothing.
func Checks(ctx context.Context, dirs clusters.Dirs) []engine.Check {
	registry := engine.Check{Name: "registry", OK: true, State: "answers for " + Published()}
	reach := Reachable(ctx, Published())
	build := buildChecks(ctx)
	if reach != nil {
		registry.State = "out of reach: the node image is built (" + lastPart(reach.Error()) + ")"
		for _, check := range build {
			if !check.OK {
				registry.OK, registry.State = false, "out of reach: "+lastPart(reach.Error())
				registry.Remedy = "get a registry in reach, or what is missing to build the node image"
			}
		}
	} else {
		// A requirement of a build alone is no obstacle.
		for i := range build {
			if !build[i].OK {
				build[i].OK, build[i].State, build[i].Remedy = true, build[i].State+"; not needed while the registry is in reach", ""
			}
		}
	}
	checks := append([]engine.Check{registry}, build...)
	return append(checks, engine.DiskCheck("disk for node images", dirs.Cache, neededDisk))
}

func buildChecks(ctx context.Context) []engine.Check {
	toolchain := engine.Check{Name: "Go toolchain", OK: true}
	version, err := command.New("go", "env", "GOVERSION").Output(ctx)
	if err != nil {
		toolchain.OK, toolchain.State, toolchain.Remedy = false, "not in the path", "install Go from https://go.dev/dl"
	} else {
		toolchain.State = strings.TrimSpace(version)
	}
	packages := engine.Check{Name: "Debian packages", OK: true}
	switch found := debian.Find(ctx); {
	case len(found.Sources) == 0:
		packages.OK, packages.State, packages.Remedy = false, "this machine is neither Debian nor Ubuntu", "build on Debian or Ubuntu, or use --node-image"
	default:
		packages.State = fmt.Sprintf("%s, from %d sources", found.Name, len(found.Sources))
	}
	bootstrap := engine.Check{Name: "mmdebstrap", OK: true, State: "installed"}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		bootstrap.State = "not installed: epi installs it when it builds a node image"
		if why := apt.Usable(); why != nil {
			bootstrap.OK, bootstrap.State, bootstrap.Remedy = false, "not installed", "apt-get install mmdebstrap, as root"
		}
	}
	return []engine.Check{toolchain, packages, bootstrap}
}

// lastPart is the end of a chain of errors, which has the reason.
func lastPart(text string) string {
	parts := strings.Split(text, ": ")
	return strings.Join(parts[max(0, len(parts)-2):], ": ")
}
