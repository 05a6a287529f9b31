package eks

import (
	"fmt"
	"strings"
	"time"

	"github.com/podidentity/epi/clusters/ownership"
)

// price is a list price of US East (N. Virginia) in US dollars, with its source. AWS is not asked.
type price struct {
	// what is paid for, and the unit.
	what, per string
	// low and high are the same for a price that does not change by the hour.
	low, high float64
	// source names the source and a date: the source's date, or the date since which the price holds.
	source, date string
}

// priceRegion is the region of the prices.
const priceRegion = "us-east-1"

// monthHours is the number of hours by which AWS divides a monthly price.
const monthHours = 730

// The prices. If AWS's own price page could not be read, the source is one that quotes it.
var (
	clusterPrice = price{
		"EKS control plane, standard support", "hour", 0.10, 0.10,
		"https://aws.amazon.com/blogs/containers/amazon-eks-extended-support-for-kubernetes-versions-pricing/", "2024-04-01",
	}
	extendedPrice = price{
		"EKS control plane, extended support", "hour", 0.60, 0.60,
		"https://aws.amazon.com/blogs/containers/amazon-eks-extended-support-for-kubernetes-versions-pricing/", "2024-04-01",
	}
	// Each node has one.
	addressPrice = price{"public IPv4 address", "hour", 0.005, 0.005, "https://cloudburn.io/blog/aws-nat-gateway-pricing", "2026-02-24"}
	volumePrice  = price{"gp3 volume, per GB", "month", 0.08, 0.08, "https://www.saisci.com/aws/gp2-vs-gp3-cost-comparison-ebs-volumes/", "2021-02-04"}
	// The most expensive of the default types on demand, and that price less 90%, which is AWS's largest discount for spot
	// (https://aws.amazon.com/ec2/spot/pricing/).
	nodePrice = price{"t3.medium, spot (at most 90% less) to on demand", "hour", 0.1 * 0.0416, 0.0416, "https://hacecuentas.com/en/costo-servidor-cloud-aws-ec2-mensual", "2026-04-17"}
)

// String is the price for people, such as "$0.005 an hour".
func (p price) String() string {
	amount := dollars(p.high)
	if p.low != p.high {
		amount = dollars(p.low) + " to " + amount
	}
	article := "a "
	if p.per == "hour" {
		article = "an "
	}
	return fmt.Sprintf("%s: %s %s%s (%s, %s)", p.what, amount, article, p.per, p.source, p.date)
}

// dollars is an amount with as many digits as necessary, at least two.
func dollars(amount float64) string {
	text := strings.TrimRight(fmt.Sprintf("%.5f", amount), "0")
	for len(text)-strings.IndexByte(text, '.') < 3 {
		text += "0"
	}
	return "$" + text
}

// Plan says what is about to be created, and what it costs.
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

// control is the price of the control plane.
func (p Plan) control() price {
	if p.Extended {
		return extendedPrice
	}
	return clusterPrice
}

// Hour is the lowest and the highest cost of an hour in US dollars.
func (p Plan) Hour() (low, high float64) {
	nodes := float64(p.Nodes)
	fixed := p.control().high + nodes*(addressPrice.high+volumeSize*volumePrice.high/monthHours)
	return fixed + nodes*nodePrice.low, fixed + nodes*nodePrice.high
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
	fmt.Fprintf(&b, "Prices of %s in US dollars, before tax, as of the day beside each; AWS was not asked:\n", priceRegion)
	for _, each := range []price{p.control(), nodePrice, volumePrice, addressPrice} {
		fmt.Fprintf(&b, "  %s\n", each)
	}
	if p.Region != priceRegion {
		fmt.Fprintf(&b, "Prices of %s are not verified: other regions differ from %s by some tens of per cent.\n", p.Region, priceRegion)
	}
	if p.Extended {
		b.WriteString("This version is in extended support: its control plane costs six times as much.\n")
	}
	if !p.Priced {
		fmt.Fprintf(&b, "The price of %s is not verified: the nodes are counted as t3.medium.\n", strings.Join(p.InstanceTypes, " or "))
	}
	b.WriteString("Traffic, and what the suites store for minutes, is not counted.\n")
	return b.String()
}
