//go:build !linux

package detached

// keepInherited does nothing, because epi starts programs that outlive it only on Linux.
func keepInherited() error { return nil }
