//go:build linux

// Epi-runc replaces runc and passes it no more privileges than this machine has; see package ociruntime. With the only
// argument "true" it does nothing, so it is the smallest program that can show whether an engine starts containers.
package main

import (
	"fmt"
	"os"

	"github.com/podidentity/epi/clusters/engine/ociruntime"
)

func main() {
	args := os.Args[1:]
	if len(args) == 1 && args[0] == "true" {
		return
	}
	if err := ociruntime.Run(args); err != nil {
		fmt.Fprintf(os.Stderr, "epi-runc: %v\n", err)
		os.Exit(1)
	}
}
