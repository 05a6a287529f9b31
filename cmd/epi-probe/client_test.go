package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/podidentity/epi/framework/probe"
)

// asClient makes this test binary run as the probe, which is an AWS client too.
const asClient = "EPI_PROBE_TEST_AS_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(asClient) != "" {
		main()
	}
	os.Exit(m.Run())
}

func runAsClient(t *testing.T, terms []string, operation ...string) probe.ClientRun {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asClient, "1")
	return runProgram(t, terms, append([]string{self, "do", "--attempts", "3"}, operation...)...)
}

func runProgram(t *testing.T, terms []string, program ...string) probe.ClientRun {
	t.Helper()
	var out, errOut bytes.Buffer
	args := append(append([]string{"client"}, terms...), append([]string{"--"}, program...)...)
	if code := run(t.Context(), args, &out, &errOut); code != exitOK {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	var result probe.ClientRun
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return result
}

func TestEndpointReportsWhatAClientSends(t *testing.T) {
	workload(t, nil)
	for name, row := range map[string]struct {
		terms []string
		want  string // tokens
		ends  string // of the failure
	}{
		"rotating":      {[]string{"--endpoint", "loopback", "--life", "10s"}, "file 1,file 2,file 3", ""},
		"two tokens":    {[]string{"--endpoint", "loopback", "--variable"}, "file 1", ""},
		"a refusal":     {[]string{"--endpoint", "loopback", "--answers", "400"}, "file 1", probe.Refusal},
		"a busy agent":  {[]string{"--endpoint", "loopback", "--answers", "429,200"}, "file 1,file 1", ""},
		"long lived":    {[]string{"--endpoint", "loopback"}, "file 1", ""},
		"another host":  {[]string{"--endpoint", "pod"}, "", "invalid endpoint host"},
		"without token": {[]string{"--endpoint", "loopback", "--unset", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"}, "none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ran := runAsClient(t, row.terms, "refresh", "3")
			var seen probe.Refresh
			if err := json.Unmarshal(ran.Output, &seen); err != nil {
				t.Fatalf("%v: %+v", err, ran)
			}
			if got := strings.Join(ran.Endpoint.Tokens(), ","); got != row.want {
				t.Errorf("tokens %q, want %q; %s", got, row.want, ran.Output)
			}
			if (seen.Failure == nil) != (row.ends == "") || seen.Failure != nil && !strings.Contains(seen.Failure.Message, row.ends) {
				t.Errorf("failure %v, want %q", seen.Failure, row.ends)
			}
		})
	}
}

func TestEndpointCountsConnectionsOverHTTPS(t *testing.T) {
	workload(t, nil)
	ran := runAsClient(t, []string{"--endpoint", "pod-https"}, "refresh", "1")
	if ran.Endpoint.Connections == 0 || len(ran.Endpoint.Requests) != 0 {
		t.Errorf("%+v", ran.Endpoint)
	}
}

func TestAClientThatBreaksIsReported(t *testing.T) {
	for name, row := range map[string]struct{ script, broken, output string }{
		"a crash":        {"echo oh no >&2; exit 3", "exit status 3: oh no", ""},
		"no result":      {"echo hello", "it printed no result: hello", ""},
		"a hang":         {"sleep 60", "it did not end in 300ms", ""},
		"a log before":   {`echo Ignoring; echo '{"size":1}'`, "", `{"size":1}`},
		"a secret":       {`echo '{"Token":"t0ken"}'`, "", `{"Token":"[redacted]"}`},
		"own variables":  {`echo "{\"a\":\"$A$B\"}"`, "", `{"a":"one"}`},
		"a left-over":    {`sleep 60 & echo '{}'`, "", "{}"},
		"a secret crash": {"echo eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln >&2; exit 1", "exit status 1: [redacted]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("B", "two")
			timeout := "5s"
			if name == "a hang" {
				timeout = "300ms"
			}
			ran := runProgram(t, []string{"--timeout", timeout, "--set", "A=one", "--unset", "B"}, "/bin/sh", "-c", row.script)
			if row.broken == "" && string(ran.Output) != row.output || !strings.HasPrefix(ran.Broken, row.broken) || ran.Late != (name == "a hang") {
				t.Errorf("%+v, output %s", ran, ran.Output)
			}
		})
	}
}

func TestClientUsage(t *testing.T) {
	for _, args := range [][]string{{"client"}, {"client", "--endpoint", "moon", "--", "true"}, {"client", "--endpoint", "loopback", "--answers", "ok", "--", "true"}} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), args, &out, &errOut); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, errOut.String())
		}
	}
}
