package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/podidentity/epi/clusters/internal/ownfolder"
)

// unmount unmounts what a killed engine left mounted in its folders.
func (p private) unmount() error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var left []error
	for _, point := range ownfolder.MountPoints(string(data), p.isOurs) {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			left = append(left, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(left...)
}
