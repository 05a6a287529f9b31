// Package credentials fetches a pod's IAM credentials from EKS Auth: the API operation
// AssumeRoleForPodIdentity, signed with the credentials of the node's role.
//
// Source: the service model eks-auth 2023-11-26 and the behaviour of eks-pod-identity-agent 0.1.37.
package credentials
