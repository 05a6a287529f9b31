//go:build linux

package ociruntime

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Run does the work of the wrapper with the arguments for runc. It reduces the request that they name, if they name one,
// and then executes runc in its own process. It returns only with an error.
func Run(args []string) error {
	if err := reduce(args); err != nil {
		return err
	}
	runc, err := findRunc(os.Getenv("PATH"))
	if err != nil {
		return err
	}
	if err := syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w", runc, err)
	}
	return nil
}

func reduce(args []string) error {
	request := requestOf(args)
	if request.file == "" {
		return nil
	}
	limits, err := OwnLimits()
	if err != nil {
		return err
	}
	if limits.missesNothing() {
		return nil
	}
	data, err := os.ReadFile(request.file)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	reduced, err := request.reduce(data, limits)
	if err != nil {
		return fmt.Errorf("reduce %s: %w", request.file, err)
	}
	if reduced == nil {
		return nil
	}
	return replaceFile(request.file, reduced)
}

// replaceFile replaces the file in one step, because another program reads it.
func replaceFile(file string, data []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("replace request: %w", err)
	}
	if err := os.WriteFile(file+".reduced", data, info.Mode().Perm()); err != nil {
		return fmt.Errorf("replace request: %w", err)
	}
	if err := os.Rename(file+".reduced", file); err != nil {
		return fmt.Errorf("replace request: %w", err)
	}
	return nil
}

// request is the file with the request of a runc command line.
type request struct {
	file   string
	reduce func([]byte, Limits) ([]byte, error)
}

// withValue are runc's options before its command that have a value (runc(8)).
var withValue = map[string]bool{"log": true, "log-format": true, "root": true, "criu": true, "rootless": true}

// requestOf finds the request in runc's arguments. If there is none, its file is "".
func requestOf(args []string) request {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if strings.HasPrefix(arg, "-") {
			if withValue[strings.TrimLeft(arg, "-")] {
				i++
			}
			continue
		}
		switch options := args[i+1:]; arg {
		case "create", "run", "restore":
			// Without the option, the bundle is the current folder. "" stands for that.
			return request{filepath.Join(optionOf(options, "bundle", "b"), "config.json"), ReduceConfig}
		case "exec":
			return request{optionOf(options, "process", "p"), ReduceProcess}
		}
		return request{}
	}
	return request{}
}

// commandWithValue are the options of create, run, restore and exec that have a value (runc(8)). What follows the first
// word that is neither an option nor a value belongs to the container.
var commandWithValue = map[string]bool{
	"additional-gids": true, "apparmor": true, "b": true, "bundle": true, "c": true, "cap": true, "cgroup": true,
	"console-socket": true, "cwd": true, "e": true, "empty-ns": true, "env": true, "g": true, "image-path": true,
	"lsm-mount-context": true, "lsm-profile": true, "manage-cgroups-mode": true, "p": true, "pid-file": true,
	"pidfd-socket": true, "preserve-fds": true, "process": true, "process-label": true, "u": true, "user": true, "work-path": true,
}

// optionOf returns the value of the option, given as --long v, --long=v, -short v or -short=v.
func optionOf(args []string, long, short string) string {
	for i := 0; i < len(args); i++ {
		if args[i] == "--" || !strings.HasPrefix(args[i], "-") {
			return ""
		}
		name, value, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !joined && commandWithValue[name] && i+1 < len(args) {
			i++
			value = args[i]
		}
		if name == long || name == short {
			return value
		}
	}
	return ""
}

// findRunc finds the runc in the path that is not this program, which may have the name runc itself.
func findRunc(path string) (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	// An engine may start its shim with a path without the sbin folders.
	dirs := append(filepath.SplitList(path), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin")
	for _, dir := range dirs {
		file := filepath.Join(dir, "runc")
		info, err := os.Stat(file)
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 || os.SameFile(info, self) {
			continue
		}
		return file, nil
	}
	return "", fmt.Errorf("no runc in %s", strings.Join(dirs, ":"))
}
