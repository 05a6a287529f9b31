package addons

import (
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/e2e-framework/klient/decoder"

	"github.com/podidentity/epi/manifests"
)

func TestRegistrationKeepsWhomToTrust(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Webhook, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wanted := decode[*admissionv1.MutatingWebhookConfiguration](t, objects)
	installed := wanted.DeepCopy()
	installed.Webhooks[0].ClientConfig.CABundle = []byte("certificate")
	installed.ResourceVersion = "7"
	wanted.Webhooks[0].Rules[0].Operations = []admissionv1.OperationType{admissionv1.Update}

	register(installed, wanted)

	if got := installed.Webhooks[0]; string(got.ClientConfig.CABundle) != "certificate" || got.Rules[0].Operations[0] != admissionv1.Update || installed.ResourceVersion != "7" {
		t.Errorf("installed is %+v", installed)
	}
}
