//go:build !linux

package main

// priority does nothing where no pods run.
func priority() (restore func()) { return func() {} }
