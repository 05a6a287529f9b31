// Package neighbors reports by the node's routes whether a pod is still there.
//
// Amazon's VPC CNI, Calico and the ptp plugin, which kind's CNI uses, give each pod a route of its
// own and remove it with the pod. Where pods share a route, as on a bridge, and for pods on the host's
// network nothing is known.
package neighbors
