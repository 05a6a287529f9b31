package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/podidentity/epi/bench/meter"
)

// measure is for the commands meter and machine: the usage of this node's containers, and the node's properties.
func measure(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	processes := flags.String("proc", "/proc", "the host's process table: a pod needs hostPID")
	cgroups := flags.String("cgroup", "/sys/fs/cgroup", "the host's cgroups, where a pod has them mounted")
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if (flags.NArg() > 0) != (args[0] == "meter") {
		return fmt.Errorf("%w: meter takes CONTAINER-ID..., machine takes no operand", errUsage)
	}
	host := meter.Host{Proc: os.DirFS(*processes), Cgroup: os.DirFS(*cgroups)}
	var answer any
	var err error
	if args[0] == "meter" {
		answer, err = host.Read(flags.Args()...)
	} else {
		answer, err = host.Machine()
	}
	if err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(answer); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
