package suites

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/clusters/emulator/control"
	"github.com/podidentity/epi/reports"
)

// Secrets that must not be revealed, in all possible forms. None of them is real.
const (
	plantedToken   = "eyJhbGciOiJSUzI1NiIsImtpZCI6InBsYW50ZWQifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6bnM6YXBwIn0.cGxhbnRlZC1zaWduYXR1cmUtcGxhbnRlZC1zaWduYXR1cmU"
	plantedSecret  = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYx1"
	plantedSession = "IQoJb3JpZ2luX2VjEPLANTEDSESSION1234567890abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghij"
)

// planted are the secrets, and parts of them that are enough to count as one.
func planted() []string {
	parts := strings.Split(plantedToken, ".")
	return []string{plantedToken, parts[1], parts[2], plantedSecret, plantedSession, plantedSession[:60]}
}

// leakyCluster is an API server whose pods, events and logs contain every secret, and an emulator whose journal does.
func leakyCluster(t *testing.T, namespace string) *httptest.Server {
	t.Helper()
	leaks := "Authorization: " + plantedToken + " {\"SecretAccessKey\":\"" + plantedSecret + "\",\"Token\":\"" + plantedSession + "\"}"
	answers := map[string]any{
		"/api/v1/namespaces/" + namespace + "/pods": corev1.PodList{Items: []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe", Annotations: map[string]string{"leak": leaks}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Env: []corev1.EnvVar{
				{Name: "TOKEN", Value: plantedToken}, {Name: "AWS_SECRET_ACCESS_KEY", Value: plantedSecret}, {Name: "AWS_SESSION_TOKEN", Value: plantedSession},
			}}}},
		}}},
		"/api/v1/namespaces/" + namespace + "/events": corev1.EventList{Items: []corev1.Event{{Reason: "Failed", Message: leaks}}},
		"/v1/calls": control.Calls{Calls: []control.Call{{Time: time.Now(), Service: "eks-auth", Subject: "epi/" + namespace + "/app/probe", Status: http.StatusBadRequest, Decision: leaks}}},
	}
	for _, subject := range []struct{ namespace, pod string }{{clusters.AgentNamespace, "agent"}, {clusters.WebhookNamespace, "webhook"}} {
		answers["/api/v1/namespaces/"+subject.namespace+"/pods"] = corev1.PodList{Items: []corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Namespace: subject.namespace, Name: subject.pod}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}},
		}}}
		var log strings.Builder
		// A secret at every place where a line may be cut.
		for before := 200; before < 420; before += 7 {
			log.WriteString("namespace=" + namespace + " " + strings.Repeat(".", before) + " " + leaks + "\n")
		}
		answers["/api/v1/namespaces/"+subject.namespace+"/pods/"+subject.pod+"/log"] = log.String()
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if text, ok := answer.(string); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server
}

// No report and no file of evidence contains a secret, for any pods, events and logs.
func TestEvidenceHasNoSecret(t *testing.T) {
	const namespace = "epi-ns-1"
	server := leakyCluster(t, namespace)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(strings.ReplaceAll(goneCluster, "http://127.0.0.1:1", server.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	order, err := json.Marshal(payload{Run: "test", Artifacts: dir, Environment: &clusters.Environment{
		Name: "epi", Region: "us-west-2", Kubeconfig: kubeconfig, Capabilities: []clusters.Capability{clusters.EmulatorControl},
		AWS:     clusters.AWS{EndpointURL: server.URL, AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"},
		Control: &clusters.Control{URL: server.URL},
	}})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := openHarness(order)
	if err != nil {
		t.Fatal(err)
	}
	opened.(*harness).env.Entered(namespace)
	record := reports.Spec{
		Suite: "injection", Name: "The webhook leaks", Requirements: []string{"INJ-01"}, Outcome: reports.Fail,
		Started: time.Now().Add(-time.Minute), Failure: &reports.Failure{Message: "got " + plantedToken},
	}
	record.Evidence = opened.Collect(t.Context(), record)
	if record.Evidence == nil || record.Evidence.Dir != "specs/INJ-01-the-webhook-leaks" {
		t.Fatalf("evidence %+v", record.Evidence)
	}
	said := map[string]string{}
	for _, excerpt := range record.Evidence.Excerpts {
		said[excerpt.Title] = excerpt.Text
	}
	for _, title := range []string{"Pod probe", "Events", "Agent", "Webhook", "AWS emulator"} {
		if !strings.Contains(said[title], "redacted") {
			t.Errorf("%s: nothing was redacted, so nothing was tested: %q", title, said[title])
		}
	}
	recorder, err := reports.NewRecorder(dir, reports.Run{ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := recorder.Add(record); err != nil {
		t.Fatal(err)
	}
	findings, err := recorder.Finish(false)
	if err != nil {
		t.Fatal(err)
	}
	var summary strings.Builder
	if err := reports.WriteSummary(&summary, findings, reports.SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	checked := 0
	check := func(where, text string) {
		checked++
		for _, secret := range planted() {
			if strings.Contains(text, secret) {
				t.Errorf("%s reveals %s…", where, secret[:12])
			}
		}
	}
	check("the summary", summary.String())
	for _, excerpt := range record.Evidence.Excerpts {
		check("the excerpt "+excerpt.Title, excerpt.Text)
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		check(filepath.Base(path), string(data))
		return err
	})
	if err != nil || checked < 14 {
		t.Errorf("%d texts checked, error %v", checked, err)
	}
}
