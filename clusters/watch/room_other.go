//go:build !unix || solaris || illumos || aix || netbsd || openbsd

package watch

import "errors"

// available is not known here.
func available(string) (uint64, error) { return 0, errors.ErrUnsupported }
