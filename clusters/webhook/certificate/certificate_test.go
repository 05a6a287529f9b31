package certificate

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/util/cert"
)

// replace writes a certificate for a host.
func replace(t *testing.T, folder, host string) {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(folder, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func serves(t *testing.T, p *Pair, host string) bool {
	t.Helper()
	got, err := p.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf.VerifyHostname(host) == nil
}

func TestReplacedFilesAreTaken(t *testing.T) {
	folder := t.TempDir()
	replace(t, folder, "first")
	synctest.Test(t, func(t *testing.T) {
		p, err := Load(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { p.Follow(ctx) })
		defer following.Wait()
		defer cancel()
		look := func() {
			time.Sleep(interval) // the bubble's clock
			synctest.Wait()
		}

		if err := os.WriteFile(filepath.Join(folder, "tls.crt"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if look(); !serves(t, p, "first") {
			t.Error("the old certificate is gone though the new one is no good")
		}
		replace(t, folder, "second")
		if look(); !serves(t, p, "second") {
			t.Error("the new certificate is not served")
		}
		if err := os.Remove(filepath.Join(folder, "tls.key")); err != nil {
			t.Fatal(err)
		}
		if look(); !serves(t, p, "second") {
			t.Error("the certificate is gone with its file")
		}
	})
}

func TestLoadNamesTheFile(t *testing.T) {
	folder := t.TempDir()
	replace(t, folder, "host")
	if _, err := Load(filepath.Join(folder, "none"), filepath.Join(folder, "tls.key"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing certificate is no error")
	}
	if _, err := Load(filepath.Join(folder, "tls.key"), filepath.Join(folder, "tls.key"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a key as certificate is no error")
	}
}
