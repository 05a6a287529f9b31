//go:build !unix || solaris || illumos || aix || netbsd || openbsd

package room

import "errors"

// left is not known on this system.
func left(string) (bytes, files uint64, known bool, err error) {
	return 0, 0, false, errors.ErrUnsupported
}

func readOnly(string) bool { return false }
