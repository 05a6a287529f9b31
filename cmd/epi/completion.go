package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/bench/scenario"
	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/eks"
	"github.com/podidentity/epi/clusters/existing"
	"github.com/podidentity/epi/clusters/nodeimage"
	"github.com/podidentity/epi/cmd/epi/configfile"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/suites"
)

// completer returns the words that can follow what was typed.
type completer func(typed string) []cobra.Completion

// firstArgument completes only the first argument.
func firstArgument(complete completer) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// fixed offers the same words always.
func fixed(list ...string) completer {
	return func(string) []cobra.Completion { return list }
}

// listOf offers words for each item of a comma-separated list.
func listOf(complete completer) completer {
	return func(typed string) []cobra.Completion {
		before := typed[:strings.LastIndex(typed, ",")+1]
		var list []cobra.Completion
		for _, word := range complete(typed[len(before):]) {
			if name, _, _ := strings.Cut(word, "\t"); !slices.Contains(strings.Split(before, ","), name) {
				list = append(list, before+word)
			}
		}
		return list
	}
}

// completeEnvironments offers the environments with a folder. It asks no container engine, because a shell does not wait.
func (a *app) completeEnvironments(string) []cobra.Completion {
	if variable, ok := a.lookupEnv(variableOf("state-dir")); ok && a.stateDir == "" {
		a.stateDir = variable
	} else if a.stateDir == "" {
		a.stateDir = a.configuredStateDir()
	}
	dirs, err := a.dirs()
	if err != nil {
		return nil
	}
	names, err := clusters.EnvironmentNames(dirs)
	if err != nil {
		return nil
	}
	return names
}

// configuredStateDir is the state folder in the configuration file, also if the file has other errors.
func (a *app) configuredStateDir() string {
	file, err := configfile.Read(a.configName())
	if err != nil {
		return ""
	}
	for _, value := range file.Values {
		if value.Section == "" && value.Key == "state-dir" && !value.List {
			return value.Arguments[0]
		}
	}
	return ""
}

// completeLabels offers requirements, after the operators of a label filter.
func completeLabels(typed string) []cobra.Completion {
	before := typed[:strings.LastIndexAny(typed, "|&!() ,")+1]
	var list []cobra.Completion
	for _, r := range requirement.All() {
		list = append(list, cobra.CompletionWithDesc(before+r.ID, r.Statement))
	}
	return list
}

func completeScenarios(more ...string) completer {
	return func(string) []cobra.Completion {
		list := slices.Clone(more)
		for _, s := range scenario.All() {
			list = append(list, cobra.CompletionWithDesc(s.Name, s.Title))
		}
		return list
	}
}

func completeClients(string) []cobra.Completion {
	list := []cobra.Completion{"all", "none", clients.SelectDefault}
	for _, client := range clients.All() {
		sdk, _, _ := strings.Cut(client.Name, "@") // all versions of it
		list = append(list, sdk, client.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// completeSuites asks the suites for their names, as epi test does.
func completeSuites(string) []cobra.Completion {
	ctx, cancel := context.WithTimeout(context.Background(), reachTime)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	specs, err := suites.List(ctx, suites.Options{Executable: self, Arguments: []string{suiteProcess}, Profile: []string{suites.All}, Procs: 1})
	if err != nil {
		return nil
	}
	var names []string
	for _, spec := range specs {
		names = append(names, spec.Suite)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func completeMutations(string) []cobra.Completion {
	var list []cobra.Completion
	for _, mutation := range framework.Mutations() {
		list = append(list, string(mutation))
	}
	return list
}

// completions are what completes the values of flags, by their names.
func (a *app) completions() map[string]completer {
	layouts := make([]string, 0, len(clusters.Layouts()))
	for _, layout := range clusters.Layouts() {
		layouts = append(layouts, string(layout))
	}
	return map[string]completer{
		"name":               a.completeEnvironments,
		"provider":           fixed(kindProvider, eks.Name, existing.Name),
		"color":              fixed("auto", "always", "never"),
		"output":             fixed("text", "json"),
		"list":               fixed(listRequirements, listSpecs),
		"agent-layout":       fixed(layouts...),
		"webhook-layout":     fixed(layouts...),
		"imds-hop-limit":     fixed("1", "2"),
		"kubernetes-version": fixed(nodeimage.Versions()...),
		"profile":            listOf(fixed("core", "extended", "all", "webhook", "agent", "platform", "client")),
		"suites":             listOf(completeSuites),
		"clients":            listOf(completeClients),
		"scenario":           listOf(completeScenarios("smoke")),
		"bench":              listOf(completeScenarios(benchSmoke, benchAll, benchNone)),
		"label-filter":       completeLabels,
		"break":              completeMutations,
	}
}

// Flags whose values are files or folders. Values of other flags are neither.
var (
	fileFlags   = []string{"config", "kubeconfig", "agent-image", "webhook-image", "baseline", "file", "junit-report"}
	folderFlags = []string{"state-dir", "cache-dir", "artifacts"}
)

// registerCompletions sets the completion of each flag of each command.
func (a *app) registerCompletions(root *cobra.Command) {
	completions := a.completions()
	register := func(cmd *cobra.Command, flag *pflag.Flag) {
		if cmd == root && flag.Name == "help" {
			return
		}
		_ = cmd.RegisterFlagCompletionFunc(flag.Name, func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			switch complete := completions[flag.Name]; {
			case slices.Contains(fileFlags, flag.Name):
				return nil, cobra.ShellCompDirectiveDefault
			case slices.Contains(folderFlags, flag.Name):
				return nil, cobra.ShellCompDirectiveFilterDirs
			case complete == nil:
				return nil, cobra.ShellCompDirectiveNoFileComp
			default:
				return complete(typed), cobra.ShellCompDirectiveNoFileComp
			}
		}) // fails if it is registered already, for a flag that commands share
	}
	root.PersistentFlags().VisitAll(func(flag *pflag.Flag) { register(root, flag) })
	for _, command := range root.Commands() {
		command.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) { register(command, flag) })
		if command.ValidArgsFunction == nil && !command.Hidden {
			command.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// completeRuns offers folders and files of runs.
func completeRuns(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}
