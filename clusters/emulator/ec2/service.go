// Package ec2 is the part of the EC2 API that eksctl and its stacks need. It has VPCs with subnets, routes, gateways and
// security groups. They carry no traffic, and are checked as AWS checks them. It has launch templates. It has the instances
// and network interfaces of EKS's node groups, which other programs report. Wire forms and codes are those of
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/; where the reference leaves something open, a comment names the
// choice.
package ec2

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/store"
)

const (
	version   = "2016-11-15"
	namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"
	// stateChange is how long AWS's changes in the background take, such as the creation of a NAT gateway.
	stateChange = 300 * time.Millisecond
)

// Authorizer decides about the caller of a request. It finds the caller in the context.
type Authorizer interface {
	// Authorize returns nil, or an error whose text may be shown to the caller. keys are the condition keys of this action,
	// besides those of every request.
	Authorize(ctx context.Context, action, resource string, keys map[string][]string) error
}

// Options of a Service.
type Options struct {
	// Region such as "us-west-2" and Account of twelve digits.
	Region, Account string
	Authorizer      Authorizer
	// Internal says whether the caller is an AWS service. Only a service may set tags whose keys begin with "aws:". nil
	// means that no caller is one.
	Internal func(ctx context.Context) bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Table keeps the resources; nil keeps them in memory only.
	Table store.Table
}

// Service serves the API. It is safe for concurrent use.
type Service struct {
	options Options
	handler http.Handler
	mu      sync.RWMutex
	vpcs    kind[vpc]
	subnets kind[subnet]
	tables  kind[routeTable]
	igws    kind[internetGateway]
	eips    kind[address]
	nats    kind[natGateway]
	groups  kind[securityGroup]
	lts     kind[launchTemplate]
	nodes   kind[Instance]
	enis    kind[networkInterface]
}

// New makes a service with the content of its table.
func New(options Options) (*Service, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Internal == nil {
		options.Internal = func(context.Context) bool { return false }
	}
	options.Table = store.OrNowhere(options.Table)
	s := &Service{options: options}
	s.vpcs = newKind[vpc](s, "vpc", "vpc", "InvalidVpcID.NotFound", "vpc ID")
	s.subnets = newKind[subnet](s, "subnet", "subnet", "InvalidSubnetID.NotFound", "subnet ID")
	s.tables = newKind[routeTable](s, "route-table", "rtb", "InvalidRouteTableID.NotFound", "routeTable ID")
	s.igws = newKind[internetGateway](s, "internet-gateway", "igw", "InvalidInternetGatewayID.NotFound", "internetGateway ID")
	s.eips = newKind[address](s, "elastic-ip", "eipalloc", "InvalidAllocationID.NotFound", "allocation ID")
	s.nats = newKind[natGateway](s, "natgateway", "nat", "NatGatewayNotFound", "NAT gateway")
	s.groups = newKind[securityGroup](s, "security-group", "sg", "InvalidGroup.NotFound", "security group")
	s.lts = newKind[launchTemplate](s, "launch-template", "lt", "InvalidLaunchTemplateId.NotFound", "launch template ID")
	s.nodes = newKind[Instance](s, "instance", "i", "InvalidInstanceID.NotFound", "instance ID")
	s.enis = newKind[networkInterface](s, "network-interface", "eni", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID")
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("load EC2 state: %w", err)
	}
	s.handler = &query.Service{Version: version, Namespace: namespace, Operations: s.operations(), Known: strings.Fields(known), EC2: true}
	return s, nil
}

// ServeHTTP answers a request whose signature was verified.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// known are the names of all operations that EC2 has, as of the AWS SDK for Go.
//
//go:embed operations.txt
var known string

// Operations are the names of all operations that a Service serves, sorted.
func Operations() []string { return slices.Sorted(maps.Keys(new(Service).operations())) }

func (s *Service) operations() map[string]query.Operation {
	return map[string]query.Operation{
		"DescribeAvailabilityZones": operation(s, s.describeAvailabilityZones), "DescribeInstanceTypes": operation(s, s.describeInstanceTypes),
		"DescribeInstanceTypeOfferings": operation(s, s.describeInstanceTypeOfferings), "DescribeKeyPairs": operation(s, s.describeKeyPairs),

		"CreateVpc": operation(s, s.createVPC), "DeleteVpc": operation(s, s.deleteVPC), "DescribeVpcs": operation(s, s.describeVPCs),
		"ModifyVpcAttribute": operation(s, s.modifyVPCAttribute), "DescribeVpcAttribute": operation(s, s.describeVPCAttribute),
		"CreateSubnet": operation(s, s.createSubnet), "DeleteSubnet": operation(s, s.deleteSubnet), "DescribeSubnets": operation(s, s.describeSubnets),
		"ModifySubnetAttribute": operation(s, s.modifySubnetAttribute),

		"CreateRouteTable": operation(s, s.createRouteTable), "DeleteRouteTable": operation(s, s.deleteRouteTable), "DescribeRouteTables": operation(s, s.describeRouteTables),
		"CreateRoute": operation(s, s.createRoute), "DeleteRoute": operation(s, s.deleteRoute),
		"AssociateRouteTable": operation(s, s.associateRouteTable), "DisassociateRouteTable": operation(s, s.disassociateRouteTable),

		"CreateInternetGateway": operation(s, s.createInternetGateway), "DeleteInternetGateway": operation(s, s.deleteInternetGateway),
		"DescribeInternetGateways": operation(s, s.describeInternetGateways),
		"AttachInternetGateway":    operation(s, s.attachInternetGateway), "DetachInternetGateway": operation(s, s.detachInternetGateway),
		"AllocateAddress": operation(s, s.allocateAddress), "ReleaseAddress": operation(s, s.releaseAddress), "DescribeAddresses": operation(s, s.describeAddresses),
		"CreateNatGateway": operation(s, s.createNATGateway), "DeleteNatGateway": operation(s, s.deleteNATGateway), "DescribeNatGateways": operation(s, s.describeNATGateways),

		"CreateSecurityGroup": operation(s, s.createSecurityGroup), "DeleteSecurityGroup": operation(s, s.deleteSecurityGroup),
		"DescribeSecurityGroups": operation(s, s.describeSecurityGroups), "DescribeSecurityGroupRules": operation(s, s.describeSecurityGroupRules),
		"AuthorizeSecurityGroupIngress": operation(s, s.authorizeRules("AuthorizeSecurityGroupIngress", false)),
		"AuthorizeSecurityGroupEgress":  operation(s, s.authorizeRules("AuthorizeSecurityGroupEgress", true)),
		"RevokeSecurityGroupIngress":    operation(s, s.revokeRules("RevokeSecurityGroupIngress", false)),
		"RevokeSecurityGroupEgress":     operation(s, s.revokeRules("RevokeSecurityGroupEgress", true)),

		"CreateLaunchTemplate": operation(s, s.createLaunchTemplate), "DeleteLaunchTemplate": operation(s, s.deleteLaunchTemplate),
		"CreateLaunchTemplateVersion": operation(s, s.createLaunchTemplateVersion), "ModifyLaunchTemplate": operation(s, s.modifyLaunchTemplate),
		"DescribeLaunchTemplates": operation(s, s.describeLaunchTemplates), "DescribeLaunchTemplateVersions": operation(s, s.describeLaunchTemplateVersions),

		"DescribeInstances": operation(s, s.describeInstances), "ModifyInstanceMetadataOptions": operation(s, s.modifyInstanceMetadataOptions),
		"DescribeNetworkInterfaces": operation(s, s.describeNetworkInterfaces),

		"CreateTags": operation(s, s.createTags), "DeleteTags": operation(s, s.deleteTags), "DescribeTags": operation(s, s.describeTags),
	}
}

// request is one request, for its operation.
type request struct {
	service *Service
	ctx     context.Context
	dryRun  bool
}

// operation reads the parameters into an operation's input.
func operation[I any](s *Service, do func(request, I) (any, error)) query.Operation {
	return func(ctx context.Context, p query.Parameters) (any, error) {
		var in I
		if err := p.Decode(&in, ""); err != nil {
			return nil, err
		}
		return do(request{s, ctx, strings.EqualFold(p.Get("DryRun"), "true")}, in)
	}
}

// keys are condition keys.
type keys map[string][]string

func (k keys) with(more keys) keys {
	all := maps.Clone(k)
	if all == nil {
		all = keys{}
	}
	maps.Copy(all, more)
	return all
}

// authorize decides about an action on each of the resources, or on "*" if there are none.
func (r request) authorize(action string, more keys, resources ...access) error {
	if len(resources) == 0 {
		resources = []access{{arn: "*"}}
	}
	all := keys{"ec2:Region": {r.service.options.Region}}.with(more)
	for _, resource := range resources {
		if err := r.service.options.Authorizer.Authorize(r.ctx, "ec2:"+action, resource.arn, all.with(resource.keys)); err != nil {
			return query.Errorf("UnauthorizedOperation", http.StatusForbidden, "You are not authorized to perform this operation. %s", err)
		}
	}
	return nil
}

// allowed ends a dry run, after everything is authorised.
func (r request) allowed() error {
	if r.dryRun {
		return query.Errorf("DryRunOperation", http.StatusPreconditionFailed, "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

// access is a resource of an action, with its own condition keys.
type access struct {
	arn  string
	keys keys
}

func (s *Service) arn(kind, id string) string {
	return "arn:aws:ec2:" + s.options.Region + ":" + s.options.Account + ":" + kind + "/" + id
}

// base has the fields of all resources.
type base struct {
	ID      string
	Tags    map[string]string `json:",omitempty"`
	Created time.Time
	// Token is the ClientToken of the request that created it.
	Token string `json:",omitempty"`
}

func (b *base) common() *base { return b }

// resource is a pointer to one of the kinds of resources.
type resource[T any] interface {
	*T
	common() *base
}

// kind holds all resources of one kind.
type kind[T any] struct {
	service *Service
	// name is the type in ARNs and tag specifications. prefix is the beginning of IDs.
	name, prefix string
	// notFound is the error code. noun is the resource's name in messages.
	notFound, noun string
	all            map[string]*T
}

func newKind[T any](s *Service, name, prefix, notFound, noun string) kind[T] {
	return kind[T]{s, name, prefix, notFound, noun, map[string]*T{}}
}

func newID(prefix string) string {
	var random [9]byte
	_, _ = rand.Read(random[:]) // never fails
	return prefix + "-" + hex.EncodeToString(random[:])[:17]
}

// find returns a resource, or the API's error. The caller holds mu.
func (k kind[T]) find(id string) (*T, error) {
	switch {
	case id == "":
		return nil, missing("The request must contain the ID of the %s", k.noun)
	case k.all[id] == nil && !strings.HasPrefix(id, k.prefix+"-"):
		code, _, _ := strings.Cut(k.notFound, ".")
		return nil, query.Errorf(code+".Malformed", http.StatusBadRequest, "Invalid id: %q (expecting \"%s-...\")", id, k.prefix)
	case k.all[id] == nil:
		return nil, query.Errorf(k.notFound, http.StatusBadRequest, "The %s '%s' does not exist", k.noun, id)
	}
	return k.all[id], nil
}

// accessTo returns the resource with its tags as condition keys. For a resource that does not exist it is the ARN only.
func accessTo[T any, P resource[T]](k kind[T], id string) access {
	k.service.mu.RLock()
	defer k.service.mu.RUnlock()
	out := access{arn: k.service.arn(k.name, id), keys: keys{}}
	if found, ok := k.all[id]; ok {
		for key, value := range P(found).common().Tags {
			out.keys["aws:ResourceTag/"+key] = []string{value}
			out.keys["ec2:ResourceTag/"+key] = []string{value}
		}
	}
	return out
}

// put writes a resource's record, and then memory. The caller holds mu for writing.
func put[T any, P resource[T]](k kind[T], changed T) error {
	value, err := json.Marshal(changed)
	if err != nil {
		return fmt.Errorf("encode record of %s: %w", k.name, err)
	}
	id := P(&changed).common().ID
	if err := k.service.options.Table.Put(k.name+"/"+id, value); err != nil {
		return err
	}
	k.all[id] = &changed
	return nil
}

// remove deletes a record, and then the resource in memory. The caller holds mu for writing.
func (k kind[T]) remove(id string) error {
	if err := k.service.options.Table.Delete(k.name + "/" + id); err != nil {
		return err
	}
	delete(k.all, id)
	return nil
}

// sorted returns the resources that keep accepts, by their creation. The caller holds mu.
func sorted[T any, P resource[T]](k kind[T], keep func(*T) bool) []*T {
	var list []*T
	for _, one := range k.all {
		if keep == nil || keep(one) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *T) int {
		x, y := P(a).common(), P(b).common()
		if n := x.Created.Compare(y.Created); n != 0 {
			return n
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}

func (s *Service) load() error {
	return s.options.Table.Each(func(key string, value []byte) error {
		name, _, _ := strings.Cut(key, "/")
		for _, read := range []func(string, []byte) (bool, error){
			loader(s.vpcs), loader(s.subnets), loader(s.tables), loader(s.igws), loader(s.eips), loader(s.nats),
			loader(s.groups), loader(s.lts), loader(s.nodes), loader(s.enis),
		} {
			if mine, err := read(name, value); err != nil {
				return fmt.Errorf("read record %q: %w", key, err)
			} else if mine {
				return nil
			}
		}
		return fmt.Errorf("unknown kind of record %q", key)
	})
}

func loader[T any, P resource[T]](k kind[T]) func(string, []byte) (bool, error) {
	return func(name string, value []byte) (bool, error) {
		if name != k.name {
			return false, nil
		}
		var one T
		if err := json.Unmarshal(value, &one); err != nil {
			return true, err
		}
		k.all[P(&one).common().ID] = &one
		return true, nil
	}
}

func missing(format string, args ...any) error {
	return query.Errorf("MissingParameter", http.StatusBadRequest, format, args...)
}

func wrongValue(format string, args ...any) error {
	return query.Errorf("InvalidParameterValue", http.StatusBadRequest, format, args...)
}

func dependency(kind, id string) error {
	return query.Errorf("DependencyViolation", http.StatusBadRequest, "The %s '%s' has dependencies and cannot be deleted.", kind, id)
}
