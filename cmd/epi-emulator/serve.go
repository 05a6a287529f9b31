package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/imds"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen, controlListen, imdsListen string
	hopLimit                          int
	verbose                           bool
	emulator.Options
}

func serveCommand(env func(string) string, errOut io.Writer) *cobra.Command {
	var f serveFlags
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve AWS, instance metadata and the control API until a signal comes",
		Long: `Serve has one account in one region, in memory: what was made is gone with the
process. At the start the account holds

  - the user epi-admin, who may do everything, with the access key in the variables
    EPI_EMULATOR_ACCESS_KEY_ID and EPI_EMULATOR_SECRET_ACCESS_KEY
  - the AWS managed policy AmazonEKSWorkerNodePolicy, and the node role with it
  - no cluster: the control API registers one, with the keys that verify its tokens

--listen serves EKS, EKS Auth, IAM, STS and S3; a request goes to the service that it
is signed for. --control-listen serves the control API, which takes the bearer tokens
EPI_EMULATOR_CONTROL_TOKEN (everything) and EPI_EMULATOR_SYNC_TOKEN (only to watch which
service accounts have associations). --imds-listen serves IMDSv2: a link-local address
is added to the loopback link if no link has it, which needs CAP_NET_ADMIN. Its answers
carry --imds-hop-limit as IP TTL, so that a client behind one more hop gets none.

With -v each call is logged: who, what, the decision and the statement that made it.
Keys and tokens are never logged.`,
		Example: `  # By hand, on loopback and without root
  export EPI_EMULATOR_ACCESS_KEY_ID=AKIAEPIEXAMPLE000000 EPI_EMULATOR_SECRET_ACCESS_KEY=$(openssl rand -hex 20)
  export EPI_EMULATOR_CONTROL_TOKEN=$(openssl rand -hex 20) EPI_EMULATOR_SYNC_TOKEN=$(openssl rand -hex 20)
  epi-emulator serve --listen 127.0.0.1:4566 --control-listen 127.0.0.1:4567 --imds-listen "" -v &

  # Any AWS client
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-west-2
  export AWS_ACCESS_KEY_ID=$EPI_EMULATOR_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$EPI_EMULATOR_SECRET_ACCESS_KEY
  aws sts get-caller-identity

  # A cluster's issuer and keys, so that EKS Auth takes its tokens
  jq -n --arg issuer "$(kubectl get --raw /.well-known/openid-configuration | jq -r .issuer)" \
    --argjson jwks "$(kubectl get --raw /openid/v1/jwks)" '{$issuer, $jwks}' |
    curl -sS -X PUT -H "Authorization: Bearer $EPI_EMULATOR_CONTROL_TOKEN" --data @- \
    http://127.0.0.1:4567/v1/clusters/my-cluster`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := f.complete(env); err != nil {
				return usageError{err}
			}
			f.Log = newLog(errOut, f.verbose)
			return serve(command.Context(), f, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.listen, "listen", ":4566", "address for all AWS services")
	flags.StringVar(&f.controlListen, "control-listen", ":4567", "address for the control API; empty for none")
	flags.StringVar(&f.imdsListen, "imds-listen", "169.254.169.254:80", "address for instance metadata; empty for none")
	flags.IntVar(&f.hopLimit, "imds-hop-limit", 1, "response hop limit of instance metadata, 1 to 64")
	flags.StringVar(&f.Region, "region", "us-west-2", "AWS region")
	flags.StringVar(&f.Account, "account", "123456789012", "AWS account, 12 digits")
	flags.StringVar(&f.NodeRole, "node-role", "epi-node", "name of the nodes' IAM role")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log each call")
	return command
}

// complete adds what comes from the environment, and tells all that is wrong at once.
func (f *serveFlags) complete(env func(string) string) error {
	var problems []error
	need := func(field *string, name string) {
		if *field = env(name); *field == "" {
			problems = append(problems, fmt.Errorf("variable %s is not set", name))
		}
	}
	need(&f.AccessKeyID, "EPI_EMULATOR_ACCESS_KEY_ID")
	need(&f.SecretAccessKey, "EPI_EMULATOR_SECRET_ACCESS_KEY")
	if f.controlListen != "" {
		need(&f.ControlToken, "EPI_EMULATOR_CONTROL_TOKEN")
		need(&f.SyncToken, "EPI_EMULATOR_SYNC_TOKEN")
	}
	if f.hopLimit < imds.MinHopLimit || f.hopLimit > imds.MaxHopLimit {
		problems = append(problems, fmt.Errorf("flag --imds-hop-limit: %d is not %d to %d", f.hopLimit, imds.MinHopLimit, imds.MaxHopLimit))
	}
	return errors.Join(problems...)
}

// serve runs until ctx ends or a listener fails. It writes one line to out when all listen.
func serve(ctx context.Context, f serveFlags, out io.Writer) error {
	e, err := emulator.New(f.Options)
	if err != nil {
		return usageError{err}
	}
	s := &servers{log: f.Log}
	defer s.closeListeners()
	aws, err := s.listen(ctx, f.listen, e.Handler())
	if err != nil {
		return err
	}
	where := []string{"AWS on http://" + aws}

	var metadata *imds.Listener
	if f.imdsListen != "" {
		listener, err := s.listenMetadata(ctx, f.imdsListen, f.hopLimit, e.MetadataHandler())
		if err != nil {
			return err
		}
		metadata = listener
		where = append(where, fmt.Sprintf("instance metadata on http://%s (hop limit %d)", listener.Addr(), f.hopLimit))
	}
	if f.controlListen != "" {
		handler, err := e.ControlHandler(metadata)
		if err != nil {
			return usageError{err}
		}
		address, err := s.listen(ctx, f.controlListen, handler)
		if err != nil {
			return err
		}
		where = append(where, "control API on http://"+address)
	}
	if _, err := fmt.Fprintf(out, "Serving account %s, region %s: %s\n", f.Account, f.Region, strings.Join(where, ", ")); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	return s.run(ctx)
}

// servers are the listeners of one process.
type servers struct {
	log     *slog.Logger
	pairs   []pair
	running bool
}

type pair struct {
	listener net.Listener
	handler  http.Handler
}

func (s *servers) listen(ctx context.Context, address string, handler http.Handler) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return "", err // names the operation and the address
	}
	s.pairs = append(s.pairs, pair{listener, handler})
	return listener.Addr().String(), nil
}

func (s *servers) listenMetadata(ctx context.Context, address string, hopLimit int, handler http.Handler) (*imds.Listener, error) {
	if parsed, err := netip.ParseAddrPort(address); err == nil {
		if err := imds.AddAddress(parsed.Addr()); err != nil {
			return nil, err
		}
	}
	listener, err := imds.Listen(ctx, address, hopLimit)
	if err != nil {
		return nil, err
	}
	s.pairs = append(s.pairs, pair{listener, handler})
	return listener, nil
}

// closeListeners is for a start that failed half way; a server closes its own.
func (s *servers) closeListeners() {
	if s.running {
		return
	}
	for _, p := range s.pairs {
		_ = p.listener.Close() // nothing was served on it
	}
}

// drain is how long requests in flight may take after the signal.
const drain = 5 * time.Second

func (s *servers) run(ctx context.Context) error {
	s.running = true
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range s.pairs {
		server := &http.Server{
			Handler:           p.handler,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
			// Long polls end with ctx, so they do not hold the shutdown up.
			BaseContext: func(net.Listener) context.Context { return ctx },
		}
		group.Go(func() error {
			if err := server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", p.listener.Addr(), err)
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
			defer cancel()
			if err := server.Shutdown(draining); err != nil {
				return fmt.Errorf("end requests on %s: %w", p.listener.Addr(), err)
			}
			return nil
		})
	}
	return group.Wait()
}
