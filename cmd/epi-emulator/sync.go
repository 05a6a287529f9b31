package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/identityfile"
	"github.com/podidentity/epi/clusters/emulator/limits"
)

// syncFlags are the flags of sync.
type syncFlags struct {
	control, cluster, file, readyListen string
	verbose                             bool
}

func syncCommand(env func(string) string, errOut io.Writer) *cobra.Command {
	var f syncFlags
	command := &cobra.Command{
		Use:   "sync",
		Short: "Keep a webhook's container-credentials config file in step with associations",
		Long: `Sync is what the EKS control plane does for the webhook that it runs: it watches which
service accounts of a cluster have an association and writes them to --file as

  {"identities":[{"namespace":"default","serviceAccount":"my-app"}]}

for the webhook's flag --watch-container-credentials-config. The file is replaced by
a rename within its folder, so its volume must be shared with the webhook. While the
control API cannot be reached the file keeps what was last known.

The token of the control API is in EPI_EMULATOR_SYNC_TOKEN. With --ready-listen, GET
/healthz answers 200 once the file was written: a startup probe for a sidecar.`,
		Example: `  epi-emulator sync --control http://127.0.0.1:4567 --cluster my-cluster --file /tmp/identities/config.json`,
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			token := env("EPI_EMULATOR_SYNC_TOKEN")
			if err := f.check(token); err != nil {
				return usageError{err}
			}
			follower := identityfile.New(identityfile.Options{
				Watcher: control.New(f.control, token), Cluster: f.cluster, Path: f.file, Log: newLog(errOut, f.verbose),
			})
			return f.run(command.Context(), follower, errOut)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.control, "control", "", "URL of the control API (required)")
	flags.StringVar(&f.cluster, "cluster", "", "EKS name of the cluster (required)")
	flags.StringVar(&f.file, "file", "", "path of the file to write (required)")
	flags.StringVar(&f.readyListen, "ready-listen", "", "address for /healthz; empty for none")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log more")
	return command
}

func (f *syncFlags) check(token string) error {
	var problems []error
	if parsed, err := url.Parse(f.control); err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		problems = append(problems, fmt.Errorf("flag --control: %q is not a URL such as http://10.0.0.2:4567", f.control))
	}
	for name, value := range map[string]string{"cluster": f.cluster, "file": f.file} {
		if value == "" {
			problems = append(problems, fmt.Errorf("flag --%s is required", name))
		}
	}
	if token == "" {
		problems = append(problems, errors.New("variable EPI_EMULATOR_SYNC_TOKEN is not set"))
	}
	return errors.Join(problems...)
}

// run follows, and reports its readiness, until ctx ends.
func (f *syncFlags) run(ctx context.Context, follower *identityfile.Follower, errOut io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &servers{log: newLog(errOut, f.verbose), limits: limits.New(limits.Options{})}
	if f.readyListen != "" {
		if _, err := s.listen(ctx, f.readyListen, readiness(follower)); err != nil {
			return err
		}
	}
	served := make(chan error, 1)
	go func() {
		err := s.run(ctx)
		// Without its readiness the sidecar is of no use.
		if err != nil {
			cancel()
		}
		served <- err
	}()
	err := follower.Run(ctx)
	cancel()
	return errors.Join(err, <-served)
}

// readiness answers 200 once the file was written and 503 before.
func readiness(follower *identityfile.Follower) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !follower.Written() {
			http.Error(w, "the file is not written yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n") // the prober asks again
	})
	return mux
}
