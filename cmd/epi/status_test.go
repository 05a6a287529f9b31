package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/health"
	"github.com/podidentity/epi/clusters/kind"
)

// existingCluster records an environment of a user's cluster that answers with a status.
func existingCluster(t *testing.T, status int) (stateDir string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/readyz":
			w.WriteHeader(status)
		case strings.HasSuffix(r.URL.Path, "/nodes"):
			_, _ = w.Write([]byte(`{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"n1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}`))
		case strings.HasSuffix(r.URL.Path, "/daemonsets/eks-pod-identity-agent"):
			_, _ = w.Write([]byte(`{"kind":"DaemonSet","apiVersion":"apps/v1","status":{"numberReady":1,"desiredNumberScheduled":1},"spec":{"template":{"spec":{"containers":[{"image":"eks/agent:1"}]}}}}`))
		case strings.HasSuffix(r.URL.Path, "/mutatingwebhookconfigurations"):
			_, _ = w.Write([]byte(`{"kind":"MutatingWebhookConfigurationList","apiVersion":"admissionregistration.k8s.io/v1","items":[{"metadata":{"name":"pod-identity-webhook"},"webhooks":[{"name":"iam-for-pods.amazonaws.com"}]}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	dirs := clusters.Dirs{State: filepath.Join(t.TempDir(), "state")}
	env := &clusters.Environment{
		Provider: "existing", Name: "mine", ClusterName: "blue", Region: "eu-west-1", KubernetesVersion: "v1.36.3", Nodes: 1,
		Created: time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC), Kubeconfig: filepath.Join(dirs.State, "clusters", "mine", "kubeconfig"),
	}
	if err := clusters.SaveEnvironment(dirs, env); err != nil {
		t.Fatal(err)
	}
	kubeconfig := "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: '" + server.URL + "'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a}]\n"
	if err := os.WriteFile(env.Kubeconfig, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return dirs.State
}

func statusOf(t *testing.T, stateDir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	a := newApp(&out, &errs, func(string) (string, bool) { return "", false })
	a.now = func() time.Time { return time.Date(2026, 11, 27, 12, 30, 0, 0, time.UTC) }
	code = run(t.Context(), a, append(args, "--state-dir", stateDir, "--cache-dir", filepath.Join(stateDir, "cache")))
	return code, out.String(), errs.String()
}

func TestStatusOfAClusterOfTheUsers(t *testing.T) {
	state := existingCluster(t, http.StatusOK)
	code, stdout, stderr := statusOf(t, state, "status", "mine", "-o", "json")
	var status environmentStatus
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || code != exitHeld {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	if status.State != stateUp || !status.Healthy || status.Enter == nil || status.Enter.Kubeconfig == "" || len(status.Parts) != 4 {
		t.Errorf("%+v", status)
	}
	if code, stdout, _ := statusOf(t, state, "status", "--name", "mine"); code != exitHeld || !strings.Contains(stdout, "(2h30m)") || !strings.Contains(stdout, "export KUBECONFIG=") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
	if code, stdout, _ := statusOf(t, state, "list"); code != exitHeld || !strings.Contains(stdout, "mine  existing  up     2h30m") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

func TestStatusSaysWhatIsNotHealthy(t *testing.T) {
	state := existingCluster(t, http.StatusInternalServerError)
	code, stdout, stderr := statusOf(t, state, "status", "mine")
	if code != exitEnvironment || !strings.Contains(stdout, "is unhealthy") || !strings.Contains(stdout, "✗ API server") || !strings.Contains(stdout, "Hint: ") || stderr != "" {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := statusOf(t, state, "list"); code != exitHeld || !strings.Contains(stdout, "unhealthy") || !strings.Contains(stdout, "API server: does not answer") {
		t.Errorf("list: exit code %d:\n%s", code, stdout)
	}
}

// An interrupted up or down leaves a folder or containers, and no record.
func TestStatusOfWhatIsHalfUp(t *testing.T) {
	state := t.TempDir()
	if _, err := clusters.MakeEnvironmentDir(clusters.Dirs{State: state}, "half", kindProvider); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := statusOf(t, state, "status", "half")
	if code != exitEnvironment || !strings.Contains(stdout, "is incomplete") || !strings.Contains(stdout, "epi down --name half") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
	code, stdout, _ = statusOf(t, state, "list", "-o", "json")
	if code != exitHeld || !strings.Contains(stdout, `"state": "incomplete"`) {
		t.Errorf("list: exit code %d:\n%s", code, stdout)
	}
}

// Each command reports a record or a kubeconfig from elsewhere, or of another version, with the command that removes it.
func TestRecordsThatCannotBeUsed(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"empty":         {"environment.json": ""},
		"cut":           {"environment.json": `{"name":"a","provider":"kind","clust`},
		"other version": {"environment.json": `{"schema":"epi.environment/v9","metadata":{"name":"a"}}`},
		"list":          {"environment.json": `[]`},
		"no emulator":   {"environment.json": `{"name":"a","provider":"kind","clusterName":"../../victim"}`},
		"passwd":        {"environment.json": `{"name":"a","provider":"kind","kubeconfig":"/etc/passwd"}`},
		"no kubeconfig": {"environment.json": `{"name":"a","provider":"kind"}`, "kubeconfig": ""},
		"half a kubeconfig": {
			"environment.json": `{"name":"a","provider":"kind","control":{"url":"http://127.0.0.1:1","token":"t"}}`, "kubeconfig": "apiVersion: v1\nkind: Conf",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			dir, err := clusters.MakeEnvironmentDir(clusters.Dirs{State: state}, "a", kindProvider)
			if err != nil {
				t.Fatal(err)
			}
			for file, content := range files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{{"status", "a"}, {"list"}, {"logs", "--name", "a"}, {"test", "--name", "a", "--label-filter", "INJ-01"}, {"bench", "--name", "a", "--scenario", "warm"}} {
				code, stdout, stderr := statusOf(t, state, args...)
				said := stdout + stderr
				if want := map[bool]int{true: exitHeld, false: exitEnvironment}[args[0] == "list"]; code != want {
					t.Errorf("%q: exit code %d, want %d:\n%s", args, code, want, said)
				}
				if args[0] != "list" && !strings.Contains(strings.Join(strings.Fields(said), " "), "epi down --name a") && !strings.Contains(said, "epi status --name a") {
					t.Errorf("%q: no remedy:\n%s", args, said)
				}
				for _, word := range []string{"panic", "Go value", "Go struct", "unmarshal", "strict decoding"} {
					if strings.Contains(said, word) {
						t.Errorf("%q: Go's own words %q:\n%s", args, word, said)
					}
				}
			}
		})
	}
}

func TestContainersThatDoNotRun(t *testing.T) {
	parts := containerParts([]kind.Container{{Name: "a", Role: kind.RoleNode, State: "running"}, {Name: "b", Role: kind.RoleNode, State: "paused", Since: "Up 2 minutes (Paused)"}}, 3)
	want := []health.Part{{Name: "container b", State: "Up 2 minutes (Paused)"}, {Name: "containers", State: "1 emulator is gone"}, {Name: "containers", State: "1 node is gone"}}
	if len(parts) != len(want) {
		t.Fatalf("%+v", parts)
	}
	for i := range want {
		if parts[i] != want[i] {
			t.Errorf("%+v, want %+v", parts[i], want[i])
		}
	}
	if parts := containerParts([]kind.Container{{Role: kind.RoleNode, State: "running"}, {Role: kind.RoleEmulator, State: "running"}}, 1); len(parts) != 0 {
		t.Errorf("%+v", parts)
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 150 * time.Minute: "2h30m", 49 * time.Hour: "2d1h"} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// epi aws returns a shell's exit code if the command cannot be run.
func TestCommandsThatCannotBeRun(t *testing.T) {
	state := existingCluster(t, http.StatusOK)
	dir := t.TempDir()
	plain, script, folder := filepath.Join(dir, "plain"), filepath.Join(dir, "script"), filepath.Join(dir, "folder")
	for name, mode := range map[string]os.FileMode{plain: 0o600, script: 0o700} {
		if err := os.WriteFile(name, []byte("#!/nosuch/interpreter\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	noHeader := filepath.Join(dir, "no-header")
	if err := os.WriteFile(noHeader, []byte("\x01\x02"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for command, want := range map[string]int{
		"nosuch": exitNotFound, filepath.Join(dir, "gone"): exitNotFound, "./gone": exitNotFound,
		"plain": exitCannotExecute, plain: exitCannotExecute, script: exitCannotExecute, folder: exitCannotExecute, noHeader: exitCannotExecute,
	} {
		code, stdout, stderr := statusOf(t, state, "aws", "--name", "mine", "--state-dir", state, "--", command)
		if code != want || !strings.HasPrefix(stderr, "Error: run ") || stdout != "" {
			t.Errorf("%s: exit code %d, want %d:\n%s", command, code, want, stderr)
		}
	}
}
