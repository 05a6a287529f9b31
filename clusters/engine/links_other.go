//go:build !linux

package engine

// removeLinks does nothing, because a private engine exists on Linux only.
func removeLinks([]string) error { return nil }
