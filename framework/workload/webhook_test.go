package workload

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"

	"github.com/podidentity/epi/framework/probe"
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

// If the API server answers that it does not reach a webhook, the request is repeated. The webhook's own answer is final.
func TestAWebhookOutOfReachIsAskedAgain(t *testing.T) {
	network := probe.Response{Failure: &probe.Failure{Class: probe.NetworkError}}
	for name, row := range map[string]struct {
		answers []probe.Response
		asked   []int
		last    int
	}{
		"at once":              {[]probe.Response{{Status: 200}}, []int{1}, 200},
		"a refusal":            {[]probe.Response{{Status: 415}, {Status: 200}}, []int{1}, 415},
		"no endpoint at first": {[]probe.Response{{Status: 503}, network, {Status: 502}, {Status: 200}}, []int{4}, 200},
		"never":                {[]probe.Response{{Status: 503}}, []int{40, 41}, 503}, // the last interval ends with the time
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				last := reached(t.Context(), func(context.Context) probe.Response {
					asked++
					return row.answers[min(asked, len(row.answers))-1]
				})
				if last.Status != row.last || !slices.Contains(row.asked, asked) {
					t.Errorf("status %d after %d times, want %d after %v", last.Status, asked, row.last, row.asked)
				}
			})
		})
	}
}
