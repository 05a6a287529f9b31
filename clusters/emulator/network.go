package emulator

import (
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/podidentity/epi/clusters/emulator/ec2"
	"github.com/podidentity/epi/clusters/emulator/eks"
	"github.com/podidentity/epi/clusters/emulator/iam"
	"github.com/podidentity/epi/clusters/emulator/imds"
	"github.com/podidentity/epi/clusters/emulator/query"
	"github.com/podidentity/epi/clusters/emulator/store"
)

// accountEC2 has the EC2 of each account by its ID. A caller reaches the EC2 of its own account.
type accountEC2 map[string]*ec2.Service

func newEC2(options Options, accounts *iam.Accounts, tables map[string]store.Table) (accountEC2, error) {
	all := accountEC2{}
	for _, account := range append([]string{options.Account}, options.Members...) {
		table := tables["ec2"]
		if account != options.Account {
			table = tables[memberTable("ec2", account)]
		}
		var err error
		all[account], err = ec2.New(ec2.Options{
			Region: options.Region, Account: account, Authorizer: authorizer{accounts, account}, Internal: byService, Now: options.Now, Table: table,
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ServeHTTP serves a request. Its caller, which is of one of the accounts, is in the context.
func (a accountEC2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a[iam.CallerFrom(r.Context()).Principal.AccountID].ServeHTTP(w, r)
}

// byService says whether an AWS service makes a request in the caller's name.
func byService(ctx context.Context) bool {
	caller := iam.CallerFrom(ctx)
	return caller != nil && len(caller.Via) > 0
}

// principalARN is the ARN of the request's user or role.
func principalARN(ctx context.Context) string {
	caller := iam.CallerFrom(ctx)
	switch {
	case caller == nil:
		return ""
	case caller.Principal.RoleARN != "":
		return caller.Principal.RoleARN
	}
	return caller.Principal.ARN
}

// network is eks.Networks.
type network struct{ *ec2.Service }

func (n network) LaunchTemplate(id, name, version string) (eks.LaunchTemplate, error) {
	found, err := n.Template(id, name, version)
	if err != nil {
		if refusal, ok := errors.AsType[*query.Error](err); ok {
			return eks.LaunchTemplate{}, errors.New(refusal.Message)
		}
		return eks.LaunchTemplate{}, err
	}
	out := eks.LaunchTemplate{
		ID: found.ID, Name: found.Name, Version: found.Version, InstanceType: found.Data.InstanceType, SecurityGroups: found.Data.SecurityGroupIDs,
		Tags: map[string]string{},
	}
	for _, face := range found.Data.NetworkInterfaces {
		out.SecurityGroups = append(out.SecurityGroups, face.Groups...)
	}
	if options := found.Data.MetadataOptions; options != nil {
		out.HTTPTokens = options.HTTPTokens
		if options.HopLimit != nil {
			out.HopLimit = *options.HopLimit
		}
	}
	for _, specification := range found.Data.TagSpecifications {
		if specification.ResourceType == "instance" {
			for _, tag := range specification.Tags {
				out.Tags[tag.Key] = tag.Value
			}
		}
	}
	return out, nil
}

func (n network) SetInstances(group string, wanted []eks.Instance) ([]string, error) {
	inputs := make([]ec2.InstanceInput, 0, len(wanted))
	for _, i := range wanted {
		inputs = append(inputs, ec2.InstanceInput(i))
	}
	return n.Service.SetInstances(group, inputs)
}

// knownInstance is imds.Options.Known: the nodes of node groups. If another program creates the nodes, no other instance
// has a role: a node becomes one when it is reported.
func (e *Emulator) knownInstance(address netip.Addr) imds.Known {
	found, ok := e.cloud.Load().networks[e.options.Account].InstanceAt(address.String())
	if !ok {
		return imds.Known{WithoutRole: e.options.ClustersBacked}
	}
	return imds.Known{
		ID: found.ID, RoleARN: found.RoleARN, ProfileARN: found.ProfileARN, ProfileID: found.ProfileID(), Type: found.Type, Zone: found.Zone, VPC: found.VPC, Subnet: found.Subnet,
		Spot: found.Spot, Disabled: found.HTTPEndpoint == "disabled",
	}
}

func (n network) HasInstanceType(name string) bool { return ec2.HasInstanceType(name) }
