package emulator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/eks"
)

// makers is control.Makers.
type makers struct{ emulator *Emulator }

func (m makers) Wanted(ctx context.Context, after string) control.Wanted {
	cloud := m.emulator.cloud.Load()
	revision, clusters := cloud.eks.Wanted(ctx, after)
	if latest := m.emulator.cloud.Load(); latest != cloud {
		// A reset happened in between.
		cloud = latest
		revision, clusters = latest.eks.Wanted(ctx, after)
	}
	out := control.Wanted{Revision: revision, Clusters: []control.WantedCluster{}}
	for _, c := range clusters {
		wanted := control.WantedCluster{
			Name: c.Name, ID: c.ID, ARN: c.ARN, Version: c.Version, ServiceCIDR: c.ServiceCIDR, RoleARN: c.RoleARN, Creator: c.Creator,
			Status: c.Status, Delete: c.Delete, Nodegroups: []control.WantedNodegroup{}, Addons: []control.WantedAddon{},
		}
		for _, g := range c.Nodegroups {
			group := control.WantedNodegroup{
				Name: g.Name, ID: g.ID, ARN: g.ARN, Status: g.Status, Delete: g.Delete, Size: g.Desired, Labels: g.Labels, InstanceTypes: g.InstanceTypes,
				Spot: g.Spot, RoleARN: g.RoleARN, HopLimit: g.HopLimit, HTTPTokens: g.HTTPTokens, Instances: []control.WantedInstance{},
			}
			for _, t := range g.Taints {
				group.Taints = append(group.Taints, control.Taint(t))
			}
			limits := cloud.networks[m.emulator.options.Account].HopLimits(g.ARN)
			for _, id := range g.Instances {
				group.Instances = append(group.Instances, control.WantedInstance{ID: id, HopLimit: limits[id]})
			}
			wanted.Nodegroups = append(wanted.Nodegroups, group)
		}
		for _, a := range c.Addons {
			wanted.Addons = append(wanted.Addons, control.WantedAddon(a))
		}
		out.Clusters = append(out.Clusters, wanted)
	}
	return out
}

func (m makers) Observe(cluster string, report control.Observed) error {
	out := eks.Observed{ID: report.ID, Status: report.Status, Issues: toIssues(report.Issues)}
	if found := report.Cluster; found != nil {
		out.Cluster = eks.Cluster{
			Issuer: found.Issuer, JWKS: found.JWKS, Endpoint: found.Endpoint, CertificateAuthority: found.CertificateAuthority, ServiceCIDR: found.ServiceCIDR,
		}
	}
	return stale(m.emulator.cloud.Load().eks.Observe(cluster, out))
}

func (m makers) ObserveNodegroup(cluster, name string, report control.ObservedPart) error {
	return stale(m.emulator.cloud.Load().eks.ObserveNodegroup(cluster, name, part(report)))
}

func (m makers) ObserveAddon(cluster, name string, report control.ObservedPart) error {
	return stale(m.emulator.cloud.Load().eks.ObserveAddon(cluster, name, part(report)))
}

func part(report control.ObservedPart) eks.ObservedPart {
	out := eks.ObservedPart{ID: report.ID, Status: report.Status, Issues: toIssues(report.Issues)}
	for _, i := range report.Instances {
		out.Instances = append(out.Instances, eks.Instance{ID: i.ID, PrivateIP: i.PrivateIP, PrivateDNS: i.PrivateDNS})
	}
	return out
}

func toIssues(list []control.Issue) (out []eks.Issue) {
	for _, i := range list {
		out = append(out, eks.Issue(i))
	}
	return out
}

func stale(err error) error {
	if errors.Is(err, eks.ErrStale) {
		return fmt.Errorf("%w: %w", control.ErrStale, err)
	}
	return err
}

// tick is the interval of AWS's work in the background.
const tick = 100 * time.Millisecond

// Run does AWS's work in the background, independently of requests, until ctx ends: clusters that no program creates become
// ACTIVE, and stacks continue.
func (e *Emulator) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			e.advance(ctx)
		}
	}
}

// advance is one step of Run. A reset waits for it.
func (e *Emulator) advance(ctx context.Context) {
	e.reset.RLock()
	defer e.reset.RUnlock()
	cloud := e.cloud.Load()
	for _, managed := range cloud.managers {
		managed.Settle()
	}
	for _, stacks := range cloud.stacks {
		stacks.Advance(ctx)
	}
}
