package ownfolder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MountPoints returns the mount points in the text of /proc/PID/mountinfo that are wanted, the deepest
// first (proc_pid_mountinfo(5)).
func MountPoints(mountinfo string, wanted func(string) bool) []string {
	// These characters are written as octal escapes.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := unescape.Replace(fields[4]); wanted(point) {
			points = append(points, point)
		}
	}
	slices.SortStableFunc(points, func(a, b string) int { return len(b) - len(a) })
	return points
}

// mountBelow returns a mount point in the folder or of it, "" if there is none. Where there is no
// /proc, as on macOS, nothing of epi's is mounted and nobody can tell.
func mountBelow(dir string) string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		resolved = dir
	}
	points := MountPoints(string(data), func(point string) bool {
		return point == resolved || strings.HasPrefix(point, resolved+string(filepath.Separator))
	})
	if len(points) == 0 {
		return ""
	}
	return points[0]
}
