package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
)

// app is one invocation of the program: its streams, its sources of settings, its global flags.
type app struct {
	out, err  io.Writer
	lookupEnv func(string) (string, bool)
	now       func() time.Time
	// kind is the provider of environments on this machine.
	kind func(clusters.Dirs) clusters.Provider
	// poll is the time between two reads of AWS's state; 0 means the default.
	poll time.Duration
	// interrupts is nil if signals are not handled here.
	interrupts *interrupts
	// environ lists the variables, to find misspelt ones; nil gives no warnings.
	environ func() []string
	// args are the whole command line. helpErr is set if help was requested for an unknown topic.
	args    []string
	helpErr error

	// typed are the flags of the command line. origins say where other flags were set, such as "variable EPI_NODES" or
	// "epi.yaml:2:1: key nodes".
	typed   map[string]bool
	origins map[string]string

	// wasFull is the problem of a disk while an environment came up.
	wasFull atomic.Pointer[clusters.EnvironmentError]

	verbose  bool
	color    string
	output   string
	config   string
	stateDir string
	cacheDir string
}

func newKind(dirs clusters.Dirs) clusters.Provider { return kind.New(dirs) }

func newApp(out, err io.Writer, lookupEnv func(string) (string, bool)) *app {
	return &app{out: out, err: err, lookupEnv: lookupEnv, now: time.Now, kind: newKind}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, a *app, args []string) (code int) {
	defer func() {
		if cause := recover(); cause != nil {
			code = a.broken(cause)
		}
	}()
	a.args = args
	root := a.rootCommand() //nolint:contextcheck // commands get the context from cobra
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = a.helpErr
	}
	code = exitCode(ctx, err)
	coded, ok := errors.AsType[*codedError](err)
	switch {
	case ctx.Err() != nil:
		_, _ = io.WriteString(a.err, a.describeInterrupt(err))
	case err != nil && (!ok || !coded.reported):
		_, _ = io.WriteString(a.err, a.blame(a.describe(err)))
	}
	return code
}

// broken says that this program has a defect, which is no verdict, and what it leaves.
func (a *app) broken(cause any) int {
	a.interrupts.flush()
	text := fmt.Sprintf("Error: epi itself has a defect: %v\n%s", cause, debug.Stack())
	if left := a.interrupts.left(); left != "" {
		text += "Left: " + left + "\n"
	}
	_, _ = io.WriteString(a.err, text)
	return exitEnvironment
}

// describe renders the error of a command. If it cannot write to its own folders, it has a hint about other ones.
func (a *app) describe(err error) string {
	if dirs, dirsErr := a.dirs(); dirsErr == nil {
		hint := remedyForDisk(err, statePlace(dirs), cachePlace(dirs), temporaryPlace())
		if hint == "" {
			hint = hintAboutFolders(err, dirs)
		}
		if hint == "" {
			hint = a.remedyOf(err)
		}
		if hint != "" {
			return fmt.Sprintf("Error: %s\nHint: %s\n", strings.TrimSpace(err.Error()), hint)
		}
	}
	return describe(err)
}

// describeInterrupt says what an interrupted command has left.
func (a *app) describeInterrupt(err error) string {
	if wrong := beside(err); clusters.Remedy(wrong) != "" {
		return "Interrupted: " + strings.TrimPrefix(describe(wrong), "Error: ")
	}
	if outcome := a.interrupts.outcome(); outcome != "" {
		return "Interrupted: " + outcome + "\n"
	}
	return ""
}

// beside is the part of an error that the interrupt did not cause, such as a failed removal after it; nil if there is none.
func beside(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	switch e := err.(type) { //nolint:errorlint // it takes the tree apart
	case interface{ Unwrap() []error }:
		var rest []error
		for _, part := range e.Unwrap() {
			rest = append(rest, beside(part))
		}
		return errors.Join(rest...)
	case interface{ Unwrap() error }:
		return beside(e.Unwrap())
	default:
		return nil
	}
}

// commandLine is an epi command for the same folders that the user can type.
func (a *app) commandLine(args ...string) string {
	command := append([]string{"epi"}, args...)
	if a.stateDir != "" {
		command = append(command, "--state-dir", a.stateDir)
	}
	return shellescape.QuoteCommand(command)
}

// makingEnvironment is the work of a command that creates an environment and removes it after an interrupt.
func (a *app) makingEnvironment(name string, dirs clusters.Dirs) work {
	return work{
		doing: "removing what was made",
		ended: func() string {
			if left := a.leftOf(name, dirs); left != "" {
				return "left is " + left
			}
			text := "what this command had made is removed."
			if _, err := os.Stat(dirs.EngineDir()); err == nil {
				text += "\nepi's own container engine stays for the next run; remove it with: " + a.commandLine("down", "--all")
			}
			return text
		},
		left: func() string { return a.leftOf(name, dirs) },
	}
}

// leftOf says what is left of an environment, and the command that removes it; "" if nothing is. Its folder is created
// first and removed last.
func (a *app) leftOf(name string, dirs clusters.Dirs) string {
	if there, err := clusters.HasEnvironmentDir(dirs, name); err == nil && !there {
		return ""
	}
	return fmt.Sprintf("environment %q, whole or in part; remove it with: %s", name, a.commandLine("down", "--name", name))
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "epi",
		Short: "Conformance and benchmarks for EKS Pod Identity",
		Long: `epi tests whether EKS Pod Identity works, how fast it is and where it breaks:
on this machine with no AWS account, in CI, and against real EKS, with the same suites.

On kind, AWS is epi's own emulator: it implements the documented behaviour of the APIs
that Pod Identity uses. A pass there says that the agent, the webhook, the kubelet and
your policies do as documented.

Every flag can also be set by a variable (EPI_ and its name in capitals, such as
EPI_IMDS_HOP_LIMIT=2) or in a file, epi.yaml here or one given with --config; a flag
wins over a variable, a variable over the file. See: epi help configuration.`,
		Example: `  epi run                     everything once: up, test, report, down
  epi up && epi test          keep the environment between runs
  epi aws -- aws s3 ls        a command against the emulator`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.configure(cmd)
		},
		Args: func(root *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(root, args[0])
			}
			return nil
		},
		Version: build().Version,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(a.flagError)
	root.SetVersionTemplate(versionLine(build()))
	root.SetHelpCommand(helpCommand())
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if word := misplaced(root, args); cmd == root && word != "" {
			a.helpErr = unknownCommand(root, word)
			return
		}
		if given := cmd.Flags().Args(); !cmd.Runnable() && len(given) > 0 {
			a.helpErr = usageError("%w\nSee: %s --help", refuseUnknown(cmd, given), cmd.CommandPath())
			return
		}
		help(cmd, args)
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.config, "config", "", "YAML file with flags by name, such as nodes: 2 (default epi.yaml, if there is one)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "show more of what is going on")
	flags.StringVar(&a.color, "color", "auto", "colour and redraw: auto, always or never")
	flags.StringVar(&a.stateDir, "state-dir", "", "folder of what is running (default $XDG_STATE_HOME/epi or ~/.local/state/epi)")
	flags.StringVar(&a.cacheDir, "cache-dir", "", "folder of what is expensive to make again (default $XDG_CACHE_HOME/epi or ~/.cache/epi)")
	root.AddGroup(
		&cobra.Group{ID: "main", Title: "Run:"},
		&cobra.Group{ID: "environment", Title: "Environment:"},
	)
	for _, command := range []*cobra.Command{
		a.runCommand(), a.upCommand(), a.testCommand(), a.benchCommand(), a.downCommand(), a.janitorCommand(),
		a.listCommand(), a.statusCommand(), a.logsCommand(), a.loadCommand(), a.compareCommand(), a.reportCommand(), a.historyCommand(), a.badgeCommand(), a.verifyCommand(), a.awsCommand(), a.cloudCommand(), a.doctorCommand(), a.imagesCommand(), a.versionCommand(), a.suiteProcessCommand(), a.tokenCommand(), exitCodesTopic(), eksTopic(), configurationTopic(), walkthroughTopic(),
	} {
		command.Args = usageArgs(command.Args)
		root.AddCommand(command)
	}
	a.registerCompletions(root)
	root.SetOut(a.out) // the output of the completion script is set here
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.HasSubCommands() {
			command.Args = usageArgs(refuseUnknown)
		}
		for _, below := range command.Commands() {
			below.Args = usageArgs(below.Args)
		}
	}
	return root
}

// usageArgs turns an error about arguments into a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = refuseArguments
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError("%w\nSee: %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

func configurationTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "configuration",
		Short: "How flags are set by epi.yaml and by variables",
		Long: `A key of epi.yaml is the name of a flag without the dashes. At the top it holds for
every command that has the flag; below the name of a command for that one alone, and
wins there. A flag that is typed wins over a variable, a variable over the file.

  name: pr-17
  nodes: 2
  agent-image: my/agent:dev
  agent-arg: [--max-cache-size=500, --v=4]
  test:
    profile: [agent, core]
  bench:
    scenario: warm
    rate: [300, 900]

The file is epi.yaml in the folder that epi is called in, if there is one, or what
--config or EPI_CONFIG names. The variable of a flag is EPI_ and its name in capitals
with _ for -, such as EPI_AGENT_IMAGE.

What removes, lists or leads to the file is only ever typed: --all, --list, --config.
epi down takes name, state-dir and cache-dir from the file and from variables, and
nothing else. up, test, bench and run want every key to be right, each other command
those that it reads; it warns of the rest. A variable that is set and empty is an error
where the flag has a default, so that one which was forgotten leads nowhere else.

Every run leaves its configuration in its folder as epi.yaml, for --config of the same
command.`,
	}
}

func exitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `Exit codes of epi:

  0    all selected requirements and thresholds held
  1    a requirement failed: the agent, the webhook or the platform did not do as documented;
       or a benchmark missed a threshold, or is worse than its baseline;
       also when something else went wrong beside it, and when the failure is a known deviation
       of the version that was tested: reports say so, and the requirement does not hold all
       the same. To leave it out: --label-filter '!AGT-13'
  2    usage or configuration: what was typed cannot be done
  3    no verdict: nothing failed, but the environment could not be brought up, broke, or is
       in use by another epi; or what was found could not be written, as on a full disk
  130  interrupted with Ctrl-C, after cleaning up; a second Ctrl-C ends at once, and says
       what stays and the command that removes it
  143  ended by SIGTERM, 129 by SIGHUP (the terminal was closed), after cleaning up`,
	}
}

// dirs are the folders of this invocation.
func (a *app) dirs() (clusters.Dirs, error) {
	dirs, err := clusters.FindDirs(clusters.Dirs{State: a.stateDir, Cache: a.cacheDir}, a.lookupEnv)
	if err != nil {
		return dirs, usageError("%w", err)
	}
	if err := dirs.CheckState(); err != nil {
		return dirs, usageError("folder of epi's state, flag --state-dir: %w; give one that is for epi alone, such as --state-dir %s", err, insteadOf(dirs.State))
	}
	if info, err := os.Stat(dirs.Cache); err == nil && !info.IsDir() {
		return dirs, usageError("folder of epi's cache, flag --cache-dir: %s is a file", dirs.Cache)
	}
	return dirs, nil
}

// insteadOf is a possible folder for epi if dir cannot be one: below it, or beside it if it is no folder.
func insteadOf(dir string) string {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return filepath.Join(dir, "epi")
	}
	if beside := filepath.Dir(dir); beside != "/dev" {
		if info, err := os.Stat(beside); err == nil && info.IsDir() {
			return filepath.Join(beside, "epi")
		}
	}
	return filepath.Join(os.TempDir(), "epi")
}

// kindProvider is the provider of environments on this machine.
func (a *app) kindProvider() (*kind.Provider, clusters.Dirs, error) {
	dirs, err := a.dirs()
	if err != nil {
		return nil, dirs, err
	}
	return kind.New(dirs), dirs, nil
}
