//go:build unix && !(solaris || illumos || aix || netbsd || openbsd)

package watch

import "golang.org/x/sys/unix"

// available is the room, in bytes, that is left in the file system of dir for users.
func available(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), nil //nolint:unconvert // the types differ between systems
}
