// Package neighbors finds out from the node's routes whether a pod still exists.
//
// Amazon's VPC CNI, Calico and the ptp plugin, which kind's CNI uses, give each pod a route of its own and remove it with
// the pod. If pods share a route, as on a bridge, and for pods on the host's network, nothing is known.
package neighbors
