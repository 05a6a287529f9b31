// Package validation decides which requests the agent refuses without a call to EKS Auth: those to another address than the
// agent's own, and those with an invalid or expired token. It does not verify a token's signature. Only EKS Auth can, and
// it gets every token that is accepted here.
//
// Statuses and texts are those of eks-pod-identity-agent 0.1.37.
package validation
