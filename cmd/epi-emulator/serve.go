package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/podidentity/epi/clusters/emulator"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/resolver"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen, controlListen, imdsListen string
	hopLimit                          int
	verbose                           bool
	state                             string
	clusters, issuers                 []string
	clusterCA                         string
	tls                               tlsFlags
	hosts                             hostFlags
	emulator.Options
}

func serveCommand(env func(string) string, errOut io.Writer) *cobra.Command {
	var f serveFlags
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve AWS, instance metadata and the control API until a signal comes",
		Long: `Serve has an AWS account in one region. At the start the account holds

  - the user epi-admin, who may do everything, with the access key in the variables
    EPI_EMULATOR_ACCESS_KEY_ID and EPI_EMULATOR_SECRET_ACCESS_KEY
  - the AWS managed policy AmazonEKSWorkerNodePolicy, and the node role with it
  - no cluster: --cluster or the control API registers one, with the keys that verify
    its tokens

What is made is gone with the process, unless --state names a file to keep it in: then
a restart finds users, roles, policies, sessions, associations, add-ons and objects
again. A file that is damaged is not served: epi-emulator recover writes what can be
read of it to a new one. --member-account adds an account, with the role OrganizationAccountAccessRole
that the first account may assume: for roles in a second account.

Clusters can also be asked for as on AWS, by CreateCluster or by eksctl, whose stacks
are made with the caller's own rights. Nothing runs for them unless --cluster-maker says
that a maker does: they become ACTIVE after --cluster-delay, with --cluster-endpoint.

--listen serves EKS, EKS Auth, EC2, CloudFormation, IAM, STS and S3; a request goes to the service that it
is signed for. --tls serves them over TLS, by a CA that is made at the first start and
written to --tls-ca-file (AWS_CA_BUNDLE for clients).

--hosts-listen serves the same under AWS's own host names (sts.us-west-2.amazonaws.com,
BUCKET.s3.us-west-2.amazonaws.com, dual-stack and FIPS names), over TLS by the same CA.
A host of a service that is not served is refused with 421 and ServiceNotEmulated.
--dns-listen is a DNS server that leads these names there, and asks the name servers of
/etc/resolv.conf about all others: what uses it cannot reach AWS by a name.

--control-listen serves the control API, which takes the bearer tokens
EPI_EMULATOR_CONTROL_TOKEN (everything) and EPI_EMULATOR_SYNC_TOKEN (only to watch which
service accounts have associations). It registers clusters, sets faults (latency,
errors, throttling, outages), lists which calls came, and resets. Keep it away from
whoever is tested.

--imds-listen serves the instance metadata: a link-local address is added to the
loopback link if no link has it, which needs CAP_NET_ADMIN. Its answers carry
--imds-hop-limit as IP TTL, so that a client behind one more hop gets none.

With -v each call is logged: who, what, the decision and the statement that made it.
Keys and tokens are never logged.`,
		Example: `  # By hand, on loopback and without root
  export EPI_EMULATOR_ACCESS_KEY_ID=AKIAEPIEXAMPLE000000 EPI_EMULATOR_SECRET_ACCESS_KEY=$(openssl rand -hex 20)
  export EPI_EMULATOR_CONTROL_TOKEN=$(openssl rand -hex 20) EPI_EMULATOR_SYNC_TOKEN=$(openssl rand -hex 20)
  epi-emulator serve --listen 127.0.0.1:4566 --control-listen 127.0.0.1:4567 --imds-listen "" --state ./aws.db -v &

  # Any AWS client
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2
  export AWS_ACCESS_KEY_ID=$EPI_EMULATOR_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$EPI_EMULATOR_SECRET_ACCESS_KEY
  aws sts get-caller-identity

  # A cluster whose tokens EKS Auth and STS take: its keys from a file
  kubectl get --raw /openid/v1/jwks > jwks.json
  epi-emulator serve --cluster name=demo,issuer=https://kubernetes.default.svc.cluster.local,jwks=jwks.json ...

  # An issuer for AssumeRoleWithWebIdentity, its keys discovered at the issuer
  epi-emulator serve --oidc-issuer issuer=https://oidc.example ...

  # Half of EKS Auth's answers throttled, through the control API
  curl -sS -X POST -H "Authorization: Bearer $EPI_EMULATOR_CONTROL_TOKEN" http://127.0.0.1:4567/v1/faults \
    --data '{"service":"eks-auth","probability":0.5,"error":{"kind":"throttling"}}'`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := f.complete(env); err != nil {
				return usageError{err}
			}
			f.Log = newLog(errOut, f.verbose)
			return f.serve(command.Context(), command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.listen, "listen", ":4566", "address for all AWS services")
	flags.StringVar(&f.controlListen, "control-listen", ":4567", "address for the control API; empty for none")
	flags.StringVar(&f.imdsListen, "imds-listen", "169.254.169.254:80", "address for instance metadata; empty for none")
	flags.IntVar(&f.hopLimit, "imds-hop-limit", 1, "response hop limit of instance metadata, 1 to 64")
	flags.StringVar(&f.Region, "region", "us-west-2", "AWS region")
	flags.StringVar(&f.Account, "account", "123456789012", "AWS account, 12 digits")
	flags.StringArrayVar(&f.Members, "member-account", nil, "further AWS account, 12 digits, in the organization "+emulator.OrganizationID+"; may be repeated")
	flags.StringVar(&f.NodeRole, "node-role", "epi-node", "name of the nodes' IAM role")
	flags.BoolVar(&f.IMDSv1, "imds-v1", false, "serve instance metadata without session tokens too (IMDSv1)")
	flags.DurationVar(&f.PropagationDelay, "iam-propagation-delay", 0, "how long a change in IAM takes to count, as on AWS it takes seconds")
	flags.StringVar(&f.state, "state", "", "file that keeps what is made; empty keeps it in memory")
	flags.StringArrayVar(&f.clusters, "cluster", nil, "cluster as name=NAME,issuer=URL[,jwks=FILE|URL]; without jwks the issuer is asked; may be repeated")
	flags.StringArrayVar(&f.issuers, "oidc-issuer", nil, "token issuer for STS as issuer=URL[,jwks=FILE|URL]; may be repeated")
	flags.BoolVar(&f.ClustersBacked, "cluster-maker", false, "a maker makes the EKS clusters that are asked for, and reports to the control API")
	flags.DurationVar(&f.Unbacked.After, "cluster-delay", 0, "without a maker: how long clusters and node groups take to be ACTIVE, and to go (default 300ms)")
	flags.StringVar(&f.Unbacked.Endpoint, "cluster-endpoint", "", "without a maker: URL of one API server for all clusters; empty for names that nobody serves")
	flags.StringVar(&f.clusterCA, "cluster-ca-file", "", "without a maker: file with the API server's certificate authority in PEM")
	f.tls.register(flags)
	f.hosts.register(flags)
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "log each call")
	return command
}

// complete adds the values from the environment, and reports all problems together.
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
	if f.Unbacked.After < 0 {
		problems = append(problems, fmt.Errorf("flag --cluster-delay: %s is negative", f.Unbacked.After))
	}
	if f.ClustersBacked && (f.Unbacked.After != 0 || f.Unbacked.Endpoint != "" || f.clusterCA != "") {
		problems = append(problems, errors.New("flag --cluster-maker: the other flags that begin with --cluster- are for clusters without a maker"))
	}
	if f.clusterCA != "" {
		var err error
		if f.Unbacked.CertificateAuthority, err = os.ReadFile(f.clusterCA); err != nil {
			problems = append(problems, fmt.Errorf("flag --cluster-ca-file: %w", err))
		}
	}
	return errors.Join(append(problems, f.tls.check(f.hosts.listen), f.hosts.check())...)
}

// serve runs until ctx ends or a listener fails. It writes one line to out when all listen.
func (f serveFlags) serve(ctx context.Context, out io.Writer) (err error) {
	if f.state != "" {
		if f.State, err = store.Open(f.state); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.State.Close()) }()
	}
	if f.Issuers, err = readIssuers(ctx, f.issuers); err != nil {
		return err
	}
	f.Limits = limits.New(limits.Options{})
	e, err := emulator.New(f.Options) //nolint:contextcheck // what is kept is read to its end
	if unreadable, ok := errors.AsType[*store.RecordError](err); ok {
		return fmt.Errorf("state %s cannot be used, and was left as it is; move it away to begin anew: %w", f.state, unreadable)
	}
	if err != nil {
		return usageError{err}
	}
	if err := registerClusters(ctx, e, f.clusters); err != nil {
		return err
	}
	authority, err := f.tls.authority(f.State, time.Now())
	if err != nil {
		return err
	}
	secure, err := f.tls.config(authority, time.Now())
	if err != nil {
		return err
	}
	s := &servers{log: f.Log, limits: f.Limits, removeAddress: func() error { return nil }}
	defer func() {
		s.closeListeners()
		err = errors.Join(err, s.removeAddress())
	}()
	aws, err := s.listenSecurely(ctx, f.listen, secure, e.Handler())
	if err != nil {
		return err
	}
	where := []string{"AWS on " + aws}
	if f.hosts.listen != "" {
		certificates := &hostCertificates{authority: authority, now: time.Now}
		at, err := s.listenSecurely(ctx, f.hosts.listen, certificates.config(), hostsHandler(e.Services(), e.Handler(), f.Log))
		if err != nil {
			return err
		}
		where = append(where, "AWS's host names on "+at)
	}
	if s.dns, err = f.hosts.resolve(ctx, f.Log); err != nil {
		return err
	}
	if s.dns != nil {
		where = append(where, "DNS on "+s.dns.Addr().String())
	}

	var metadata control.HopLimiter
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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.Run(ctx) })
	group.Go(func() error { return s.run(ctx) })
	return group.Wait()
}

// servers are the listeners of one process.
type servers struct {
	log     *slog.Logger
	limits  *limits.Limits
	pairs   []pair
	dns     *resolver.Server // nil for none
	running bool
	// removeAddress removes the address that was added for instance metadata.
	removeAddress func() error
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
	s.pairs = append(s.pairs, pair{s.limits.Listen(listener), handler})
	return listener.Addr().String(), nil
}

// listenSecurely is listen over TLS if there is a configuration. It returns the URL.
func (s *servers) listenSecurely(ctx context.Context, address string, secure *tls.Config, handler http.Handler) (string, error) {
	at, err := s.listen(ctx, address, handler)
	if err != nil {
		return "", err
	}
	if secure == nil {
		return "http://" + at, nil
	}
	last := &s.pairs[len(s.pairs)-1]
	last.listener = tls.NewListener(last.listener, secure)
	return "https://" + at, nil
}

func (s *servers) listenMetadata(ctx context.Context, address string, hopLimit int, handler http.Handler) (*imds.Listener, error) {
	if parsed, err := netip.ParseAddrPort(address); err == nil {
		remove, err := imds.AddAddress(parsed.Addr())
		if err != nil {
			return nil, err
		}
		s.removeAddress = remove
	}
	listener, err := imds.Listen(ctx, address, hopLimit)
	if err != nil {
		return nil, err
	}
	s.pairs = append(s.pairs, pair{s.limits.Listen(listener), handler})
	return listener, nil
}

// closeListeners is for a start that failed; a server closes its own.
func (s *servers) closeListeners() {
	if s.running {
		return
	}
	for _, p := range s.pairs {
		_ = p.listener.Close() // nothing was served on it
	}
	if s.dns != nil {
		_ = s.dns.Close() // this one neither
	}
}

// drain is how long requests in progress may take after the signal.
const drain = 5 * time.Second

func (s *servers) run(ctx context.Context) error {
	s.running = true
	group, ctx := errgroup.WithContext(ctx)
	if s.dns != nil {
		group.Go(func() error { return s.dns.Serve(ctx) })
	}
	for _, p := range s.pairs {
		// Long polls end with ctx, so they do not delay the shutdown.
		server := s.limits.Server(ctx, p.handler, s.log)
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
