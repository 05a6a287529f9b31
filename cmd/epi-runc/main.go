//go:build linux

// Epi-runc stands in runc's place and asks it for no more privileges than this machine has; see
// package ociruntime. With the one argument "true" it does nothing: that makes it the smallest
// program that can show whether an engine starts containers.
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
