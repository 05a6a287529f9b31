package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/cmd/epi/nearest"
)

// commandNames are the commands and topics of epi.
func commandNames(root *cobra.Command) []string {
	var names []string
	for _, command := range root.Commands() {
		if !command.Hidden {
			names = append(names, command.Name())
		}
	}
	return names
}

// unknownCommand is the error for a word at the place of a command.
func unknownCommand(root *cobra.Command, word string) error {
	return usageError("unknown command %q%s\nSee: epi --help", word, nearest.DidYouMean(word, "epi ", commandNames(root)))
}

// misplaced returns the first word of a command line that is at the place of a command and is none, or "".
func misplaced(root *cobra.Command, args []string) string {
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		switch {
		case args[i] == "--":
			return ""
		case isFlag:
			flag := root.PersistentFlags().Lookup(name) // not found with a value in the same word
			if flag != nil && flag.NoOptDefVal == "" {
				i++
			}
		case strings.HasPrefix(args[i], "-"):
		case slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == args[i] }):
			return ""
		default:
			return args[i]
		}
	}
	return ""
}

// flagError describes the error of a flag, with a similar flag.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !cmd.HasParent() {
		before := a.args
		if ok {
			// A word after the flag may be its value.
			if i := slices.IndexFunc(before, func(arg string) bool { return strings.HasPrefix(arg, "--"+unknown.GetSpecifiedName()) }); i >= 0 {
				before = before[:i]
			}
		}
		if word := misplaced(cmd, before); word != "" {
			return unknownCommand(cmd, word)
		}
	}
	see := fmt.Sprintf("\nSee: %s --help", cmd.CommandPath())
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag := invalid.GetFlag()
		return usageError("flag --%s: %w%s", flag.Name, cause(flag, invalid.GetValue(), invalid.Unwrap()), see)
	}
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return usageError("%w%s", err, see)
	}
	name := unknown.GetSpecifiedName()
	var own []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			own = append(own, flag.Name)
		}
	})
	if hint := nearest.DidYouMean(name, "--", own); hint != "" {
		return usageError("unknown flag --%s%s%s", name, hint, see)
	}
	others := commandsWith(cmd, name) // of the same area, if there are any
	if len(others) == 0 {
		others = commandsWith(cmd.Root(), name)
	}
	if len(others) > 0 {
		return usageError("unknown flag --%s: it is a flag of %s%s", name, strings.Join(others, ", "), see)
	}
	return usageError("unknown flag --%s%s", name, see)
}

// commandsWith are the commands that have a flag, as they are typed.
func commandsWith(root *cobra.Command, flag string) []string {
	var list []string
	for _, command := range root.Commands() {
		if command.Hidden {
			continue
		}
		if command.LocalNonPersistentFlags().Lookup(flag) != nil {
			list = append(list, command.CommandPath())
		}
		list = append(list, commandsWith(command, flag)...)
	}
	return list
}

// refuseUnknown checks the arguments of commands that only have subcommands.
func refuseUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	names := commandNames(cmd)
	hint := nearest.DidYouMean(args[0], cmd.CommandPath()+" ", names)
	if hint == "" {
		hint = "; it has " + strings.Join(names, ", ")
	}
	return fmt.Errorf("%s has no %q%s", cmd.CommandPath(), args[0], hint)
}

// helpCommand is epi help. It refuses a command that does not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command or a topic",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var list []cobra.Completion
			for _, command := range cmd.Root().Commands() {
				if !command.Hidden {
					list = append(list, cobra.CompletionWithDesc(command.Name(), command.Short))
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of := cmd.Root()
			for i, word := range args {
				next := slices.IndexFunc(of.Commands(), func(c *cobra.Command) bool { return !c.Hidden && c.Name() == word })
				switch {
				case next >= 0:
					of = of.Commands()[next]
				case i == 0:
					return usageError("there is no help about %q%s\nSee: epi --help", word, nearest.DidYouMean(word, "epi help ", commandNames(of)))
				default:
					return usageError("%s has no command %q; see: %[1]s --help", of.CommandPath(), word)
				}
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// atMostOne checks the arguments of commands with an optional argument.
func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%s takes one %s, not %d", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

// exactly checks the arguments of commands with a fixed number of arguments.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("%s takes %s, not %s", cmd.CommandPath(), strings.Join(names, " and "), arguments(len(args)))
		}
		for i, arg := range args {
			if strings.TrimSpace(arg) == "" {
				return fmt.Errorf("%s takes %s, and argument %d is empty", cmd.CommandPath(), strings.Join(names, " and "), i+1)
			}
		}
		return nil
	}
}

// arguments counts arguments in words.
func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// refuseArguments checks the arguments of commands without arguments.
func refuseArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags only, not %q", cmd.CommandPath(), args[0])
}
