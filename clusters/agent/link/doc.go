// Package link gives a node the addresses that the agent listens on: 169.254.170.23 and fd00:ec2::23 on a link of their
// own, pod-id-link0, each with a route to it.
//
// An existing link of that name is used, of any type. Otherwise the package creates a dummy link or, if the kernel has no
// dummy links, a bridge without ports. IPv6 is optional, as in eks-pod-identity-agent.
package link

// Name of the link.
const Name = "pod-id-link0"
