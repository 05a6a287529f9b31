package eks

import (
	"fmt"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/ownership"
)

// PricesOf is the day of the prices below, which are those of US East (N. Virginia) in US dollars: nobody is
// asked for them. Prices change, and other regions differ by some tens of per cent.
const PricesOf = "2026-11-28"

// Prices in US dollars.
const (
	// https://aws.amazon.com/eks/pricing/
	clusterHour         = 0.10
	extendedClusterHour = 0.60
	// https://aws.amazon.com/vpc/pricing/: one for each node.
	publicAddressHour = 0.005
	// https://aws.amazon.com/ebs/pricing/: gp3, a month of 730 hours.
	volumeGiBHour = 0.08 / 730
	// https://aws.amazon.com/ec2/pricing/on-demand/: t3.medium, the dearest of the default types. What spot
	// costs changes by the hour: it is between a third of this and all of it.
	nodeHour      = 0.0416
	cheapestShare = 0.3
)

// Plan is what is about to be made, and what it costs.
type Plan struct {
	Account, Caller, Region string
	// Cluster is the name; Version such as "1.36". Extended says that it is in extended support.
	Cluster, Version string
	Extended         bool
	Nodes            int
	InstanceTypes    []string
	Lifetime         time.Duration
	// Priced says that the types are the default ones, whose prices are known.
	Priced bool
}

// Hour is what an hour costs, at least and at most, in US dollars.
func (p Plan) Hour() (low, high float64) {
	fixed := clusterHour
	if p.Extended {
		fixed = extendedClusterHour
	}
	nodes := float64(p.Nodes)
	fixed += nodes * (publicAddressHour + volumeSize*volumeGiBHour)
	return fixed + nodes*nodeHour*cheapestShare, fixed + nodes*nodeHour
}

// hours is a time in hours, such as 6h.
func hours(d time.Duration) string { return fmt.Sprintf("%gh", d.Hours()) }

// String is the plan for people.
func (p Plan) String() string {
	low, high := p.Hour()
	span := func(hours float64) string { return fmt.Sprintf("$%.2f to $%.2f", low*hours, high*hours) }
	var b strings.Builder
	fmt.Fprintf(&b, "In AWS account %s, %s, as %s, epi is about to make:\n", p.Account, p.Region, p.Caller)
	fmt.Fprintf(&b, "  EKS cluster %s, Kubernetes %s, with a VPC of its own and no NAT gateway\n", p.Cluster, p.Version)
	fmt.Fprintf(&b, "  %d spot node(s) of %s, with %d GiB and a public address each\n", p.Nodes, strings.Join(p.InstanceTypes, " or "), volumeSize)
	b.WriteString("  the Pod Identity agent, an image repository, and what the suites make: roles, policies, buckets, associations\n")
	fmt.Fprintf(&b, "It costs about %s an hour; a forgotten day %s.\n", span(1), span(24))
	fmt.Fprintf(&b, "It is tagged to expire in %s; a sweeper that runs every %s (epi janitor) lets it cost at most %s.\n",
		hours(p.Lifetime), hours(ownership.Lifetime), fmt.Sprintf("$%.2f", high*(p.Lifetime+ownership.Lifetime).Hours()))
	fmt.Fprintf(&b, "Prices: list prices of us-east-1 of %s, from aws.amazon.com/eks/pricing, /ec2/pricing, /vpc/pricing, /ebs/pricing; not asked for now.\n", PricesOf)
	if p.Extended {
		b.WriteString("This version is in extended support: its control plane costs six times as much.\n")
	}
	if !p.Priced {
		b.WriteString("The nodes are counted as t3.medium: other types cost other prices.\n")
	}
	return b.String()
}
