package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/webhook"
)

// The names and defaults are those of the EKS webhook.
func TestFlags(t *testing.T) {
	var got webhook.Options
	var log bytes.Buffer
	cmd := command(func(_ context.Context, options webhook.Options, _ *slog.Logger) error {
		got = options
		return nil
	}, &log)
	cmd.SetArgs(strings.Fields("--in-cluster=false --watch-container-credentials-config /c --tls-min-version 1.3 --port 8443 -v 4 --token-expiration 3600 " +
		"--namespace eks --service-name x --enable-debugging-handlers --service-account-lookup-grace-period 1s --token-audience sts.example"))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.ConfigFile != "/c" || got.MinTLSVersion != tls.VersionTLS13 || got.Port != 8443 || got.MetricsPort != 9999 ||
		got.CertFile != "/etc/webhook/certs/tls.crt" || got.KeyFile != "/etc/webhook/certs/tls.key" ||
		got.Injection.Expiration != 3600 || got.Injection.URI != "http://169.254.170.23/v1/credentials" ||
		got.Injection.PodIdentity.Audience != "pods.eks.amazonaws.com" || got.Injection.WebIdentity.Audience != "sts.example" || got.AccountGrace != time.Second || got.Injection.AnnotationPrefix != "eks.amazonaws.com" {
		t.Errorf("got %+v", got)
	}
	for _, ignored := range []string{"namespace", "service-name", "enable-debugging-handlers"} {
		if !strings.Contains(log.String(), `"flag":"`+ignored+`"`) {
			t.Errorf("log does not say that --%s does nothing:\n%s", ignored, &log)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for want, args := range map[string]string{
		"--in-cluster":                         "--in-cluster --watch-container-credentials-config /c",
		"--watch-container-credentials-config": "--port 8443",
		"--tls-min-version":                    "--watch-container-credentials-config /c --tls-min-version 1.0",
		"--log-level":                          "--watch-container-credentials-config /c --log-level loud",
		"unknown flag":                         "--no-such-flag",
	} {
		cmd := command(func(context.Context, webhook.Options, *slog.Logger) error {
			t.Errorf("%s: it runs", args)
			return nil
		}, &bytes.Buffer{})
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want one about %s", args, err, want)
		}
	}
}
