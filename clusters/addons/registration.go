package addons

import (
	"context"
	"io/fs"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/manifests"
)

// RegisterWebhook registers the installed webhook as manifests say: operations, resources, selectors and policies. Without
// files these are epi's own, as in the installation.
func (i *Installer) RegisterWebhook(ctx context.Context, files fs.FS) error {
	if files == nil {
		files = manifests.Webhook
	}
	configurations, err := decodeEach[*admissionv1.MutatingWebhookConfiguration](ctx, files)
	if err != nil {
		return err
	}
	for _, wanted := range configurations {
		installed := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: wanted.Name}}
		if err := i.change(ctx, installed, func() { register(installed, wanted) }); err != nil {
			return err
		}
	}
	return nil
}

// register sets the wanted registration. The webhook's address and CA stay.
func register(installed, wanted *admissionv1.MutatingWebhookConfiguration) {
	for n := range installed.Webhooks {
		for _, webhook := range wanted.Webhooks {
			if webhook.Name == installed.Webhooks[n].Name {
				webhook.ClientConfig = installed.Webhooks[n].ClientConfig
				installed.Webhooks[n] = webhook
			}
		}
	}
}

// RegisterHostedWebhook registers a webhook beside the API server, like EKS's own, by its URL. caBundle, in PEM, has the CA
// for it.
func (i *Installer) RegisterHostedWebhook(ctx context.Context, url string, caBundle []byte) error {
	configurations, err := decodeEach[*admissionv1.MutatingWebhookConfiguration](ctx, manifests.Webhook)
	if err != nil {
		return err
	}
	for _, configuration := range configurations {
		for n := range configuration.Webhooks {
			configuration.Webhooks[n].ClientConfig = admissionv1.WebhookClientConfig{URL: &url, CABundle: caBundle}
		}
		if err := i.create(ctx, configuration); err != nil {
			return err
		}
	}
	return nil
}
