// Package freezer thaws control groups. Processes in a frozen one cannot be killed, because the signal waits until the
// group is thawed (kernel.org, cgroup-v1/freezer-subsystem and cgroup-v2, cgroup.freeze).
package freezer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// containerID matches the full ID of a container, which engines put into the names of control groups.
var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// hierarchies are the mount points of control groups that can be frozen: the freezer's of version 1, and the only one of
// version 2, alone or beside those of version 1.
var hierarchies = []string{"sys/fs/cgroup/freezer", "sys/fs/cgroup/unified", "sys/fs/cgroup"}

// Thaw thaws the control groups of containers and those below them, and no others. It returns those that were frozen. The
// containers are given by their full IDs. Other texts are ignored.
func Thaw(ids ...string) (thawed []string, err error) { return thaw("/", ids) }

func thaw(root string, ids []string) (thawed []string, err error) {
	var problems []error
	for _, group := range groups(root, ids) {
		walkErr := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // it has just gone
			}
			frozen, err := thawOne(path)
			if frozen {
				thawed = append(thawed, path)
			}
			if err != nil {
				problems = append(problems, err)
			}
			return nil
		})
		problems = append(problems, walkErr)
	}
	return thawed, errors.Join(problems...)
}

// groups are the control groups of containers: the folders with an ID in their names.
func groups(root string, ids []string) []string {
	var wanted []string
	for _, id := range ids {
		if containerID.MatchString(id) {
			wanted = append(wanted, id)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var found []string
	for _, hierarchy := range hierarchies {
		top := filepath.Join(root, hierarchy)
		if hierarchy == "sys/fs/cgroup" {
			if _, err := os.Stat(filepath.Join(top, "cgroup.controllers")); err != nil {
				continue // it has hierarchies of version 1
			}
		}
		_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // not there, or it has just gone
			}
			for _, id := range wanted {
				if strings.Contains(entry.Name(), id) {
					found = append(found, path)
					return fs.SkipDir
				}
			}
			return nil
		})
	}
	return found
}

// thawOne thaws one control group, and says whether it was frozen.
func thawOne(group string) (bool, error) {
	for _, way := range []struct{ file, frozen, thaw string }{
		// FREEZING comes before FROZEN. For a group that is frozen only by one above it, writing changes nothing.
		{"freezer.state", "FR", "THAWED"},
		{"cgroup.freeze", "1", "0"},
	} {
		file := filepath.Join(group, way.file)
		state, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(state), way.frozen) {
			continue
		}
		if err := os.WriteFile(file, []byte(way.thaw), 0o644); err != nil {
			return true, fmt.Errorf("thaw control group %s: %w", group, err)
		}
		return true, nil
	}
	return false, nil
}
