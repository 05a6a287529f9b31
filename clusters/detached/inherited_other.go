//go:build !linux

package detached

// keepInherited does nothing: only Linux has programs of epi's that outlive it and were seen to inherit.
func keepInherited() error { return nil }
