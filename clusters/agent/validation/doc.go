// Package validation decides which requests the agent refuses by itself, without asking EKS Auth:
// those to another address than the agent's own, and those whose token is none or is out of its time.
// It does not verify a token: only EKS Auth can, and every token that passes here goes there.
//
// Statuses and texts are those of eks-pod-identity-agent 0.1.37.
package validation
