// Package emulator is the AWS side of Pod Identity in one process. EKS, EKS Auth, IAM, STS, S3 and ECR with its registry
// are behind one listener that verifies every signature. The instance metadata service of the nodes has its own. It
// implements what AWS documents of these APIs.
package emulator

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/iam/policy"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/limits"
	"github.com/podidentity/epi/clusters/emulator/oidc"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/s3/objects"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
	"github.com/podidentity/epi/clusters/emulator/store"
	"github.com/podidentity/epi/clusters/emulator/sts"
)

// Administrator is the name of the IAM user with all permissions.
const Administrator = "epi-admin"

// OrganizationID is the ID of the organisation of an emulator with further accounts.
const OrganizationID = iam.OrganizationID

// Options of an Emulator. All fields up to SyncToken are required.
type Options struct {
	// Region such as "us-west-2", Account of twelve digits.
	Region, Account string
	// NodeRole is the name of the role that nodes get from the instance metadata service.
	NodeRole string
	// AccessKeyID and SecretAccessKey are the Administrator's.
	AccessKeyID, SecretAccessKey string
	// ControlToken authorises the whole control API, and SyncToken only its identities. They must differ.
	ControlToken, SyncToken string

	// Members are additional accounts. Each has the role OrganizationAccountAccessRole, which Account may assume. It may be
	// empty.
	Members []string
	// Issuers are token issuers by URL for AssumeRoleWithWebIdentity, besides those of the registered clusters. It may be
	// nil.
	Issuers map[string]*oidc.Keys
	// PropagationDelay is how long changes in IAM take to count in decisions.
	PropagationDelay time.Duration
	// IMDSv1 serves instance metadata without session tokens too.
	IMDSv1 bool
	// State keeps the emulator's content; nil keeps it in memory.
	State *store.Store
	// JournalSize is the number of calls to keep; 0 means 100000.
	JournalSize int
	// AssociationLimit of a cluster; 0 means 5000.
	AssociationLimit int
	// ClustersBacked says that another program creates the EKS clusters and reports through the control API. Otherwise they
	// become ACTIVE by themselves, as Unbacked says.
	ClustersBacked bool
	Unbacked       eks.Unbacked
	// Decided receives each decision with the caller's ARN. It may be nil.
	Decided func(caller string, decision policy.Decision)
	// Limits bound what unknown clients can take, also of the listeners; nil means the defaults.
	Limits *limits.Limits
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets each call at level debug; nil discards.
	Log *slog.Logger
}

const (
	ec2Principal = "ec2.amazonaws.com"
	// maxPropagation is far above AWS's own delay.
	maxPropagation = 5 * time.Minute
)

var (
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
	regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// Emulator is the AWS of one region. It is safe for concurrent use.
type Emulator struct {
	options  Options
	journal  *journal.Ring
	faults   *faults.Set
	metadata *imds.Service
	hops     hops
	limits   *limits.Limits

	// cloud is replaced by Reset while no request is being served.
	cloud atomic.Pointer[cloud]
	reset sync.RWMutex
}

// cloud is all that AWS clients can create and change.
type cloud struct {
	accounts *iam.Accounts
	verifier *sigv4.Verifier
	eks      *eks.Service
	// managers and networks are those of all accounts. eks is the first account's.
	managers accountEKS
	networks accountEC2
	stacks   accountStacks
	images   accountECR
	// services by the name in the credential scope.
	services map[string]service
}

// New makes the accounts with their administrator, the AWS managed policies that the emulator knows and the node role, and
// the services over them. If the state has them, it loads them.
func New(options Options) (*Emulator, error) {
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("make emulator: %w", err)
	}
	e := &Emulator{options: options, journal: journal.NewRing(options.JournalSize), limits: options.Limits}
	e.faults = faults.New(faults.Options{Now: options.Now, Services: e.faultServices})
	first, err := e.newCloud(nil)
	if err != nil {
		return nil, fmt.Errorf("make emulator: %w", err)
	}
	e.cloud.Store(first)
	e.metadata = imds.New(imds.Options{
		Region: options.Region, Account: options.Account, Known: e.knownInstance, RoleName: options.NodeRole, Role: instances{e},
		V1: options.IMDSv1, Faults: e.faults, Record: func(call journal.Call) { e.journal.Add(call) }, Now: options.Now, Log: options.Log,
	})
	return e, nil
}

// faultServices are the services that faults can be set for: those of the AWS endpoint, and instance metadata.
func (e *Emulator) faultServices() []string {
	return append(slices.Collect(maps.Keys(e.cloud.Load().services)), imds.ServiceName)
}

// openTables opens the tables of all services. Those of a member account have its ID in their name.
func openTables(state *store.Store, members []string) (map[string]store.Table, error) {
	tables := map[string]store.Table{}
	names := []string{"iam", "eks", "ec2", "cloudformation", "ecr", "ecr blobs", "s3 buckets", "s3 objects", "s3 contents", "s3 uploads"}
	for _, member := range members {
		names = append(names, memberTable("eks", member), memberTable("ec2", member), memberTable("cloudformation", member), memberTable("ecr", member), memberTable("ecr blobs", member))
	}
	for _, name := range names {
		var err error
		if tables[name], err = state.Table(name); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func memberTable(service, account string) string { return service + " of " + account }

// newCloud loads the state, or makes a new one if there is none. sessionKey may be nil.
func (e *Emulator) newCloud(sessionKey []byte) (*cloud, error) {
	options := e.options
	tables, err := openTables(options.State, options.Members)
	if err != nil {
		return nil, err
	}
	accounts, err := iam.NewAccounts(iam.Options{
		AccountID: options.Account, Members: options.Members, PropagationDelay: options.PropagationDelay,
		Table: tables["iam"], SessionKey: sessionKey, Now: options.Now, Decided: options.Decided,
	})
	if err != nil {
		return nil, fmt.Errorf("make accounts: %w", err)
	}
	if err := accounts.CreateAdministrator(Administrator, options.AccessKeyID, options.SecretAccessKey); err != nil {
		return nil, err
	}
	if _, err := accounts.CreateServiceRole(options.NodeRole, ec2Principal, iam.WorkerNodePolicyARN); err != nil {
		return nil, fmt.Errorf("make node role: %w", err)
	}
	c := &cloud{accounts: accounts}
	c.verifier = sigv4.NewVerifier(accounts, sigv4.Options{
		Now: options.Now, MaxBody: map[string]int64{"s3": objects.MaxSize}, PresignedLife: map[string]time.Duration{"sts": sts.PresignedLife},
	})
	storage, err := s3.NewHandler(s3.Options{
		Authorizer: accounts, Region: options.Region, Now: options.Now, Forms: forms{c},
		Tables: objects.Tables{
			Buckets: tables["s3 buckets"], Objects: tables["s3 objects"], Contents: tables["s3 contents"], Uploads: tables["s3 uploads"],
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make S3: %w", err)
	}
	networks, err := newEC2(options, accounts, tables)
	if err != nil {
		return nil, fmt.Errorf("make EC2: %w", err)
	}
	managers, err := newEKS(options, accounts, networks, tables)
	if err != nil {
		return nil, fmt.Errorf("make EKS: %w", err)
	}
	clusters := managers[options.Account]
	c.eks, c.managers, c.networks = clusters, managers, networks
	security := sts.NewHandler(sts.Options{Accounts: accounts, Issuers: issuers{options.Issuers, clusters}, Now: options.Now})
	tokens := eksauth.New(eksauth.Options{
		Account: options.Account, Clusters: clusters, Authorizer: authorizer{accounts, options.Account}, Sessions: sessions{accounts, options.Region}, Now: options.Now,
	})
	stacks, err := e.newStacks(c, tables)
	if err != nil {
		return nil, fmt.Errorf("make CloudFormation: %w", err)
	}
	c.stacks = stacks
	if c.images, err = newECR(options, accounts, tables); err != nil {
		return nil, fmt.Errorf("make ECR: %w", err)
	}
	c.services = map[string]service{
		"eks":      {handler: managers, refuse: refuseJSON, requestID: jsonRequestID, regions: []string{options.Region}},
		"eks-auth": {handler: tokens, refuse: refuseJSON, requestID: jsonRequestID, regions: []string{options.Region}},
		// Requests to IAM are signed for us-east-1. SDKs with an endpoint sign them for the client's own region. The same
		// is true of STS, because of its global endpoint.
		"iam":            {handler: accounts.Handler(), refuse: iam.WriteSignatureError, requestID: jsonRequestID, regions: []string{options.Region, globalRegion}},
		"sts":            {handler: security, refuse: sts.WriteSignatureError, requestID: jsonRequestID, regions: []string{options.Region, globalRegion}},
		"ec2":            {handler: networks, refuse: refuseEC2, requestID: jsonRequestID, regions: []string{options.Region}},
		"cloudformation": {handler: stacks, refuse: refuseStacks, requestID: jsonRequestID, regions: []string{options.Region}},
		"ecr":            {handler: c.images, refuse: refuseECR, requestID: jsonRequestID, regions: []string{options.Region}},
		// S3 answers a wrong region itself.
		"s3": {handler: storage, refuse: s3.WriteSignatureError, requestID: s3RequestID},
	}
	return c, nil
}

func (o *Options) complete() error {
	switch {
	case !regionName.MatchString(o.Region):
		return fmt.Errorf("region %q: must look like us-west-2", o.Region)
	case !accountID.MatchString(o.Account):
		return fmt.Errorf("account %q: must have 12 digits", o.Account)
	case o.NodeRole == "":
		return errors.New("node role: needs a name")
	case o.AccessKeyID == "" || o.SecretAccessKey == "":
		return errors.New("administrator: needs an access key ID and a secret access key")
	}
	for _, member := range o.Members {
		if !accountID.MatchString(member) {
			return fmt.Errorf("member account %q: must have 12 digits", member)
		}
	}
	if o.PropagationDelay < 0 || o.PropagationDelay > maxPropagation {
		return fmt.Errorf("IAM propagation delay %s: must be between 0s and %s", o.PropagationDelay, maxPropagation)
	}
	if o.JournalSize == 0 {
		o.JournalSize = 100_000
	}
	if o.Limits == nil {
		o.Limits = limits.New(limits.Options{})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// RegisterCluster makes a cluster known to EKS, EKS Auth and STS, or changes a known one.
func (e *Emulator) RegisterCluster(name string, cluster control.Cluster) error {
	return clusters{e}.RegisterCluster(name, cluster)
}

// Services are the signing names of all AWS services that are served, sorted.
func (e *Emulator) Services() []string { return e.cloud.Load().names() }

// Handler serves all AWS services.
func (e *Emulator) Handler() http.Handler { return e.limits.Handler(http.HandlerFunc(e.serve)) }

// MetadataHandler serves the instance metadata. The caller's address stands for the instance.
func (e *Emulator) MetadataHandler() http.Handler { return e.limits.Handler(e.metadata) }

// ControlHandler serves the control API. limiter is the listener of the instance metadata, or nil. A reset restores the
// limiter's hop limit of the time of this call.
func (e *Emulator) ControlHandler(limiter control.HopLimiter) (http.Handler, error) {
	options := control.Options{
		Token: e.options.ControlToken, SyncToken: e.options.SyncToken,
		Clusters: clusters{e}, Makers: makers{e}, TokenReviews: e.tokenReviews, Journal: e.journal, Faults: e.faults, Quotas: quotas{e}, Resetter: e,
		Known: limits.Known,
	}
	if listener, ok := limiter.(*imds.Listener); ok {
		if err := e.metadata.Attach(listener); err != nil {
			return nil, err
		}
	}
	if limiter != nil {
		e.hops = hops{limiter, limiter.HopLimit()}
		options.IMDS, options.IMDSv1 = limiter, e.metadata
	}
	handler, err := control.NewHandler(options)
	if err != nil {
		return nil, err
	}
	return e.limits.Handler(handler), nil
}
