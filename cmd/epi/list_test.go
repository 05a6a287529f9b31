package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podidentity/epi/framework/requirement"
)

// beProgram is the variable that makes this test binary run as epi.
const beProgram = "TEST_PROGRAM_IS_EPI"

// TestMain makes this test binary run as epi if a test or the runner starts it so.
func TestMain(m *testing.M) {
	if os.Getenv(beProgram) != "" {
		beEpi()
	}
	if os.Getenv(beEksctl) != "" {
		beLikeEksctl()
	}
	// A kubeconfig of provider eks makes it print a token.
	if len(os.Args) > 1 && (os.Args[1] == suiteProcess || os.Args[1] == "token") {
		os.Exit(run(context.Background(), newApp(os.Stdout, os.Stderr, os.LookupEnv), os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestListPrintsTheCatalogue(t *testing.T) {
	code, stdout, stderr := invoke(t, nil, "test", "--list")
	if code != exitHeld {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if got := strings.Fields(lines[0]); !slices.Equal(got, []string{"ID", "LEVEL", "PROFILE", "SPECS", "REQUIREMENT"}) {
		t.Errorf("columns %q", got)
	}
	if want := len(requirement.All()); len(lines) != want+1 {
		t.Errorf("%d lines for %d requirements", len(lines), want)
	}
	abac, _ := requirement.Lookup("ABAC-02")
	row := lines[slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "ABAC-02") })]
	if fields := strings.Fields(row); fields[1] != "MUST" || fields[2] != "platform" || fields[3] == "0" || !strings.HasSuffix(row, abac.Statement) {
		t.Errorf("row %q", row)
	}
}

func TestListForPrograms(t *testing.T) {
	code, stdout, stderr := invoke(t, nil, "test", "--list", "--profile", "webhook,core", "-o", "json")
	var list []listedRequirement
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != exitHeld || len(list) == 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	for _, r := range list {
		if r.Profile != requirement.Webhook || r.Level != requirement.Must || len(r.Specs) == 0 || r.Source == "" || r.Since == "" {
			t.Errorf("%+v", r)
		}
	}
	var specs []listedSpec
	_, stdout, _ = invoke(t, nil, "test", "--list=specs", "--label-filter", "ABAC-02", "-o", "json")
	if err := json.Unmarshal([]byte(stdout), &specs); err != nil || len(specs) == 0 {
		t.Fatalf("%v: %s", err, stdout)
	}
	for _, spec := range specs {
		if !slices.Contains(spec.Requirements, "ABAC-02") || spec.Name == "" || !strings.HasPrefix(spec.Location, "suites/") {
			t.Errorf("%+v", spec)
		}
	}
}

func TestListTeaches(t *testing.T) {
	for says, args := range map[string][]string{
		`"nonsense" is not requirements or specs`:                {"test", "--list=nonsense"},
		`"agnet" is none of webhook, agent, platform, client`:    {"test", "--list", "--profile", "agnet"},
		"profile takes one of core, extended, all, not core and": {"test", "--list", "--profile", "core", "--profile", "extended"},
		"nothing matches --profile=client --suites=injection":    {"test", "--list", "--profile", "client", "--suites", "injection"},
	} {
		if code, _, stderr := invoke(t, nil, args...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit code %d, want %d and %q:\n%s", args, code, exitUsage, says, stderr)
		}
	}
}
