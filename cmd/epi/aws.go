package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/clients"
)

func (a *app) awsCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "aws [--name NAME] -- COMMAND [ARG...]",
		GroupID: "environment",
		Short:   "Run a command with AWS and the cluster set to the environment's",
		Long: `Aws runs a command with the endpoint, the region and the administrator's credentials
of the running emulator in AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, and the cluster in KUBECONFIG. EPI_CLUSTER_NAME is its EKS name,
EPI_POD_ENDPOINT_URL is where pods reach the emulator, EPI_PROBE_IMAGE an image that is
on its nodes, EPI_AWS_CLI_IMAGE one of the AWS CLI there, with Boto3 for its python3
(epi up --clients default,aws-cli@trixie). Your own AWS profile and session are hidden from the command. epi becomes
the command: its exit code is the command's.

AWS CLI before 2.13 knows no AWS_ENDPOINT_URL: give it --endpoint-url as well.
Where kubectl is not installed, the node image's own is on the command's PATH.`,
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
			return become(args, awsEnvironment(os.Environ(), env, dirs))
		},
	}
	cmd.Flags().StringVar(&name, "name", "epi", "name of the environment")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// loadEnvironment loads a running environment; its error says how to bring one up.
func loadEnvironment(dirs clusters.Dirs, name string) (*clusters.Environment, error) {
	env, err := clusters.LoadEnvironment(dirs, name)
	if errors.Is(err, clusters.ErrNoEnvironment) {
		return nil, &clusters.EnvironmentError{
			Doing: fmt.Sprintf("use environment %q", name), Err: clusters.ErrNoEnvironment,
			Remedy: "bring it up with: epi up --name " + name,
		}
	}
	return env, err
}

// awsEnvironment is base without the user's own AWS settings, with the environment's. Where AWS is the
// user's, so are the settings.
func awsEnvironment(base []string, env *clusters.Environment, dirs clusters.Dirs) []string {
	if env.AWS.AccessKeyID == "" {
		return existingEnvironment(base, env)
	}
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
	// Last on the path: a kubectl of the user's own comes first.
	path += string(os.PathListSeparator) + filepath.Join(dirs.EnvironmentDir(env.Name), "bin")
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

// commandImage is the image of the AWS CLI on the nodes, the newest that there is; "" for none.
func commandImage(env *clusters.Environment) string {
	best := clusters.Client{}
	for _, client := range env.Clients {
		if client.CommandImage != "" && clients.Compare(client.Version, best.Version) >= 0 {
			best = client
		}
	}
	return best.CommandImage
}

// become replaces this program by the command.
func become(args, env []string) error {
	for _, variable := range env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			_ = os.Setenv("PATH", path) // LookPath reads it from this process
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return usageError("run %s: %w", args[0], err)
	}
	if err := syscall.Exec(program, args, env); err != nil {
		return usageError("run %s: %w", program, err)
	}
	return nil
}

// existingEnvironment is base with the cluster and the region of a cluster that the user runs.
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
