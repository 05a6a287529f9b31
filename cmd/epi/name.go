package main

import (
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
)

// defaultName is the default name of an environment.
const defaultName = "epi"

// environmentName is the value of a flag --name. It refuses an invalid name from any source: the command line, EPI_NAME or
// epi.yaml. Nothing is done with such a name.
type environmentName string

// nameFlag registers the flag --name of a command that is about one environment.
func nameFlag(flags *pflag.FlagSet, name *string, usage string) {
	*name = defaultName
	flags.Var((*environmentName)(name), "name", usage)
}

func (n *environmentName) String() string { return string(*n) }

// Type is the word for the value in --help.
func (n *environmentName) Type() string { return "string" }

// Set implements pflag.Value.
func (n *environmentName) Set(text string) error {
	if err := clusters.CheckName(text); err != nil {
		return err
	}
	*n = environmentName(text)
	return nil
}
