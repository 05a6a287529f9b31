// Package eksctl finds eksctl (https://github.com/eksctl-io/eksctl), or builds the pinned version from the Go module proxy.
// Its modules are not among epi's own: they are pinned in a nested module.
package eksctl

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// Version is the pinned version.
const Version = "v0.215.0"

// sources are go.mod and go.sum with the version in their names, because a file go.mod here would end epi's module.
//
//go:embed all:_eksctl
var sources embed.FS

// ErrNone is returned by Find if there is no eksctl.
var ErrNone = errors.New("no eksctl on the PATH or in the cache: make eksctl builds it, which takes about 7 minutes of processor time")

// file is the path of the pinned version in a cache folder such as ~/.cache/epi.
func file(cache string) string {
	return filepath.Join(cache, "eksctl", "eksctl-"+Version+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

// Find returns the path of the pinned eksctl in the cache folder, or otherwise of any eksctl in PATH.
func Find(cache string) (string, error) {
	if info, err := os.Stat(file(cache)); err == nil && info.Mode().IsRegular() {
		return file(cache), nil
	}
	if path, err := exec.LookPath("eksctl"); err == nil {
		return path, nil
	}
	return "", ErrNone
}

// Build returns the path of the pinned eksctl in the cache folder. The first call compiles it, which needs Go, the module
// proxy and about 7 minutes of processor time.
func Build(ctx context.Context, cache string) (string, error) {
	target := file(cache)
	if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() {
		return target, nil
	}
	folder := filepath.Dir(target)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("build eksctl: %w", err)
	}
	// It is renamed when it is complete. So no process sees an incomplete one, and two processes may each build one.
	work, err := os.MkdirTemp(folder, "building-")
	if err != nil {
		return "", fmt.Errorf("build eksctl: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // removes what a failure left
	for _, name := range []string{"mod", "sum"} {
		content, err := sources.ReadFile("_eksctl/" + Version + "." + name)
		if err != nil {
			return "", fmt.Errorf("build eksctl: %w", err)
		}
		if err := os.WriteFile(filepath.Join(work, "go."+name), content, 0o644); err != nil {
			return "", fmt.Errorf("build eksctl: %w", err)
		}
	}
	built := filepath.Join(work, "eksctl")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", built, "github.com/weaveworks/eksctl/cmd/eksctl")
	command.Dir = work
	// A workspace or flags of epi's own build must not apply here.
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build eksctl %s: %w\n%s", Version, err, bytes.TrimSpace(output))
	}
	if err := os.Rename(built, target); err != nil {
		return "", fmt.Errorf("keep eksctl: %w", err)
	}
	return target, nil
}

// The versions of eksctl that epi works with: from the first one whose configuration has Pod Identity associations, zonal
// shift and Auto Mode, to the one before the first that was not tested.
const (
	oldest = "v0.205.0"
	newest = "v0.300.0"
)

// Choose returns an eksctl: the one in PATH if its version is supported, and otherwise the pinned one, which it builds if
// necessary. It calls building before that.
func Choose(ctx context.Context, cache string, building func(why string)) (path, version string, err error) {
	why := "there is no eksctl on the PATH"
	if found, lookErr := exec.LookPath("eksctl"); lookErr == nil {
		has, err := versionOf(ctx, found)
		switch {
		case err != nil:
			why = fmt.Sprintf("%s does not say its version: %v", found, err)
		case semver.Compare(has, oldest) < 0 || semver.Compare(has, newest) >= 0:
			why = fmt.Sprintf("%s is %s, and epi knows %s to below %s", found, has, oldest, newest)
		default:
			return found, has, nil
		}
	}
	if _, err := os.Stat(file(cache)); err != nil {
		building(why)
	}
	path, err = Build(ctx, cache)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", why, err)
	}
	return path, Version, nil
}

// versionOf asks an eksctl for its version, such as v0.215.0.
func versionOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return "", err
	}
	// A build from source has a suffix: 0.215.0-dev+ab12cd3.2026-01-01T00:00:00Z.
	text, _, _ := strings.Cut(strings.TrimSpace(string(output)), "-")
	version := "v" + strings.TrimPrefix(text, "v")
	if !semver.IsValid(version) {
		return "", fmt.Errorf("it says %.40q", output)
	}
	return version, nil
}
