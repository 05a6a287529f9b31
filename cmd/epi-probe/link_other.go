//go:build !linux

package main

import (
	"context"
	"runtime"

	"github.com/podidentity/epi/framework/probe"
)

func (c *check) links(context.Context, []string) any { return noLinks() }

func (c *check) removeAddress(context.Context, []string) any { return noLinks() }

func (c *check) spareDummy(context.Context, []string) any { return noLinks() }

// noLinks is the result if the probe cannot read links. It runs in pods, on Linux.
func noLinks() probe.Links {
	return probe.Links{Failure: &probe.Failure{Class: probe.NetworkError, Operation: "ListLinks", Message: "not supported on " + runtime.GOOS}}
}
