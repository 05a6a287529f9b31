//go:build !linux

package main

// priority does nothing, because pods run on Linux only.
func priority() (restore func()) { return func() {} }
