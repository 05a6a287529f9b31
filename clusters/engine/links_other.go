//go:build !linux

package engine

// removeLinks does nothing: a private engine is Linux's alone.
func removeLinks([]string) error { return nil }
