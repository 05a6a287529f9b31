package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/podidentity/epi/cmd/epi/configfile"
	"github.com/podidentity/epi/cmd/epi/nearest"
)

const (
	defaultConfigFile = "epi.yaml"
	variablePrefix    = "EPI_"
	configVariable    = variablePrefix + "CONFIG"
)

// fromVariable marks flags that a variable has set. Variables apply to all commands in a shell, and one may be meant for
// another command.
const fromVariable = "epi-variable"

var (
	// onlyTyped are flags that neither a file nor a variable sets, because removing or listing is requested each time.
	onlyTyped = []string{"all", "yes", "list", "help", "version", "config"}
	// onlySettings are the flags that a file or a variable may set for commands that accept no others from there: which
	// environment to remove, and where it is kept.
	onlySettings = map[string][]string{
		"down":    {"name", "state-dir", "cache-dir", "color", "verbose"},
		"janitor": {"name", "region", "account", "aws-endpoint-url", "state-dir", "cache-dir", "color", "verbose"},
	}
	// wholeFile are the commands that begin long work. They require that the whole file is valid, also the parts for other
	// commands. Every other command checks only its own part.
	wholeFile = []string{"run", "up", "test", "bench"}
	// noFile are commands that work with any file.
	noFile = []string{"version", "doctor"}
	// never are flags that must not be empty, also those whose default is computed. An empty value comes from an unset
	// variable of the shell, and would lead to another folder than the intended one.
	never = []string{"state-dir", "cache-dir", "config", "name"}
)

// reads says whether a file or a variable may set a command's flag.
func reads(cmd *cobra.Command, flag *pflag.Flag) bool {
	if flag.Hidden || slices.Contains(onlyTyped, flag.Name) {
		return false
	}
	only, limited := onlySettings[cmd.Name()]
	return !limited || slices.Contains(only, flag.Name)
}

// isPlumbing says whether a command is cobra's or an internal one of epi, and reads no configuration.
func isPlumbing(cmd *cobra.Command) bool {
	return cmd.Hidden || cmd.RunE == nil || !cmd.HasParent() || cmd.Name() == "help" || cmd.Parent().Name() == "completion"
}

// configure sets the flags that were not typed, first from EPI_ variables and then from the configuration file, and records
// where each value is from.
func (a *app) configure(cmd *cobra.Command) error {
	a.origins, a.typed = map[string]string{}, map[string]bool{}
	cmd.Flags().Visit(func(flag *pflag.Flag) { a.typed[flag.Name] = true })
	if isPlumbing(cmd) {
		return nil
	}
	if file, ok := a.lookupEnv(configVariable); ok && !a.typed["config"] {
		if file == "" {
			return usageError("variable %s: it is empty; unset it, or give it a file", configVariable)
		}
		a.config = file
	}
	settings, err := a.readSettings(cmd)
	if err != nil {
		return err
	}
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if a.typed[flag.Name] || !reads(cmd, flag) {
			return
		}
		variable := variableOf(flag.Name)
		if value, ok := a.lookupEnv(variable); ok {
			if value == "" {
				// An empty variable counts as unset only if the default is empty too: a variable that is empty by mistake
				// must not lead to another environment or folder.
				if harmless := flag.DefValue == "" || flag.DefValue == "[]"; !harmless || slices.Contains(never, flag.Name) {
					problems = append(problems, fmt.Errorf("variable %s: it is empty; unset it, or give it a value", variable))
				}
				return
			}
			a.origins[flag.Name] = "variable " + variable
			_ = cmd.Flags().SetAnnotation(flag.Name, fromVariable, nil) // it exists
			if err := flag.Value.Set(value); err != nil {
				problems = append(problems, fmt.Errorf("variable %s: %w", variable, cause(flag, value, err)))
			}
			flag.Changed = true
			return
		}
		if value, ok := settings[flag.Name]; ok {
			a.origins[flag.Name] = fmt.Sprintf("%s:%d:%d: key %s", a.configName(), value.Line, value.Column, flag.Name)
			if err := set(flag, value); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", a.origins[flag.Name], err))
			}
		}
	})
	problems = append(problems, a.emptyFlags(cmd))
	if err := errors.Join(problems...); err != nil {
		return usageError("%w", err)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
		return usageError("flag --color: %q is not auto, always or never", a.color)
	}
	a.warnAboutVariables(cmd)
	return nil
}

// filters may be empty on the command line, which filters nothing.
var filters = []string{"label-filter", "focus", "skip"}

// emptyFlags returns the flags that are empty and must not be: those in never, those with another default, and those that
// were typed, usually with a shell variable that is empty by mistake.
func (a *app) emptyFlags(cmd *cobra.Command) error {
	var problems []error
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Changed || slices.Contains(filters, flag.Name) {
			return
		}
		switch flag.Value.Type() {
		case "string":
			if flag.Value.String() != "" || flag.DefValue == "" && !slices.Contains(never, flag.Name) && !a.typed[flag.Name] {
				return
			}
		case "stringSlice":
			list, ok := flag.Value.(pflag.SliceValue)
			if !ok || !a.typed[flag.Name] {
				return
			}
			if words := list.GetSlice(); len(words) > 0 && !slices.Contains(words, "") {
				return
			}
		default:
			return
		}
		origin := cmp.Or(a.origins[flag.Name], "flag --"+flag.Name)
		problems = append(problems, fmt.Errorf("%s: it is empty; leave it out, or give it a value", origin))
	})
	return errors.Join(problems...)
}

// blamed finds the flag that an error is about.
var blamed = regexp.MustCompile(`flag --([a-z-]+)\b`)

// blame replaces, in an error text about flags, those that were not typed by the variable or the place in the file.
func (a *app) blame(text string) string {
	return blamed.ReplaceAllStringFunc(text, func(found string) string {
		if origin := a.origins[blamed.FindStringSubmatch(found)[1]]; origin != "" {
			return origin
		}
		return found
	})
}

func variableOf(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// set sets a flag to the value of a key in the file. The items of a list are not split, because an argument of a program
// may contain a comma.
func set(flag *pflag.Flag, value configfile.Value) error {
	slice, takesList := flag.Value.(pflag.SliceValue)
	switch {
	case value.List && !takesList:
		return fmt.Errorf("%q is a list, want one value", value.Arguments)
	case value.List:
		if err := slice.Replace(value.Arguments); err != nil {
			return cause(flag, strings.Join(value.Arguments, ", "), err)
		}
	default:
		if err := flag.Value.Set(value.Arguments[0]); err != nil {
			return cause(flag, value.Arguments[0], err)
		}
	}
	flag.Changed = true
	return nil
}

// kinds describes the values of a flag's type for people.
var kinds = map[string]string{
	"bool": "true or false", "int": "a whole number", "uint64": "a whole number, 0 or more", "float64": "a number",
	"duration": "a duration, such as 5s or 1m30s", "float64Slice": "numbers, such as 100,300",
}

// cause is the error of a flag's Set, without the names of Go functions. Flags of epi's own types name the value
// themselves.
func cause(flag *pflag.Flag, value string, err error) error {
	if kind, known := kinds[flag.Value.Type()]; known {
		return fmt.Errorf("%q: want %s", value, kind)
	}
	return err
}

func (a *app) configName() string { return cmp.Or(a.config, defaultConfigFile) }

// readSettings reads the file's values for a command: those in the command's section, and those at the top.
func (a *app) readSettings(cmd *cobra.Command) (map[string]configfile.Value, error) {
	file, err := configfile.Read(a.configName())
	switch {
	case a.config == "" && (errors.Is(err, fs.ErrNotExist) || err != nil && slices.Contains(noFile, cmd.Name())):
		return nil, nil
	case err != nil:
		return nil, a.unreadable(cmd, err)
	}
	return a.choose(cmd, file)
}

func (a *app) unreadable(cmd *cobra.Command, err error) error {
	doubt := ""
	if cmd.Name() == "down" && a.config == "" {
		doubt = "\nWhat it names may be what to remove. To read no file: epi down --config /dev/null --name NAME"
	}
	if wrong, ok := errors.AsType[*configfile.Error](err); ok && wrong.Line > 0 {
		return usageError("%s:%w%s", a.configName(), wrong, doubt)
	} else if ok {
		return usageError("%s: %w%s", a.configName(), wrong, doubt)
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return usageError("read configuration %s: %w%s", a.configName(), err, doubt)
}

// fileProblem is a problem of a key in the file.
type fileProblem struct {
	line, column int
	// own says that it may concern the current command.
	own  bool
	text string
}

// choose returns the values for cmd, or the problems of the file that concern it. It warns of other problems.
func (a *app) choose(cmd *cobra.Command, file configfile.File) (map[string]configfile.Value, error) {
	problems := judge(cmd, file)
	slices.SortStableFunc(problems, func(x, y fileProblem) int {
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.column, y.column))
	})
	var minded []error
	for _, problem := range problems {
		text := fmt.Sprintf("%s:%d:%d: %s", a.configName(), problem.line, problem.column, problem.text)
		switch {
		case problem.own || slices.Contains(wholeFile, cmd.Name()):
			minded = append(minded, errors.New(text))
		case !slices.Contains(noFile, cmd.Name()):
			_, _ = fmt.Fprintf(a.err, "Warning: %s\n", text)
		}
	}
	const most = 10
	if more := len(minded) - most; more > 0 {
		minded = append(minded[:most], fmt.Errorf("and %d more", more))
	}
	if err := errors.Join(minded...); err != nil {
		return nil, usageError("%w", err)
	}
	values := map[string]configfile.Value{}
	for _, section := range []string{"", cmd.Name()} {
		for _, value := range file.Values {
			if value.Section == section {
				values[value.Key] = value
			}
		}
	}
	return values, nil
}

// judge finds the problems of a file's keys.
func judge(cmd *cobra.Command, file configfile.File) []fileProblem {
	commands := configurable(newApp(io.Discard, io.Discard, func(string) (string, bool) { return "", false }).rootCommand())
	ownKeys := keysOf(cmd)
	var problems []fileProblem
	for _, problem := range file.Problems {
		own := (problem.Section == "" || problem.Section == cmd.Name()) && slices.Contains(ownKeys, problem.Key)
		problems = append(problems, fileProblem{problem.Line, problem.Column, own, problem.Text})
	}
	for _, section := range file.Sections {
		if _, known := commands[section.Name]; known {
			continue
		}
		text := fmt.Sprintf("key %s has keys below it, and is no command", section.Name)
		if slices.Contains(allKeys(commands), section.Name) {
			text = fmt.Sprintf("key %s: want one value, found keys below it", section.Name)
		}
		text += nearest.DidYouMean(section.Name, "", slices.Sorted(maps.Keys(commands)))
		problems = append(problems, fileProblem{section.Line, section.Column, slices.Contains(ownKeys, section.Name), text})
	}
	for _, value := range file.Values {
		place, text := commands, ""
		if value.Section != "" {
			of, known := commands[value.Section]
			if !known {
				continue // the section was reported already
			}
			place = map[string]*cobra.Command{value.Section: of}
		}
		known := allKeys(place)
		meant := value.Key
		switch {
		case slices.Contains(onlyTyped, value.Key):
			text = fmt.Sprintf("key %s is not read: what removes, lists or says where to read is only ever typed, as --%[1]s", value.Key)
		case !slices.Contains(known, value.Key):
			text = unknownKey(value, known)
			meant = nearest.Find(value.Key, known)
		default:
			text = misfit(value, place)
		}
		if text == "" {
			continue
		}
		own := (value.Section == "" || value.Section == cmd.Name()) && slices.Contains(ownKeys, meant)
		problems = append(problems, fileProblem{value.Line, value.Column, own, text})
	}
	return problems
}

func unknownKey(value configfile.Value, known []string) string {
	text := fmt.Sprintf("unknown key %q", value.Key)
	if value.Section != "" {
		text = fmt.Sprintf("epi %s has no key %q", value.Section, value.Key)
	}
	if hint := nearest.DidYouMean(value.Key, "", known); hint != "" {
		return text + hint
	}
	if value.Section != "" {
		return fmt.Sprintf("%s; its flags are its keys: epi %s --help", text, value.Section)
	}
	return text + "; keys are the flags of commands, without the --"
}

// misfit is the reason why none of the commands with the key accepts its value, or "".
func misfit(value configfile.Value, commands map[string]*cobra.Command) string {
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		command := commands[name]
		if flag := command.Flags().Lookup(value.Key); flag != nil && reads(command, flag) {
			if err := set(flag, value); err != nil {
				return fmt.Sprintf("key %s: %v", value.Key, err)
			}
		}
	}
	return ""
}

// configurable are the commands that read a configuration, by name. Callers may set their flags.
func configurable(root *cobra.Command) map[string]*cobra.Command {
	commands := map[string]*cobra.Command{}
	for _, command := range root.Commands() {
		if !isPlumbing(command) {
			command.Flags().AddFlagSet(root.PersistentFlags())
			commands[command.Name()] = command
		}
	}
	return commands
}

// keysOf are the names of the flags that a file may set for a command.
func keysOf(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if reads(cmd, flag) {
			names = append(names, flag.Name)
		}
	})
	return names
}

func allKeys(commands map[string]*cobra.Command) []string {
	var names []string
	for _, command := range commands {
		names = append(names, keysOf(command)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// foreign are variables with the prefix that are no flags': epi aws sets some, and the emulator reads others.
func foreign(variable string) bool {
	return strings.HasPrefix(variable, "EPI_EMULATOR_") || slices.Contains([]string{"EPI_POD_ENDPOINT_URL", "EPI_AWS_CLI_IMAGE", "EPI_REQUIRE_CLIENTS", configVariable}, variable)
}

// warnAboutVariables reports variables that look like a flag's and that no command reads.
func (a *app) warnAboutVariables(cmd *cobra.Command) {
	if a.environ == nil {
		return
	}
	var known []string
	for _, key := range allKeys(configurable(cmd.Root())) {
		known = append(known, variableOf(key))
	}
	for _, entry := range a.environ() {
		variable, _, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(variable, variablePrefix)
		switch {
		case !ours || foreign(variable) || slices.Contains(known, variable):
		case slices.Contains(onlyTyped, strings.ToLower(name)):
			_, _ = fmt.Fprintf(a.err, "Warning: variable %s is not read: --%s is only ever typed\n", variable, strings.ToLower(name))
		default:
			if near := nearest.Find(name, trimAll(known)); near != "" {
				_, _ = fmt.Fprintf(a.err, "Warning: variable %s is not read; did you mean %s%s?\n", variable, variablePrefix, near)
			}
		}
	}
}

func trimAll(variables []string) []string {
	names := make([]string, 0, len(variables))
	for _, variable := range variables {
		names = append(names, strings.TrimPrefix(variable, variablePrefix))
	}
	return names
}
