package sigv4

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A cached key must not make an old secret valid.
func TestKeyCacheFollowsSecret(t *testing.T) {
	changing := store{"AKIALONG": {Credentials{SecretAccessKey: "first secret"}, ""}}
	verifier := NewVerifier(changing, Options{Now: at(now).now})
	verify := func(secret string) error {
		r := sign(t, aws.Credentials{AccessKeyID: "AKIALONG", SecretAccessKey: secret}, "s3", "GET", "http://emu/b/k", "", now)
		_, err := verifier.Verify(r)
		return err
	}
	for range 2 {
		wantKind(t, verify("first secret"), "")
		wantKind(t, verify("other secret"), SignatureMismatch)
	}
	changing["AKIALONG"] = key{Credentials{SecretAccessKey: "other secret"}, ""}
	for range 2 {
		wantKind(t, verify("first secret"), SignatureMismatch)
		wantKind(t, verify("other secret"), "")
	}
	if kept := verifier.keys.derived.Len(); kept != 2 {
		t.Errorf("%d keys are kept, want 2", kept)
	}
}

// A client that cannot sign must not be able to fill the cache.
func TestKeyCacheKeepsVerifiedScopesOnly(t *testing.T) {
	verifier := at(now)
	r := sign(t, long, "s3", "GET", "http://emu/b/k", "", now)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-west-2", "nowhere", 1))
	_, err := verifier.Verify(r)
	wantKind(t, err, SignatureMismatch)
	if kept := verifier.keys.derived.Len(); kept != 0 {
		t.Errorf("%d keys are kept, want none", kept)
	}
}

func TestSigningKey(t *testing.T) {
	// The key is used twice, so that one hash may come from the pool.
	k := derive(scope{"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam"})
	first := string(k.sign(nil, []byte("text")))
	if second := string(k.sign(nil, []byte("text"))); second != first || len(first) != 32 {
		t.Errorf("got %x and %x", first, second)
	}
	if other := string(k.sign(nil, []byte("other"))); other == first {
		t.Error("two texts have one signature")
	}
}
