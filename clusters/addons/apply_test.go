package addons

import (
	"slices"
	"testing"

	"github.com/podidentity/epi/clusters"
)

// TestConfigurationValues: the values of the add-on's schema (DescribeAddonConfiguration of eks-pod-identity-agent) reaches
// the DaemonSet.
func TestConfigurationValues(t *testing.T) {
	agent := Agent{Subject: Subject{Image: "agent:1"}, ClusterName: "blue", Region: "us-east-1"}
	plain, err := agent.daemonSet(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := agent.daemonSet(t.Context(), `
tolerations: [{key: a, operator: Exists}]
podLabels: {team: blue, app.kubernetes.io/name: other}
podAnnotations: {note: x}
priorityClassName: high
resources: {requests: {cpu: 10m}}
agent: {additionalArgs: {"-b": "169.254.170.23", "--v": 4}}
updateStrategy: {type: OnDelete}
affinity: {nodeAffinity: {}}
`)
	if err != nil {
		t.Fatal(err)
	}
	spec := set.Spec.Template.Spec
	labels := set.Spec.Template.Labels
	switch container := spec.Containers[0]; {
	case len(spec.Tolerations) != 1 || spec.Tolerations[0].Key != "a", spec.PriorityClassName != "high", spec.Affinity == nil, spec.Affinity != nil && spec.Affinity.NodeAffinity == nil:
		t.Errorf("pod %+v", spec)
	case labels["team"] != "blue" || labels["app.kubernetes.io/name"] != clusters.AgentName || set.Spec.Template.Annotations["note"] != "x":
		t.Errorf("labels %v, annotations %v", labels, set.Spec.Template.Annotations)
	case container.Resources.Requests.Cpu().String() != "10m":
		t.Errorf("resources %+v", container.Resources)
	case !slices.Equal(container.Args[len(container.Args)-4:], []string{"--v", "4", "-b", "169.254.170.23"}):
		t.Errorf("arguments %q", container.Args)
	case string(set.Spec.UpdateStrategy.Type) != "OnDelete":
		t.Errorf("strategy %+v", set.Spec.UpdateStrategy)
	case set.Annotations[configuredAnnotation] == plain.Annotations[configuredAnnotation] || plain.Annotations[configuredAnnotation] == "":
		t.Error("both are made from the same")
	}
	for _, same := range []string{" ", "{}", "# nothing"} {
		if again, err := agent.daemonSet(t.Context(), same); err != nil || again.Annotations[configuredAnnotation] != plain.Annotations[configuredAnnotation] {
			t.Errorf("%q: %v", same, err)
		}
	}
	for _, bad := range []string{"[]", "unknown: 1", "tolerations: x", "resources: {requests: {cpu: many}}", "{"} {
		if _, err := agent.daemonSet(t.Context(), bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
