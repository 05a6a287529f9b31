package ownfolder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MountPoints returns the wanted mount points in the text of /proc/PID/mountinfo, the deepest first
// (proc_pid_mountinfo(5)).
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

// mountBelow returns a mount point that is the folder or is below it; "" if there is none. Without /proc, as on macOS, epi
// mounts nothing and mounts are not visible.
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
