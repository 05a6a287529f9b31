package main

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/agent"
)

func serving(t *testing.T, args string) (agent.Options, *slog.Logger, error) {
	t.Helper()
	var got agent.Options
	var log *slog.Logger
	cmd := command(func(_ context.Context, options agent.Options, logger *slog.Logger) error {
		got, log = options, logger
		return nil
	}, &bytes.Buffer{})
	cmd.SetArgs(strings.Fields(args))
	err := cmd.ExecuteContext(t.Context())
	return got, log, err
}

// The names and defaults are those of the EKS agent, which lacks the last two and --compat.
func TestFlags(t *testing.T) {
	defaults := agent.Options{
		Cluster: "epi", Port: 80, ProbePort: 2703, MetricsAddress: "0.0.0.0", MetricsPort: 2705,
		CacheSize: 2000, Retention: 3 * time.Hour, RenewalsPerSecond: 3, Waiting: 750, Calls: 512,
	}
	if got, _, err := serving(t, "server -c epi"); err != nil || !reflect.DeepEqual(got, defaults) {
		t.Errorf("got %+v, %v, want %+v", got, err, defaults)
	}
	want := agent.Options{
		Cluster: "epi", Endpoint: "http://e", Hosts: []string{"169.254.170.23", "[fd00:ec2::23]"}, Port: 8080, ProbePort: 1, MetricsAddress: "127.0.0.1", MetricsPort: 2,
		CacheSize: 3, Retention: time.Minute, RenewalsPerSecond: 4, Waiting: 5, Calls: 6,
	}
	got, log, err := serving(t, "server --cluster-name epi --endpoint http://e -b 169.254.170.23 --bind-hosts [fd00:ec2::23] -p 8080 --probe-port 1 --metrics-address 127.0.0.1"+
		" --metrics-port 2 --max-cache-size 3 --max-credential-retention-before-renewal 1m --max-service-qps 4 --max-waiting 5 --max-calls 6 -v trace")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if !log.Enabled(t.Context(), slog.LevelDebug-4) {
		t.Error("-v trace does not log everything")
	}
}

func TestCompatIsUpstream(t *testing.T) {
	for args, want := range map[string]bool{"server -c epi": false, "server -c epi --compat=upstream": true} {
		if got, _, err := serving(t, args); err != nil || got.Upstream != want {
			t.Errorf("%s: %+v, %v", args, got, err)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for args, want := range map[string]string{
		"server -c epi -v loud":           "--verbosity",
		"server -c epi --compat upstraem": "--compat",
		"server -c epi --port 70000":      "--port",
		"server -c epi --no-such-flag":    "unknown flag",
		"server -c epi something":         "something",
		"initialize --cluster-name thing": "unknown flag",
	} {
		if _, _, err := serving(t, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error about %s", args, err, want)
		}
	}
}
