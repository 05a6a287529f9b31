package requirement

import (
	"strings"
	"testing"
)

func TestKnownOfAVersion(t *testing.T) {
	for _, row := range []struct {
		product, version string
		known            bool
	}{
		{"eks-pod-identity-agent", "v0.1.37", true},
		{"eks-pod-identity-agent", "0.1.37", true},
		// A build of a changed checkout has this version: https://go.dev/doc/go1.24#go-command.
		{"eks-pod-identity-agent", "v0.1.37+dirty", true},
		// How EKS names add-ons: https://docs.aws.amazon.com/eks/latest/userguide/eks-add-ons.html.
		{"eks-pod-identity-agent", "v0.1.37-eksbuild.2", true},
		{"eks-pod-identity-agent", "v0.1.37-eksbuild.2+dirty", true},
		{"amazon-eks-pod-identity-webhook", "3bf80a34", true},
		{"amazon-eks-pod-identity-webhook", "3bf80a35", false},
		// These versions were not tested, so nothing is known: a later one may be corrected, and a pre-release may differ.
		{"eks-pod-identity-agent", "v0.1.38", false},
		{"eks-pod-identity-agent", "v0.1.3", false},
		{"eks-pod-identity-agent", "v0.1.370", false},
		{"eks-pod-identity-agent", "v0.1.37-rc.1", false},
		{"eks-pod-identity-agent", "v0.1.37.1", false},
		{"eks-pod-identity-agent", "", false},
		{"epi-agent", "v0.1.37", false},
		{"", "v0.1.37", false},
	} {
		if got := len(KnownOf(row.product, row.version)) > 0; got != row.known {
			t.Errorf("%s %s: known %t, want %t", row.product, row.version, got, row.known)
		}
	}
}

func TestDeviationsAreChecked(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"requirement": {`[{subject: agent, product: p, versions: [v1.2.3], requirement: AGT-99, does: It does., link: "https://e"}]`, "no such requirement"},
		"subject":     {`[{subject: probe, product: p, versions: [v1.2.3], requirement: AGT-13, does: It does., link: "https://e"}]`, "subject"},
		"version":     {`[{subject: agent, product: p, versions: ["1.2"], requirement: AGT-13, does: It does., link: "https://e"}]`, "version"},
		"no version":  {`[{subject: agent, product: p, requirement: AGT-13, does: It does., link: "https://e"}]`, "versions are missing"},
		"sentence":    {`[{subject: agent, product: p, versions: [v1.2.3], requirement: AGT-13, does: it, link: "https://e"}]`, "sentence"},
		"link":        {`[{subject: agent, product: p, versions: [v1.2.3], requirement: AGT-13, does: It does., link: here}]`, "link"},
		"field":       {`[{subjects: agent}]`, "subjects"},
	} {
		if _, err := readDeviations([]byte(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want one about %s", name, err, row.want)
		}
	}
	if len(Deviations()) == 0 {
		t.Error("the catalogue knows no deviation")
	}
}
