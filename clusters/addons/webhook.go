package addons

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

const syncContainer = "association-sync"

// Webhook has the values that the webhook's manifests leave open.
type Webhook struct {
	Subject
	ClusterName string
	// Region is set in containers that set none.
	Region string
	// SyncImage has the program that writes the container-credentials config file. It gets the associations from the
	// control API at ControlURL with SyncToken.
	SyncImage, ControlURL, SyncToken string
}

// InstallWebhook creates the webhook with a certificate that is made for this installation.
func (i *Installer) InstallWebhook(ctx context.Context, webhook Webhook) error {
	host := clusters.WebhookName + "." + clusters.WebhookNamespace + ".svc"
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, []string{host + ".cluster.local"})
	if err != nil {
		return fmt.Errorf("make certificate of webhook: %w", err)
	}
	secrets := []*corev1.Secret{
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: clusters.WebhookName + "-tls"},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
		},
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: clusters.WebhookNamespace, Name: syncContainer},
			Data:       map[string][]byte{"token": []byte(webhook.SyncToken)},
		},
	}
	return i.install(ctx, manifests.Webhook, func(object k8s.Object) error {
		if err := webhook.edit(object, certificate); err != nil {
			return err
		}
		// The Secrets follow the Namespace and precede the pod, which waits for them.
		if _, isAccount := object.(*corev1.ServiceAccount); isAccount {
			for _, secret := range secrets {
				if err := i.create(ctx, secret); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w Webhook) edit(object k8s.Object, caBundle []byte) error {
	switch object := object.(type) {
	case *appsv1.Deployment:
		pod := &object.Spec.Template.Spec
		for n := range pod.InitContainers {
			if container := &pod.InitContainers[n]; container.Name == syncContainer {
				container.Image = w.SyncImage
				container.Args = append(container.Args, "--control", w.ControlURL, "--cluster", w.ClusterName)
			}
		}
		for n := range pod.Containers {
			container := &pod.Containers[n]
			container.Image = w.Image
			if w.Layout == clusters.LayoutEKS {
				container.Command = []string{eksWebhookProgram}
			}
			container.Args = append(container.Args, "--aws-default-region="+w.Region)
			w.extend(container)
		}
	case *admissionv1.MutatingWebhookConfiguration:
		for n := range object.Webhooks {
			object.Webhooks[n].ClientConfig.CABundle = caBundle
		}
	}
	return nil
}
