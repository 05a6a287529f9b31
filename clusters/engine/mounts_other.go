//go:build !linux

package engine

// unmount does nothing, because private engines exist on Linux only.
func (p private) unmount() error { return nil }
