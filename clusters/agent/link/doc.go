// Package link gives a node the addresses that the agent listens on: 169.254.170.23 and
// fd00:ec2::23 on a link of their own, pod-id-link0, each with a route to it.
//
// A link of that name is adopted whatever its type. Otherwise it is a dummy link or, where the
// kernel knows none, a bridge without ports. IPv6 is optional, as in eks-pod-identity-agent.
package link

// Name of the link.
const Name = "pod-id-link0"
