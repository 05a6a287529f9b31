package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

const defaultConfigFile = "epi.yaml"

// configure sets the flags that were not typed from EPI_ variables and from the configuration
// file, in this order of precedence. A key of the file that no command knows is an error; a key
// that another command knows is for that one.
func (a *app) configure(cmd *cobra.Command) error {
	if file, ok := a.lookupEnv("EPI_CONFIG"); ok && a.config == "" {
		a.config = file
	}
	values, err := readConfig(a.config)
	if err != nil {
		return err
	}
	known := knownFlags(cmd.Root())
	for key := range values {
		if !slices.Contains(known, key) {
			return usageError("%s: unknown key %q; known keys: %s", a.configName(), key, strings.Join(known, ", "))
		}
	}
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || flag.Name == "config" || flag.Name == "help" {
			return
		}
		variable := "EPI_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if value, ok := a.lookupEnv(variable); ok {
			if err := cmd.Flags().Set(flag.Name, value); err != nil {
				problems = append(problems, fmt.Errorf("variable %s: %w", variable, err))
			}
			return
		}
		if value, ok := values[flag.Name]; ok {
			if err := set(cmd.Flags(), flag, value); err != nil {
				problems = append(problems, fmt.Errorf("%s: key %s: %w", a.configName(), flag.Name, err))
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		return usageError("%w", err)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
		return usageError("flag --color: %q is not auto, always or never", a.color)
	}
	return nil
}

func (a *app) configName() string {
	if a.config == "" {
		return defaultConfigFile
	}
	return a.config
}

func readConfig(file string) (map[string]any, error) {
	optional := file == ""
	if optional {
		file = defaultConfigFile
	}
	data, err := os.ReadFile(file)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usageError("read configuration: %w", err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(data, &values); err != nil {
		return nil, usageError("read configuration %s: %w", file, err)
	}
	return values, nil
}

// set gives a flag the value of a YAML key. The items of a list are taken as they are: an argument
// of a program may have a comma.
func set(flags *pflag.FlagSet, flag *pflag.Flag, value any) error {
	list, isList := value.([]any)
	if !isList {
		return flags.Set(flag.Name, fmt.Sprint(value))
	}
	words := make([]string, 0, len(list))
	for _, item := range list {
		words = append(words, fmt.Sprint(item))
	}
	slice, takesList := flag.Value.(pflag.SliceValue)
	if !takesList {
		return fmt.Errorf("%q is a list, want one value", words)
	}
	flag.Changed = true
	return slice.Replace(words)
}

// knownFlags are the names of the flags of all commands, sorted.
func knownFlags(root *cobra.Command) []string {
	var names []string
	add := func(flag *pflag.Flag) {
		if flag.Name != "help" && flag.Name != "config" && !flag.Hidden && !slices.Contains(names, flag.Name) {
			names = append(names, flag.Name)
		}
	}
	root.PersistentFlags().VisitAll(add)
	for _, command := range root.Commands() {
		if command.Name() != "completion" && command.Name() != "help" {
			command.Flags().VisitAll(add)
		}
	}
	slices.Sort(names)
	return names
}
