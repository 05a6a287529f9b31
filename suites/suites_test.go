package suites

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/framework"
	"github.com/podidentity/epi/framework/requirement"
	"github.com/podidentity/epi/framework/runner"
	"github.com/podidentity/epi/reports"
)

// processVariable makes this test binary run as a process of Run.
const processVariable = "EPI_SUITES_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(processVariable) == "" {
		os.Exit(m.Run())
	}
	if err := RunProcess(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func options(t *testing.T) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(processVariable, "1")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each process of a race build sleeps for a second before it ends
	return Options{Executable: self, Environment: &clusters.Environment{Name: "epi"}}
}

// A spec without a requirement decides nothing, and a requirement without a spec is not decided.
func TestCatalogueAndSpecsAreInStep(t *testing.T) {
	specs, err := List(t.Context(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	covered := map[string]int{}
	for _, spec := range specs {
		if len(spec.Requirements) == 0 {
			t.Errorf("%s: %q covers no requirement", spec.Location, spec.Key)
		}
		if strings.Contains(spec.Key, "should") {
			t.Errorf("%s: %q is not a claim in the present tense", spec.Location, spec.Key)
		}
		if want := "suites/" + spec.Suite + "/"; !strings.HasPrefix(spec.Location, want) {
			t.Errorf("%q is at %s, want below %s", spec.Key, spec.Location, want)
		}
		for _, id := range spec.Requirements {
			covered[id]++
		}
	}
	for _, r := range requirement.All() {
		if covered[r.ID] == 0 {
			t.Errorf("no spec covers %s: %s", r.ID, r.Statement)
		}
	}
}

// Only a spec that changes the whole environment may run alone. Otherwise a run would take as long as all specs together.
func TestFewSpecsRunAlone(t *testing.T) {
	specs, err := List(t.Context(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	var alone []string
	for _, spec := range specs {
		if spec.Serial {
			alone = append(alone, spec.Key)
		}
	}
	if len(alone) > len(specs)/10 {
		t.Errorf("%d of %d specs run alone: %q", len(alone), len(specs), alone)
	}
}

func TestSelection(t *testing.T) {
	for name, row := range map[string]struct {
		choose func(*Options)
		want   func(Spec) bool
	}{
		"all":           {func(*Options) {}, func(Spec) bool { return true }},
		"a suite":       {func(o *Options) { o.Suites = []string{"isolation"} }, func(s Spec) bool { return s.Suite == "isolation" }},
		"a requirement": {func(o *Options) { o.LabelFilter = "ABAC-02" }, func(s Spec) bool { return slices.Contains(s.Requirements, "ABAC-02") }},
		"a text":        {func(o *Options) { o.Focus = "^The agent" }, func(s Spec) bool { return strings.HasPrefix(s.Key, "The agent") }},
		"a whole text":  {func(o *Options) { o.Focus = "^The agent answers.*$" }, func(s Spec) bool { return strings.HasPrefix(s.Key, "The agent answers") }},
		"core":          {func(o *Options) { o.Profile = []string{Core} }, func(s Spec) bool { return covers(s, requirement.Must, "") }},
		"extended":      {func(o *Options) { o.Profile = []string{Extended} }, func(Spec) bool { return true }},
		"all levels":    {func(o *Options) { o.Profile = []string{All} }, func(Spec) bool { return true }},
		"a profile":     {func(o *Options) { o.Profile = []string{"agent"} }, func(s Spec) bool { return covers(s, "", requirement.Agent) }},
		"two profiles": {func(o *Options) { o.Profile = []string{"agent", "webhook", "agent"} }, func(s Spec) bool {
			return covers(s, "", requirement.Agent) || covers(s, "", requirement.Webhook)
		}},
		"a profile's core": {func(o *Options) { o.Profile = []string{"core", "webhook"} }, func(s Spec) bool {
			return covers(s, requirement.Must, requirement.Webhook)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			every, err := List(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			row.choose(&o)
			got, err := List(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var want, keys []string
			for _, spec := range every {
				if row.want(spec) {
					want = append(want, spec.Key)
				}
			}
			for _, spec := range got {
				keys = append(keys, spec.Key)
			}
			if len(want) == 0 || !slices.Equal(keys, want) {
				t.Errorf("got %q, want %q", keys, want)
			}
		})
	}
}

// covers says whether the spec decides a requirement of the level and profile; an empty one is any.
func covers(spec Spec, level requirement.Level, profile requirement.Profile) bool {
	return slices.ContainsFunc(spec.Requirements, func(id string) bool {
		r, ok := requirement.Lookup(id)
		return ok && (level == "" || r.Level == level) && (profile == "" || r.Profile == profile)
	})
}

func TestSlowSpecsAreSkippedUnlessAskedFor(t *testing.T) {
	spec := Spec{Labels: []string{"slow:9m0s"}}
	o := Options{Environment: &clusters.Environment{}}
	if got := o.Decide(spec); got.Instead != reports.Skipped || got.Reason != "takes about 9m0s; run it with --slow" {
		t.Errorf("%+v", got)
	}
	o.Slow = true
	if got := o.Decide(spec); got != (runner.Decision{}) {
		t.Errorf("asked for: %+v", got)
	}
	// More waiting does not help if it cannot be decided.
	o.Slow, spec.Needs = false, []clusters.Capability{clusters.IMDS}
	if got := o.Decide(spec); got.Instead != reports.NotSupported {
		t.Errorf("not supported: %+v", got)
	}
}

func TestRequirementsThatAreAskedFor(t *testing.T) {
	o := options(t)
	o.Profile = []string{"agent", "core"}
	specs, err := List(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	list, err := o.Requirements(specs)
	if err != nil || len(list) == 0 {
		t.Fatalf("%d requirements, %v", len(list), err)
	}
	for _, r := range list {
		if r.Profile != requirement.Agent || r.Level != requirement.Must {
			t.Errorf("%s is %s of %s", r.ID, r.Level, r.Profile)
		}
	}
}

func TestMistakesInTheSelection(t *testing.T) {
	for name, row := range map[string]struct {
		mistake func(*Options)
		says    string
	}{
		"suite":    {func(o *Options) { o.Suites = []string{"injektion"} }, "no suite injektion; there are "},
		"focus":    {func(o *Options) { o.Focus = "(" }, "not a regular expression"},
		"filter":   {func(o *Options) { o.LabelFilter = "INJ-01 &&" }, "label filter"},
		"profile":  {func(o *Options) { o.Profile = []string{"agnet"} }, `"agnet" is none of webhook, agent, platform, client`},
		"levels":   {func(o *Options) { o.Profile = []string{"core", "agent", "all"} }, "one of core, extended, all, not core and all"},
		"mutation": {func(o *Options) { o.Mutation = "nonsense" }, "role-without-policy"},
		"empty":    {func(o *Options) { o.Focus = "nothing says this" }, "no spec matches"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			row.mistake(&o)
			err := Run(t.Context(), o, func(spec reports.Spec) { t.Errorf("recorded %+v", spec) })
			var selection *SelectionError
			if !errors.As(err, &selection) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("error %v, want a selection error with %q", err, row.says)
			}
		})
	}
}

// kubeconfig of an API server that refuses connections.
const goneCluster = `apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: gone}]
contexts: [{name: gone, context: {cluster: gone, user: gone}}]
current-context: gone
`

// If the cluster is gone, every spec is an Error, and agent and webhook are not judged.
func TestAClusterThatIsGoneIsNobodysFailure(t *testing.T) {
	o := options(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(goneCluster), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Environment = &clusters.Environment{
		Name: "epi", ClusterName: "epi", Region: "us-west-2", Kubeconfig: kubeconfig, NodeRole: "epi-node",
		AWS: clusters.AWS{EndpointURL: "http://127.0.0.1:1", AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"},
		// With IMDS and without the control API, some specs are not supported.
		Capabilities: []clusters.Capability{clusters.IMDS},
	}
	o.Run, o.Artifacts, o.Suites = "20261123-test", t.TempDir(), []string{"isolation", "irsa"}
	begun := time.Now()
	outcomes := map[reports.Outcome]int{}
	err := Run(t.Context(), o, func(spec reports.Spec) {
		outcomes[spec.Outcome]++
		switch spec.Outcome {
		case reports.Error:
			if !strings.Contains(spec.Failure.Message, "refused") || !strings.HasPrefix(spec.Failure.Location, "suites/") {
				t.Errorf("%s: %+v", spec.Name, spec.Failure)
			}
		case reports.NotSupported:
			if spec.Reason == "" {
				t.Errorf("%s: not supported without a reason", spec.Name)
			}
		default:
			t.Errorf("%s: %s", spec.Name, spec.Outcome)
		}
	})
	if err != nil || outcomes[reports.Error] == 0 || outcomes[reports.NotSupported] == 0 {
		t.Errorf("error %v, outcomes %v", err, outcomes)
	}
	t.Logf("%v in %s", outcomes, time.Since(begun))
}

func TestNotSupportedSaysWhatIsMissing(t *testing.T) {
	o := Options{Environment: &clusters.Environment{Capabilities: []clusters.Capability{clusters.IMDS}}}
	for _, row := range []struct {
		needs []clusters.Capability
		want  string
	}{
		{nil, ""},
		{[]clusters.Capability{clusters.IMDS}, ""},
		{[]clusters.Capability{clusters.EmulatorControl, clusters.IMDS, clusters.HostNetworkPods}, "the environment has no emulator-control and no host-network-pods"},
	} {
		if got := o.notSupported(Spec{Needs: row.needs}); got != row.want {
			t.Errorf("needs %v: %q, want %q", row.needs, got, row.want)
		}
	}
}

func TestFolderNamesTheRequirement(t *testing.T) {
	got := folder(reports.Spec{Name: "The webhook tells every container of an associated pod where the agent is!", Requirements: []string{"INJ-01", "INJ-04"}})
	if want := "INJ-01-the-webhook-tells-every-container-of-an-associated-pod-where"; got != want {
		t.Errorf("folder %q, want %q", got, want)
	}
}

func TestMutationsAreKnownToTheFramework(t *testing.T) {
	environment := &clusters.Environment{Kubeconfig: "nowhere"}
	if _, err := framework.New(t.Context(), environment, framework.Options{Mutation: "nonsense"}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
}
