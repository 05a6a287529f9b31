package journal

import (
	"context"
	"strings"
	"testing"
)

func TestContext(t *testing.T) {
	call := &Call{}
	FromContext(NewContext(context.Background(), call)).Operation = "GetObject"
	if call.Operation != "GetObject" {
		t.Error("the handler's note did not reach the call")
	}
	FromContext(context.Background()).Operation = "ignored without a journal"
}

func TestFingerprint(t *testing.T) {
	// printf token | sha256sum
	const want = "3c469e9d6c5875d37a43f353d4f88e61"
	if got := Fingerprint("token"); got != want {
		t.Errorf("got %s", got)
	}
	if Fingerprint("") != "" || strings.Contains(Fingerprint("token2"), want) {
		t.Error("other tokens have other fingerprints, and no token none")
	}
	// The SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1).
	if got := Fingerprint("abc"); !strings.HasPrefix(got, "ba7816bf8f01cfea") {
		t.Errorf("got %q", got)
	}
}
