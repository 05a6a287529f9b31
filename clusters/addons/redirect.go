package addons

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

// dnsName is kubeadm's Deployment of cluster DNS.
const dnsName = "coredns"

// Redirect has the values that the manifests of the redirection leave open.
type Redirect struct {
	// Endpoint is the pods' endpoint of AWS.
	Endpoint string
	// CA is the certificate, in PEM, of the authority for AWS's host names.
	CA []byte
}

// InstallRedirect creates the policies that set pods' AWS SDKs to an endpoint.
func (i *Installer) InstallRedirect(ctx context.Context, redirect Redirect) error {
	err := i.install(ctx, manifests.Redirect, redirect.edit)
	if meta.IsNoMatchError(err) {
		return &clusters.EnvironmentError{
			Doing: "redirect AWS", Remedy: "take a node image of Kubernetes 1.36 or later, or leave --redirect-aws out",
			Err: fmt.Errorf("this Kubernetes has no MutatingAdmissionPolicy: %w", err),
		}
	}
	return err
}

// edit sets the variables of the policies, in each policy that has them.
func (r Redirect) edit(object k8s.Object) error {
	policy, ok := object.(*admissionv1.MutatingAdmissionPolicy)
	if !ok {
		return nil
	}
	if r.Endpoint == "" || len(r.CA) == 0 {
		return errors.New("redirect AWS: needs an endpoint and a CA")
	}
	// Go's quoted form of printable text and line ends is a string in CEL too.
	values := map[string]string{"ca": strconv.QuoteToASCII(string(r.CA)), "endpoint": strconv.QuoteToASCII(r.Endpoint)}
	for n := range policy.Spec.Variables {
		if value, ok := values[policy.Spec.Variables[n].Name]; ok {
			policy.Spec.Variables[n].Expression = value
		}
	}
	return nil
}

// WaitDNS waits until cluster DNS is available.
func (i *Installer) WaitDNS(ctx context.Context, task clusters.Task) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: dnsName}}
	return i.await(ctx, task, deployment, func() (bool, string) {
		return deployment.Status.AvailableReplicas > 0, fmt.Sprintf("%d of %d replicas available", deployment.Status.AvailableReplicas, deployment.Status.Replicas)
	})
}
