//go:build unix && !(solaris || illumos || aix || netbsd || openbsd)

package room

import (
	"errors"

	"golang.org/x/sys/unix"
)

// left returns the space that is left for users in the file system of dir: in bytes, and in files. Some file systems, such
// as Btrfs, have no limit on files; then files is not known.
func left(dir string) (bytes, files uint64, known bool, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, 0, false, err
	}
	return uint64(stat.Bavail) * uint64(stat.Bsize), uint64(stat.Ffree), stat.Files > 0, nil //nolint:unconvert // the types differ between systems
}

// readOnly says that no user, not even root, can write to the file system of dir.
func readOnly(dir string) bool { return errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) }
