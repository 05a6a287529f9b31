package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/kind"
)

// regionState returns the state of a machine with a region of the name "aws", whose emulator answers and whose cluster
// maker does not run.
func regionState(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "state")}
	if err := clusters.SaveEnvironment(dirs, &clusters.Environment{
		Provider: kind.RegionName, Name: "aws", ClusterName: "aws", Region: "us-west-2", Created: time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC),
		AWS: clusters.AWS{EndpointURL: "http://127.0.0.1:4566"}, Control: &clusters.Control{URL: server.URL},
	}); err != nil {
		t.Fatal(err)
	}
	return dirs.State
}

// TestARegionIsNoEnvironment: commands about a cluster say what the region is, and what to do.
func TestARegionIsNoEnvironment(t *testing.T) {
	state := regionState(t)
	const what = `"aws" is an AWS region on this machine`
	for _, test := range []struct {
		args []string
		code int
		says []string
		not  []string
	}{
		{[]string{"list"}, exitHeld, []string{"AWS region", "cluster maker: does not run"}, []string{"kubeconfig"}},
		{[]string{"list", "-o", "json"}, exitHeld, []string{`"provider": "cloud"`, `"region": "us-west-2"`}, nil},
		{[]string{"status", "aws"}, exitEnvironment, []string{what, "since 2026-11-27", "AWS emulator", "epi cloud up --name aws", "epi cloud status --name aws", "epi cloud env --name aws"}, []string{"KUBECONFIG", "the cluster is yours", "Kubernetes  on"}},
		{[]string{"status", "--name", "aws", "-o", "json"}, exitEnvironment, []string{`"remedy": "start what has stopped with: epi cloud up --name aws"`}, []string{"the cluster is yours"}},
		{[]string{"test", "--name", "aws"}, exitEnvironment, []string{what, "Hint: epi cloud status --name aws"}, nil},
		{[]string{"bench", "--name", "aws"}, exitEnvironment, []string{what, "Hint: epi cloud status --name aws"}, nil},
		{[]string{"load", "--name", "aws", "my/app:dev"}, exitEnvironment, []string{what, "Hint: epi cloud load --name aws"}, nil},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			code, stdout, stderr := statusOf(t, state, test.args...)
			text := stdout + stderr
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			for _, no := range test.not {
				if strings.Contains(text, no) {
					t.Errorf("it says %q:\n%s", no, text)
				}
			}
		})
	}
}
