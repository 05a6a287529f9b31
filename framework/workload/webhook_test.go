package workload

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"
)

// Of https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference.
func TestServiceURL(t *testing.T) {
	service := func(change func(*admissionregistrationv1.ServiceReference)) admissionregistrationv1.WebhookClientConfig {
		reference := &admissionregistrationv1.ServiceReference{Name: "hook", Namespace: "system"}
		change(reference)
		return admissionregistrationv1.WebhookClientConfig{Service: reference}
	}
	for want, config := range map[string]admissionregistrationv1.WebhookClientConfig{
		"https://hook.system.svc:443/": service(func(*admissionregistrationv1.ServiceReference) {}),
		"https://hook.system.svc:8443/mutate": service(func(s *admissionregistrationv1.ServiceReference) {
			s.Port, s.Path = ptr.To(int32(8443)), ptr.To("/mutate")
		}),
		"": {URL: ptr.To("https://elsewhere/mutate")},
	} {
		if got, ok := serviceURL(config); got != want || ok != (want != "") {
			t.Errorf("got %q, %t, want %q", got, ok, want)
		}
	}
}
