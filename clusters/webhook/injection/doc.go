// Package injection returns the JSON patch of a pod: a projected token, and two variables and a mount in each container. If
// the service account has an EKS Pod Identity association, the variables are for the agent, and the pod gets a label. If it
// is annotated with a role, they are for STS, as with IAM roles for service accounts. If it has both, the association
// counts.
//
// The patch is that of amazon-eks-pod-identity-webhook 3bf80a34, with two differences. Unknown fields are kept: pods are
// changed as raw JSON, so fields of a newer API server survive in the replaced lists of containers. A list without a change
// is not replaced, so a pod that was injected before gets no patch.
package injection
