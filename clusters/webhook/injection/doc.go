// Package injection decides what a pod with an EKS Pod Identity association gets, as a JSON patch:
// a label, a projected token, and in each container two variables and a mount.
//
// The patch is that of amazon-eks-pod-identity-webhook 3bf80a34, with two differences. Fields that
// this program does not know are kept: pods are changed as raw JSON, so what a newer API server
// sends survives the replaced lists of containers. And a list in which nothing changes is left
// alone, so a pod that was injected before gets no patch.
package injection
