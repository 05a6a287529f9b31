// Package eks is the part of the EKS API that Pod Identity and eksctl need: clusters, node groups, access entries, pod
// identity associations and add-ons. It keeps the wanted and the observed state. Another program may create the clusters
// and nodes and report on them. Without such a program they become ACTIVE by themselves. Wire forms, codes and limits are
// those of https://docs.aws.amazon.com/eks/latest/APIReference/; where the reference leaves something open, a comment names
// the choice.
package eks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/podidentity/epi/clusters/emulator/faults"
	"github.com/podidentity/epi/clusters/emulator/journal"
	"github.com/podidentity/epi/clusters/emulator/restjson"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// Principal is the service that assumes the roles of associations.
const Principal = "pods.eks.amazonaws.com"

// Authorizer decides about the caller of a request. It finds the caller in the context.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller. keys are the condition keys of this action,
	// besides those of every request.
	Authorize(ctx context.Context, action, resource string, keys map[string][]string) error
}

// ErrNoRole and ErrTrust are the errors that Roles returns for a role.
var (
	ErrNoRole = errors.New("role does not exist")
	ErrTrust  = errors.New("role does not trust " + Principal)
)

// Roles knows the roles of the account and the grammar of policies.
type Roles interface {
	// CheckTrust returns ErrNoRole, ErrTrust or nil. It does not check the conditions of the trust policy, because they
	// depend on a session that does not exist yet.
	CheckTrust(ctx context.Context, roleARN string) error
	// CheckSessionPolicy returns what is wrong with a policy document, in words for its author.
	CheckSessionPolicy(document string) error
	// CheckRole returns ErrNoRole, or an error that says that the role does not trust the service.
	CheckRole(ctx context.Context, roleARN, service string) error
}

// Options of a Service.
type Options struct {
	// Region such as "us-west-2" and Account of twelve digits.
	Region, Account string
	Authorizer      Authorizer
	Roles           Roles
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// AssociationLimit is the number of associations that a cluster may have at first; 0 means 5000
	// (https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html).
	AssociationLimit int
	// Networks checks the networks of clusters. If it is nil, they are accepted unchecked.
	Networks Networks
	// Caller returns the ARN of the IAM user or role that made the request; nil means the account's root.
	Caller func(ctx context.Context) string
	// Internal says whether the caller is an AWS service. Only a service may set tags whose keys begin with "aws:". nil
	// means that no caller is one.
	Internal func(ctx context.Context) bool
	// Backed says that another program creates the wanted clusters and reports on them. Otherwise they reach their state by
	// themselves, as Unbacked says.
	Backed   bool
	Unbacked Unbacked
	// Table keeps clusters and what is in them; nil keeps them in memory only.
	Table store.Table
}

// Service serves the API. It is safe for concurrent use.
type Service struct {
	options Options
	mux     *http.ServeMux
	pages   pages
	state   state
	// next is the time of Settle's next work, in nanoseconds of the epoch; 0 for none.
	next atomic.Int64
}

// New makes a service with the content of its table.
func New(options Options) (*Service, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.AssociationLimit == 0 {
		options.AssociationLimit = 5000
	}
	if options.Unbacked.After == 0 {
		options.Unbacked.After = addonChange
	}
	options.Table = store.OrNowhere(options.Table)
	s := &Service{options: options, mux: http.NewServeMux(), pages: newPages()}
	s.state = state{boot: rand.Text(), clusters: map[string]*cluster{}, associationLimit: options.AssociationLimit}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load EKS state: %w", err)
	}
	for _, route := range s.routes() {
		s.handle(route)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { unknownOperation(w, r) })
	return s, nil
}

// route leads to an operation, which returns the answer.
type route struct {
	pattern, operation string
	do                 func(*http.Request) (any, error)
}

func (s *Service) routes() []route {
	const (
		associations = "/clusters/{clusterName}/pod-identity-associations"
		addons       = "/clusters/{clusterName}/addons"
		nodegroups   = "/clusters/{clusterName}/node-groups"
		entries      = "/clusters/{clusterName}/access-entries"
		entry        = entries + "/{principalArn}"
	)
	return []route{
		{"GET /clusters", "ListClusters", s.listClusters},
		{"GET /clusters/{clusterName}", "DescribeCluster", s.describeCluster},
		{"POST /clusters", "CreateCluster", s.createCluster},
		{"DELETE /clusters/{clusterName}", "DeleteCluster", s.deleteCluster},
		{"GET /cluster-versions", "DescribeClusterVersions", s.describeClusterVersions},
		{"POST " + nodegroups, "CreateNodegroup", s.createNodegroup},
		{"GET " + nodegroups, "ListNodegroups", s.listNodegroups},
		{"GET " + nodegroups + "/{nodegroupName}", "DescribeNodegroup", s.describeNodegroup},
		{"DELETE " + nodegroups + "/{nodegroupName}", "DeleteNodegroup", s.deleteNodegroup},
		{"GET /clusters/{clusterName}/fargate-profiles", "ListFargateProfiles", s.listFargateProfiles},
		{"POST " + entries, "CreateAccessEntry", s.createAccessEntry},
		{"GET " + entries, "ListAccessEntries", s.listAccessEntries},
		{"GET " + entry, "DescribeAccessEntry", s.describeAccessEntry},
		{"POST " + entry, "UpdateAccessEntry", s.updateAccessEntry},
		{"DELETE " + entry, "DeleteAccessEntry", s.deleteAccessEntry},
		{"POST " + entry + "/access-policies", "AssociateAccessPolicy", s.associateAccessPolicy},
		{"GET " + entry + "/access-policies", "ListAssociatedAccessPolicies", s.listAssociatedAccessPolicies},
		{"DELETE " + entry + "/access-policies/{policyArn}", "DisassociateAccessPolicy", s.disassociateAccessPolicy},
		{"GET /access-policies", "ListAccessPolicies", s.listAccessPolicies},
		{"POST " + associations, "CreatePodIdentityAssociation", s.createAssociation},
		{"GET " + associations, "ListPodIdentityAssociations", s.listAssociations},
		{"GET " + associations + "/{associationId}", "DescribePodIdentityAssociation", s.describeAssociation},
		{"POST " + associations + "/{associationId}", "UpdatePodIdentityAssociation", s.updateAssociation},
		{"DELETE " + associations + "/{associationId}", "DeletePodIdentityAssociation", s.deleteAssociation},
		{"POST " + addons, "CreateAddon", s.createAddon},
		{"GET " + addons, "ListAddons", s.listAddons},
		{"GET " + addons + "/{addonName}", "DescribeAddon", s.describeAddon},
		{"POST " + addons + "/{addonName}/update", "UpdateAddon", s.updateAddon},
		{"DELETE " + addons + "/{addonName}", "DeleteAddon", s.deleteAddon},
		{"GET /addons/supported-versions", "DescribeAddonVersions", s.describeAddonVersions},
		{"GET /addons/configuration-schemas", "DescribeAddonConfiguration", s.describeAddonConfiguration},
		{"GET /clusters/{clusterName}/updates", "ListUpdates", s.listUpdates},
		{"GET /clusters/{clusterName}/updates/{updateId}", "DescribeUpdate", s.describeUpdate},
		{"POST /tags/{resourceArn}", "TagResource", s.tagResource},
		{"DELETE /tags/{resourceArn}", "UntagResource", s.untagResource},
		{"GET /tags/{resourceArn}", "ListTagsForResource", s.listTagsForResource},
	}
}

// Operations are the names of all operations that a Service routes, sorted.
func Operations() []string {
	var names []string
	for _, route := range new(Service).routes() {
		names = append(names, route.operation)
	}
	slices.Sort(names)
	return names
}

func (s *Service) handle(route route) {
	s.mux.HandleFunc(route.pattern, func(w http.ResponseWriter, r *http.Request) {
		call := journal.FromContext(r.Context())
		call.Operation = route.operation
		answer, err := serve(r, route)
		if err != nil {
			call.Cause = restjson.Cause(err)
			call.ErrorCode = restjson.WriteError(w, about(r, err), codeServer)
			return
		}
		restjson.Write(w, answer)
	})
}

func serve(r *http.Request, route route) (any, error) {
	if err := faults.At(r.Context(), faults.Target{Operation: route.operation}); err != nil {
		return nil, err
	}
	return route.do(r)
}

// ServeHTTP answers a request whose signature was verified.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The multiplexer would redirect an unclean path. No AWS service does that.
	if path.Clean(r.URL.Path) != r.URL.Path {
		unknownOperation(w, r)
		return
	}
	s.Settle()
	s.mux.ServeHTTP(w, r)
}

func unknownOperation(w http.ResponseWriter, r *http.Request) {
	journal.FromContext(r.Context()).ErrorCode = restjson.WriteError(w, restjson.Errorf("UnknownOperationException",
		http.StatusNotFound, "The emulator's EKS has no operation %s %s.", r.Method, r.URL.Path), codeServer)
}

// authorize turns a refusal into the API's error.
func (s *Service) authorize(ctx context.Context, action, resource string, keys map[string][]string) error {
	if err := s.options.Authorizer.Authorize(ctx, action, resource, keys); err != nil {
		return restjson.Errorf(codeAccessDenied, http.StatusForbidden, "%s", err)
	}
	return nil
}
