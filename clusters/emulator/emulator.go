// Package emulator is the AWS side of Pod Identity in one process: EKS, EKS Auth, IAM, STS and S3
// behind one listener that verifies every signature, and the instance metadata service of the nodes.
// It implements what AWS documents of these APIs, not AWS.
package emulator

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/eksauth"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/s3"
	"github.com/podidentity/epi/clusters/emulator/sigv4"
	"github.com/podidentity/epi/clusters/emulator/sts"
)

// Administrator is the name of the IAM user that may do everything.
const Administrator = "epi-admin"

// Options of an Emulator. All fields but the last four are needed.
type Options struct {
	// Region such as "us-west-2", Account of twelve digits.
	Region, Account string
	// NodeRole is the name of the role that the instance metadata service gives to nodes.
	NodeRole string
	// AccessKeyID and SecretAccessKey are the Administrator's.
	AccessKeyID, SecretAccessKey string
	// ControlToken opens the control API; SyncToken only the identities in it. They must differ.
	ControlToken, SyncToken string

	// JournalSize is how many calls are kept; 0 means 100000.
	JournalSize int
	// AssociationLimit of a cluster; 0 means 5000.
	AssociationLimit int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets each call at level debug; nil discards.
	Log *slog.Logger
}

var (
	accountID  = regexp.MustCompile(`^[0-9]{12}$`)
	regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// Emulator is the AWS of one account and region. It is safe for concurrent use.
type Emulator struct {
	options  Options
	account  *iam.Account
	verifier *sigv4.Verifier
	journal  *journal.Ring
	eks      *eks.Service
	metadata *imds.Service
	// services by the name in the credential scope.
	services map[string]service
}

// New makes an account with its administrator, the AWS managed policies that the emulator knows and
// the node role, and the services over it.
func New(options Options) (*Emulator, error) {
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("make emulator: %w", err)
	}
	account, err := iam.NewAccount(iam.Options{AccountID: options.Account, Now: options.Now})
	if err != nil {
		return nil, fmt.Errorf("make account: %w", err)
	}
	if err := account.CreateAdministrator(Administrator, options.AccessKeyID, options.SecretAccessKey); err != nil {
		return nil, fmt.Errorf("make administrator: %w", err)
	}
	role, err := account.CreateServiceRole(options.NodeRole, "ec2.amazonaws.com", iam.WorkerNodePolicyARN)
	if err != nil {
		return nil, fmt.Errorf("make node role %s: %w", options.NodeRole, err)
	}
	objects, err := s3.NewHandler(s3.Options{Authorizer: account, Region: options.Region, Now: options.Now})
	if err != nil {
		return nil, fmt.Errorf("make S3: %w", err)
	}
	authorizer := authorizer{account}
	e := &Emulator{
		options: options, account: account,
		verifier: sigv4.NewVerifier(account, sigv4.Options{Now: options.Now}),
		journal:  journal.NewRing(options.JournalSize),
		eks: eks.New(eks.Options{
			Region: options.Region, Account: options.Account, Authorizer: authorizer, Roles: roles{account},
			Now: options.Now, AssociationLimit: options.AssociationLimit,
		}),
		metadata: imds.New(imds.Options{
			Region: options.Region, Account: options.Account, RoleName: options.NodeRole, Role: instances{account, role.ARN},
			Now: options.Now, Log: options.Log,
		}),
	}
	tokens := eksauth.New(eksauth.Options{
		Account: options.Account, Clusters: e.eks, Authorizer: authorizer, Sessions: sessions{account}, Now: options.Now,
	})
	e.services = map[string]service{
		"eks":      {handler: e.eks, refuse: refuseJSON, requestID: jsonRequestID, regions: []string{options.Region}},
		"eks-auth": {handler: tokens, refuse: refuseJSON, requestID: jsonRequestID, regions: []string{options.Region}},
		// IAM is signed for us-east-1, and for the client's own region by SDKs that were given an
		// endpoint; STS likewise, by way of its global endpoint.
		"iam": {handler: account.Handler(), refuse: iam.WriteSignatureError, requestID: jsonRequestID, regions: []string{options.Region, globalRegion}},
		"sts": {handler: sts.NewHandler(account), refuse: iam.WriteSignatureError, requestID: jsonRequestID, regions: []string{options.Region, globalRegion}},
		// S3 has an answer of its own to a wrong region.
		"s3": {handler: objects, refuse: s3.WriteSignatureError, requestID: s3RequestID},
	}
	return e, nil
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
	if o.JournalSize == 0 {
		o.JournalSize = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Handler serves all AWS services.
func (e *Emulator) Handler() http.Handler { return http.HandlerFunc(e.serve) }

// MetadataHandler serves the instance metadata; the caller's address is the instance.
func (e *Emulator) MetadataHandler() http.Handler { return e.metadata }

// ControlHandler serves the control API. hopLimiter is the listener of the instance metadata, or nil.
func (e *Emulator) ControlHandler(hopLimiter control.HopLimiter) (http.Handler, error) {
	return control.NewHandler(control.Options{
		Token: e.options.ControlToken, SyncToken: e.options.SyncToken,
		Clusters: clusters{e.eks}, Journal: e.journal, IMDS: hopLimiter,
	})
}
