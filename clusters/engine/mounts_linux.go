package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unmount unmounts what an engine that was killed left mounted in its folders.
func (p private) unmount() error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var left []error
	for _, point := range mountPoints(string(data), p.isOurs) {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			left = append(left, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(left...)
}

// mountPoints returns the mount points of /proc/PID/mountinfo that are wanted, the deepest first.
func mountPoints(mountinfo string, wanted func(string) bool) []string {
	// proc(5): these characters are written as octal escapes.
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
