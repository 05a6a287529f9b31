package emulator

import (
	"strings"
	"testing"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/faults"
)

// A fault for a service that the emulator lacks is refused, because it would never have an effect.
func TestFaultsAreForServicesThatThereAre(t *testing.T) {
	w := newWorld(t)
	for _, service := range []string{"eks", "eks-auth", "iam", "imds", "s3", "sts", "eks*", ""} {
		if _, err := w.control.AddFault(t.Context(), control.Fault{Service: service, Outage: &faults.Outage{}, Count: 1}); err != nil {
			t.Errorf("%q: %v", service, err)
		}
	}
	_, err := w.control.AddFault(t.Context(), control.Fault{Service: "eksauth", Outage: &faults.Outage{}})
	if err == nil || !strings.Contains(err.Error(), `"eksauth" is none of [`) || !strings.Contains(err.Error(), `"eks-auth"`) {
		t.Errorf("%v", err)
	}
}
