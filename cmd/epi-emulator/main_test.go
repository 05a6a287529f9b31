package main

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/clusters/emulator/identityfile"
	"github.com/podidentity/epi/clusters/emulator/oidc/oidctest"
)

var variables = map[string]string{
	"EPI_EMULATOR_ACCESS_KEY_ID": "AKIAEPIEXAMPLE000000", "EPI_EMULATOR_SECRET_ACCESS_KEY": "secret-of-the-administrator",
	"EPI_EMULATOR_CONTROL_TOKEN": "token-of-the-harness", "EPI_EMULATOR_SYNC_TOKEN": "token-to-sync",
}

func lookup(name string) (string, bool) {
	value, ok := variables[name]
	return value, ok
}

// output is what a program wrote so far.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

// program is the command, running in this process.
type program struct {
	out, errOut output
	code        chan int
	stop        context.CancelFunc
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &program{code: make(chan int, 1), stop: stop}
	go func() { p.code <- run(ctx, args, lookup, &p.out, &p.errOut) }()
	t.Cleanup(func() {
		stop()
		select {
		case code := <-p.code:
			if code != 0 {
				t.Errorf("%v ended with %d: %s", args, code, p.errOut.String())
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%v did not end", args)
		}
		for name, value := range variables {
			if strings.HasSuffix(name, "_ID") {
				continue
			}
			if strings.Contains(p.out.String()+p.errOut.String(), value) {
				t.Errorf("%v wrote %s", args, name)
			}
		}
	})
	return p
}

// eventually polls until ready returns true. If it never does, it reports the last state.
func eventually(t *testing.T, what string, ready func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		ok, seen := ready()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: last seen: %s", what, seen)
		}
		time.Sleep(10 * time.Millisecond) // between two reads
	}
}

var listening = regexp.MustCompile(`^Serving account 123456789012, region us-west-2: AWS on (http://127\.0\.0\.1:\d+), instance metadata on (http://127\.0\.0\.1:\d+) \(hop limit 1\), control API on (http://127\.0\.0\.1:\d+)\n$`)

func TestServeAndSync(t *testing.T) {
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:0", "-v")
	var urls []string
	eventually(t, "the line that says where it listens", func() (bool, string) {
		urls = listening.FindStringSubmatch(p.out.String())
		return urls != nil, p.out.String() + p.errOut.String()
	})

	if status, body := get(t, http.MethodGet, urls[1]+"/bucket/key", nil); status != http.StatusNotFound || !strings.Contains(body, "NoSuchBucket") {
		t.Errorf("unsigned request to S3: %d %s", status, body)
	}
	if status, _ := get(t, http.MethodPut, urls[2]+"/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}}); status != http.StatusOK {
		t.Errorf("metadata token: %d", status)
	}
	client := control.New(urls[3], variables["EPI_EMULATOR_CONTROL_TOKEN"])
	if err := client.WaitHealthy(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := client.SetHopLimit(t.Context(), 2); err != nil {
		t.Error(err)
	}
	if limit, err := client.HopLimit(t.Context()); err != nil || limit != 2 {
		t.Errorf("hop limit %d, %v", limit, err)
	}
	if calls, err := client.CallsWhere(t.Context(), control.Query{Service: "s3"}, 0); err != nil || len(calls.Calls) != 1 || calls.Calls[0].SourceIP != "127.0.0.1" {
		t.Errorf("calls %+v, %v", calls, err)
	}

	file := filepath.Join(t.TempDir(), "config.json")
	start(t, "sync", "--control", urls[3], "--cluster", "blue", "--file", file)
	if err := client.RegisterCluster(t.Context(), "blue", control.Cluster{Issuer: "https://issuer", JWKS: keySet()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file", func() (bool, string) {
		data, err := os.ReadFile(file)
		return string(data) == `{"identities":[]}`, string(data) + " " + errorText(err)
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func get(t *testing.T, method, url string, header http.Header) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func keySet() []byte { return oidctest.Issuer{Key: oidctest.EC(elliptic.P256())}.KeySet() }

// identities is identityfile.Watcher.
type identities struct{ known chan struct{} }

func (i identities) Identities(ctx context.Context, _, after string, _ time.Duration) (control.Identities, error) {
	if after == "" {
		select {
		case <-i.known:
			return control.Identities{Revision: "1"}, nil
		case <-ctx.Done():
		}
	}
	<-ctx.Done()
	return control.Identities{}, ctx.Err()
}

func TestReadiness(t *testing.T) {
	watcher := identities{make(chan struct{})}
	follower := identityfile.New(identityfile.Options{
		Watcher: watcher, Cluster: "blue", Path: filepath.Join(t.TempDir(), "config.json"), Log: slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(readiness(follower))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx) }()
	if status, _ := get(t, http.MethodGet, server.URL+"/healthz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("before the file: %d", status)
	}
	close(watcher.known)
	eventually(t, "readiness", func() (bool, string) {
		status, body := get(t, http.MethodGet, server.URL+"/healthz", nil)
		return status == http.StatusOK, body
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  bool
		says string
	}{
		{"unknown command", []string{"server"}, true, `unknown command "server"`},
		{"unknown flag", []string{"serve", "--port", "1"}, true, "unknown flag: --port"},
		{"argument", []string{"serve", "now"}, true, `"now"`},
		{"no variables", []string{"serve"}, false, "EPI_EMULATOR_SECRET_ACCESS_KEY is not set"},
		{"hop limit", []string{"serve", "--imds-hop-limit", "0"}, true, "--imds-hop-limit: 0 is not 1 to 64"},
		{"account", []string{"serve", "--account", "1"}, true, `account "1": must have 12 digits`},
		{"region", []string{"serve", "--region", "Oregon"}, true, `region "Oregon"`},
		{"sync without a URL", []string{"sync", "--cluster", "a", "--file", "f"}, true, "--control"},
		{"sync with a bare host", []string{"sync", "--control", "10.0.0.2:4567", "--cluster", "a", "--file", "f"}, true, "--control"},
		{"sync without a file", []string{"sync", "--control", "http://h", "--cluster", "a"}, true, "--file is required"},
		{"sync without a token", []string{"sync", "--control", "http://h", "--cluster", "a", "--file", "f"}, false, "EPI_EMULATOR_SYNC_TOKEN is not set"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := lookup
			if !test.env {
				env = func(string) (string, bool) { return "", false }
			}
			var out, errOut bytes.Buffer
			if code := run(t.Context(), test.args, env, &out, &errOut); code != 2 || !strings.Contains(errOut.String(), test.says) || !strings.Contains(errOut.String(), "--help") {
				t.Errorf("exit code %d: %s", code, errOut.String())
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--control-listen", "", "--imds-listen", "")
	var url string
	eventually(t, "the line that says where it listens", func() (bool, string) {
		_, url, _ = strings.Cut(strings.TrimSpace(p.out.String()), "AWS on http://")
		return url != "", p.out.String()
	})
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--listen", url, "--control-listen", "", "--imds-listen", ""}, lookup, &out, &errOut); code != 1 || !strings.Contains(errOut.String(), "address already in use") {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if out.Len() != 0 {
		t.Errorf("said %s", out.String())
	}
}

func TestVersionAndHelp(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"version"}, lookup, &out, &errOut); code != 0 || !strings.HasPrefix(out.String(), "epi-emulator ") {
		t.Errorf("%d %s %s", code, out.String(), errOut.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"serve", "--help"}, lookup, &out, &errOut); code != 0 || !strings.Contains(out.String(), "aws sts get-caller-identity") {
		t.Errorf("%d %s", code, out.String())
	}
}
