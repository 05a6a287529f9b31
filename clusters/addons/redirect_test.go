package addons

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/e2e-framework/klient/decoder"

	"github.com/podidentity/epi/manifests"
)

func TestRedirectManifestTakesWhatTheRunDecides(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Redirect, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	redirect := Redirect{Endpoint: "http://172.18.0.2:4566", CA: []byte("-----BEGIN CERTIFICATE-----\nMII+/=\n-----END CERTIFICATE-----\n")}
	set, policies, bound := map[string]string{}, map[string]bool{}, map[string]int{}
	for _, object := range objects {
		if err := redirect.edit(object); err != nil {
			t.Fatal(err)
		}
		switch object := object.(type) {
		case *admissionv1.MutatingAdmissionPolicy:
			policies[object.Name] = true
			for _, variable := range object.Spec.Variables {
				set[variable.Name] = variable.Expression
			}
		case *admissionv1.MutatingAdmissionPolicyBinding:
			bound[object.Spec.PolicyName]++
			if selector := object.Spec.MatchResources.NamespaceSelector; selector == nil || len(selector.MatchExpressions) == 0 {
				t.Errorf("binding %s selects all namespaces", object.Name)
			}
		default:
			t.Errorf("an object of type %T", object)
		}
	}
	if set["endpoint"] != `"http://172.18.0.2:4566"` || set["ca"] != `"-----BEGIN CERTIFICATE-----\nMII+/=\n-----END CERTIFICATE-----\n"` {
		t.Errorf("variables %q", set)
	}
	for name := range policies {
		if bound[name] != 2 {
			t.Errorf("policy %s has %d bindings", name, bound[name])
		}
	}
	// Suites check what the webhook does alone.
	text, err := manifests.Redirect.ReadFile("redirect/redirect.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "{key: epi.podidentity.dev/environment, operator: DoesNotExist}"); n != len(policies) {
		t.Errorf("%d of %d default bindings leave the suites' namespaces out", n, len(policies))
	}
	if err := (Redirect{}).edit(objects[0]); err == nil {
		t.Error("taken without an endpoint")
	}
}
