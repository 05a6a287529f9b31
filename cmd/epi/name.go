package main

import (
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/clusters"
)

// defaultName is the name of an environment that was given none.
const defaultName = "epi"

// environmentName is the value of a flag --name. It refuses what is no name, so that wherever it comes
// from, the command line, EPI_NAME or epi.yaml, the error says it, and nothing is done with it.
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
