package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
	"github.com/podidentity/epi/clusters/engine"
)

func (a *app) awsCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "aws [--name NAME] -- COMMAND [ARG...]",
		GroupID: "environment",
		Short:   "Run a command with AWS and the cluster set to the environment's",
		Long: `Aws runs a command against an environment. It sets these variables for the command:

  AWS_ENDPOINT_URL, AWS_REGION                the emulator
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY    credentials of its administrator
  KUBECONFIG                                  the cluster
  EPI_CLUSTER_NAME                            its EKS name
  EPI_POD_ENDPOINT_URL                        where pods reach the emulator
  EPI_PROBE_IMAGE                             an image that is on its nodes
  EPI_AWS_CLI_IMAGE                           an image of the AWS CLI on its nodes, with
                                              Boto3 for its python3, after
                                              epi up --clients default,aws-cli@trixie
  DOCKER_HOST                                 epi's own container engine, if it runs one

Your own AWS profile and session are hidden from the command.

The command takes no lock: it may run beside a test, and a shell may stay open for days.
epi down removes the environment also while such a command runs.

epi becomes the command, which gets each signal, and whose exit code is epi's. The exit
code is 127 if there is no such command, and 126 if it cannot be run, as in a shell.

AWS CLI before 2.13 ignores AWS_ENDPOINT_URL: pass --endpoint-url as well. If kubectl is
not installed, the command finds the node image's own on its PATH.`,
		Example: `  epi aws -- aws s3 ls
  epi aws -- sh                                        a shell with all of it set
  epi aws -- aws eks list-pod-identity-associations --cluster-name epi
  epi aws -- kubectl get pods -A
  epi aws -- sh -c 'aws --endpoint-url $AWS_ENDPOINT_URL iam list-roles'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no command given after --")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dirs, err := a.dirs()
			if err != nil {
				return err
			}
			env, err := loadEnvironment(dirs, name)
			if err != nil {
				return err
			}
			return become(args, awsEnvironment(os.Environ(), env, dirs, ownEngine(env, dirs)))
		},
	}
	nameFlag(cmd.Flags(), &name, "name of the environment")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// loadEnvironment loads a running environment. Its error says how to bring one up.
func loadEnvironment(dirs clusters.Dirs, name string) (*clusters.Environment, error) {
	env, err := clusters.LoadEnvironment(dirs, name)
	if errors.Is(err, clusters.ErrNoEnvironment) {
		return nil, noEnvironment(name)
	}
	return env, err
}

func noEnvironment(name string) error {
	return &clusters.EnvironmentError{
		Doing: fmt.Sprintf("use environment %q", name), Err: clusters.ErrNoEnvironment,
		Remedy: "bring it up with: epi up --name " + name,
	}
}

// awsEnvironment is base with the environment's AWS settings in place of the user's own. If the user's AWS is used, the
// user's settings stay. dockerHost is the container engine of the nodes, if it is epi's own; "" keeps the user's.
func awsEnvironment(base []string, env *clusters.Environment, dirs clusters.Dirs, dockerHost string) []string {
	if env.AWS.AccessKeyID == "" {
		return existingEnvironment(base, env)
	}
	base = append(slices.DeleteFunc(slices.Clone(base), func(variable string) bool {
		// A user's own context would override the host.
		return dockerHost != "" && (strings.HasPrefix(variable, "DOCKER_HOST=") || strings.HasPrefix(variable, "DOCKER_CONTEXT=") || strings.HasPrefix(variable, "DOCKER_TLS"))
	}), dockerVariables(dockerHost)...)
	var result []string
	path := ""
	for _, variable := range base {
		key, value, _ := strings.Cut(variable, "=")
		switch {
		case key == "PATH":
			path = value
		case strings.HasPrefix(key, "AWS_") && key != "AWS_PAGER", key == "KUBECONFIG":
		default:
			result = append(result, variable)
		}
	}
	// It is last in PATH, so the user's own kubectl comes first.
	if dir, err := dirs.EnvironmentDir(env.Name); err == nil {
		path += string(os.PathListSeparator) + filepath.Join(dir, "bin")
	}
	return append(result,
		"PATH="+path,
		"KUBECONFIG="+env.Kubeconfig,
		"AWS_ENDPOINT_URL="+env.AWS.EndpointURL,
		"AWS_ACCESS_KEY_ID="+env.AWS.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+env.AWS.SecretAccessKey,
		"AWS_REGION="+env.Region,
		"AWS_DEFAULT_REGION="+env.Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"EPI_CLUSTER_NAME="+env.ClusterName,
		"EPI_PROBE_IMAGE="+env.ProbeImage,
		"EPI_POD_ENDPOINT_URL="+env.AWS.PodEndpointURL,
		"EPI_AWS_CLI_IMAGE="+commandImage(env),
	)
}

// commandImage is the newest image of the AWS CLI on the nodes; "" for none.
func commandImage(env *clusters.Environment) string {
	best := clusters.Client{}
	for _, client := range env.Clients {
		if client.CommandImage != "" && clients.Compare(client.Version, best.Version) >= 0 {
			best = client
		}
	}
	return best.CommandImage
}

// ownEngine is the value of DOCKER_HOST for the environment's engine, if that is epi's own.
func ownEngine(env *clusters.Environment, dirs clusters.Dirs) string {
	if env.Provider != kindProvider {
		return ""
	}
	return engine.OwnHost(dirs)
}

func dockerVariables(host string) []string {
	if host == "" {
		return nil
	}
	return []string{"DOCKER_HOST=" + host}
}

// A shell's exit codes for a command that cannot be run
// (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02).
const (
	exitCannotExecute = 126
	exitNotFound      = 127
)

// become replaces this program by the command.
func become(args, env []string) error {
	path := ""
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
			_ = os.Setenv("PATH", value) // LookPath reads it from this process
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return cannotRun(args[0], err, path)
	}
	if err := syscall.Exec(program, args, env); err != nil {
		return cannotRun(program, err, path)
	}
	return nil
}

// cannotRun is the error for a command that does not exist or cannot be run.
func cannotRun(command string, err error, path string) error {
	if wrapped, ok := errors.AsType[*exec.Error](err); ok {
		err = wrapped.Err
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		for _, dir := range filepath.SplitList(path) {
			file := filepath.Join(dir, command)
			if info, statErr := os.Stat(file); statErr == nil && info.Mode().IsRegular() && !strings.Contains(command, "/") {
				return &codedError{code: exitCannotExecute, err: fmt.Errorf("run %s: %s is not executable", command, file)}
			}
		}
		return &codedError{code: exitNotFound, err: fmt.Errorf("run %s: there is no such command", command)}
	case errors.Is(err, fs.ErrNotExist) && !fileExists(command):
		return &codedError{code: exitNotFound, err: fmt.Errorf("run %s: there is no such file", command)}
	case errors.Is(err, fs.ErrNotExist):
		return &codedError{code: exitCannotExecute, err: fmt.Errorf("run %s: its interpreter is not there", command)}
	case errors.Is(err, syscall.ENOEXEC):
		return &codedError{code: exitCannotExecute, err: fmt.Errorf("run %s: it is no program; a script needs #! in its first line", command)}
	default:
		return &codedError{code: exitCannotExecute, err: fmt.Errorf("run %s: %w", command, err)}
	}
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// existingEnvironment is base with the cluster and the region of the user's own cluster.
func existingEnvironment(base []string, env *clusters.Environment) []string {
	result := slices.Concat(base, []string{
		"KUBECONFIG=" + env.Kubeconfig, "AWS_REGION=" + env.Region, "AWS_DEFAULT_REGION=" + env.Region,
		"EPI_CLUSTER_NAME=" + env.ClusterName, "EPI_PROBE_IMAGE=" + env.ProbeImage, "EPI_POD_ENDPOINT_URL=" + env.AWS.PodEndpointURL,
	})
	if env.AWS.EndpointURL != "" {
		result = append(result, "AWS_ENDPOINT_URL="+env.AWS.EndpointURL)
	}
	return result
}
