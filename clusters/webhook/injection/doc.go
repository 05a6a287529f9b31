// Package injection decides what a pod gets, as a JSON patch: a projected token, and in each container
// two variables and a mount. A service account with an EKS Pod Identity association leads to the
// agent, and the pod is labelled; one that is annotated with a role leads to STS, as with IAM roles
// for service accounts. With both the association counts.
//
// The patch is that of amazon-eks-pod-identity-webhook 3bf80a34, with two differences. Fields that
// this program does not know are kept: pods are changed as raw JSON, so what a newer API server
// sends survives the replaced lists of containers. And a list in which nothing changes is left
// alone, so a pod that was injected before gets no patch.
package injection
