package emulator

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/podidentity/epi/clusters/emulator/control"
)

// TestLifeOfSessions: a fault shortens the sessions of one association and of no other.
func TestLifeOfSessions(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "app", seedTrust, "")
	id := w.associate(t, "app", role, nil)
	w.associate(t, "other", role, nil)
	if _, err := w.control.AddFault(t.Context(), control.Fault{Association: id, Life: control.Duration(20 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	client, out := w.pod(t, "app", "web-0")
	if left := time.Until(*out.Credentials.Expiration); left > 20*time.Second || left < 15*time.Second {
		t.Errorf("credentials are good for %v", left)
	}
	if _, out := w.pod(t, "other", "web-1"); time.Until(*out.Credentials.Expiration) < time.Hour {
		t.Errorf("credentials of another association end at %v", *out.Credentials.Expiration)
	}
	if _, err := client.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("before the end: %v", err)
	}
	w.clock.advance(20 * time.Second)
	if _, err := client.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil || !strings.Contains(err.Error(), "Expired") {
		t.Errorf("after the end: %v", err)
	}
}
