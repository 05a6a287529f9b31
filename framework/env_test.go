package framework

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/framework/probe"
)

func TestNamesAndLabelsAreValidEverywhere(t *testing.T) {
	env := &Env{
		Environment: &clusters.Environment{Name: strings.Repeat("e", 32)}, // the longest possible name
		Options:     Options{Run: "20261123-1415 " + strings.Repeat("ö-x", 40)},
	}
	one, another := env.NewName(), env.NewName()
	if one == another {
		t.Errorf("two names are %s", one)
	}
	// S3 bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html;
	// role names have at most 64 characters.
	if problems := validation.IsDNS1123Label(one); len(problems) > 0 || len(one) > 63 || !regexp.MustCompile(`^epi-e{32}-[a-z0-9]+$`).MatchString(one) {
		t.Errorf("name %s: %v", one, problems)
	}
	for key, value := range env.Labels() {
		problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...)
		if len(problems) > 0 || value == "" {
			t.Errorf("label %s=%s: %v", key, value, problems)
		}
	}
}

func TestEnvTravelsInTheContext(t *testing.T) {
	env := &Env{}
	if got := From(NewContext(t.Context(), env)); got != env {
		t.Errorf("got %p, want %p", got, env)
	}
	defer func() {
		if recover() == nil {
			t.Error("a context without an Env did not panic")
		}
	}()
	From(context.Background())
}

func TestNamespacesOfTheRunningSpec(t *testing.T) {
	env := &Env{}
	env.Entered("a")
	env.Entered("b")
	env.Left("a")
	if got := env.Namespaces(); len(got) != 1 || got[0] != "b" {
		t.Errorf("namespaces %q", got)
	}
}

// On AWS, associations and roles have their documented delays. On the emulator they have none.
func TestTimeoutsFollowTheEnvironment(t *testing.T) {
	emulator := DefaultTimeouts(&clusters.Environment{Capabilities: []clusters.Capability{clusters.EmulatorControl}})
	aws := DefaultTimeouts(&clusters.Environment{})
	if emulator.AssociationVisible >= aws.AssociationVisible || emulator.CredentialsWork >= aws.CredentialsWork || emulator.PodRunning != aws.PodRunning {
		t.Errorf("emulator %+v, AWS %+v", emulator, aws)
	}
}

// The probe and the emulator's journal have the same fingerprints of tokens. Otherwise a spec would not find the calls of a
// token that the probe used.
func TestProbeAndJournalAgreeOnFingerprints(t *testing.T) {
	for _, secret := range []string{"", "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"} {
		if a, b := probe.Fingerprint(secret), control.Fingerprint(secret); a != b {
			t.Errorf("the probe says %q, the journal %q", a, b)
		}
	}
}
