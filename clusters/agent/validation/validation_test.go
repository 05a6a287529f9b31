package validation

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func sign(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("any key"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// The rows are measured answers of eks-pod-identity-agent 0.1.37.
func TestHost(t *testing.T) {
	const refusal = "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] address not "
	for header, want := range map[string]string{
		"169.254.170.23":       "",
		"169.254.170.23:80":    "",
		"fd00:ec2::23":         "",
		"[fd00:ec2::23]":       "",
		"[fd00:ec2::23]:80":    "",
		"evil.example":         refusal + "evil.example",
		"evil.example:80":      refusal + "evil.example",
		"169.254.170.2":        refusal + "169.254.170.2",
		"localhost":            refusal + "localhost",
		"169.254.170.23.nip.x": refusal + "169.254.170.23.nip.x",
		"[":                    refusal + "[",
		"":                     refusal,
	} {
		err := Host(header)
		if want == "" {
			if err != nil {
				t.Errorf("Host(%q) = %v, want nil", header, err)
			}
			continue
		}
		rejection, ok := errors.AsType[*Rejection](err)
		if !ok || rejection.Status != http.StatusForbidden || rejection.Message != want {
			t.Errorf("Host(%q) = %v, want 403 %q", header, err, want)
		}
	}
}

func TestParseTokenRefuses(t *testing.T) {
	now := time.Now()
	for _, row := range []struct{ name, token, want string }{
		{"empty", "", "Service account token cannot be empty"},
		{"garbage", "garbage", "Service account token cannot be parsed: token is malformed: token contains an invalid number of segments"},
		{"three words", "aaa.bbb.ccc", "Service account token cannot be parsed: token is malformed: could not JSON decode header: invalid character 'i' looking for beginning of value"},
		{"with scheme", "Bearer " + sign(t, jwt.MapClaims{"sub": "a"}), "Service account token cannot be parsed: token is malformed: could not base64 decode header: illegal base64 data at input byte 6"},
		{"expired", sign(t, jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}), "Service account token failed basic claim validations: token is expired"},
		{"not yet valid", sign(t, jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()}), "Service account token failed basic claim validations: token is not valid yet"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := ParseToken(row.token)
			rejection, ok := errors.AsType[*Rejection](err)
			if !ok || rejection.Status != http.StatusBadRequest || rejection.Message != row.want {
				t.Errorf("got %v, want 400 %q", err, row.want)
			}
		})
	}
}

func TestParseTokenLeavesTheRestToEKSAuth(t *testing.T) {
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	for name, claims := range map[string]jwt.MapClaims{
		"pod identity token": {"sub": "system:serviceaccount:a:b", "exp": expires.Unix(), "aud": []string{"pods.eks.amazonaws.com"}},
		"other audience":     {"sub": "system:serviceaccount:a:b", "exp": expires.Unix(), "aud": "sts.amazonaws.com"},
		"no expiry":          {"sub": "system:serviceaccount:a:b"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := sign(t, claims)
			raw = raw[:strings.LastIndex(raw, ".")+1] + "AAAA" // a signature that no key verifies
			token, err := ParseToken(raw)
			if err != nil {
				t.Fatal(err)
			}
			if token.Raw != raw || token.Subject != "system:serviceaccount:a:b" {
				t.Errorf("got %+v", token)
			}
			if _, has := claims["exp"]; has != token.Expires.Equal(expires) {
				t.Errorf("Expires = %v, want %v", token.Expires, expires)
			}
		})
	}
}

// FuzzParseToken: any input is either a token or a rejection with a client's status.
func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "..", "Bearer a.b.c", sign(f, jwt.MapClaims{"exp": 1}), sign(f, jwt.MapClaims{"exp": "x", "nbf": 1e300})} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := ParseToken(raw)
		if err == nil {
			if token.Raw != raw || (!token.Expires.IsZero() && token.Expires.Before(time.Now().Add(-time.Minute))) {
				t.Fatalf("accepted %q as %+v", raw, token)
			}
			return
		}
		if rejection, ok := errors.AsType[*Rejection](err); !ok || rejection.Status != http.StatusBadRequest || rejection.Message == "" {
			t.Fatalf("%q: got %v, want a rejection with status 400", raw, err)
		}
	})
}
