package addons

import (
	"bytes"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/klient/decoder"
	"sigs.k8s.io/e2e-framework/klient/k8s"

	"github.com/podidentity/epi/clusters"
	"github.com/podidentity/epi/manifests"
)

func decode[T k8s.Object](t *testing.T, objects []k8s.Object) T {
	t.Helper()
	for _, object := range objects {
		if found, ok := object.(T); ok {
			return found
		}
	}
	t.Fatalf("no %T in the manifests", *new(T))
	panic("unreachable")
}

func TestAgentManifestTakesWhatTheRunDecides(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Agent, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := decode[*appsv1.DaemonSet](t, objects)
	if set.Namespace != clusters.AgentNamespace || set.Name != clusters.AgentName {
		t.Errorf("agent is %s/%s", set.Namespace, set.Name)
	}
	agent := Agent{Subject: Subject{Image: "agent:1"}, ClusterName: "blue", Region: "eu-west-1", Endpoint: "http://auth"}
	if err := agent.edit(set); err != nil {
		t.Fatal(err)
	}
	pod := set.Spec.Template.Spec
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		if container.Image != "agent:1" {
			t.Errorf("container %s runs %s", container.Name, container.Image)
		}
	}
	args := pod.Containers[0].Args
	for _, pair := range [][]string{{"--cluster-name", "blue"}, {"--endpoint", "http://auth"}} {
		if at := slices.Index(args, pair[0]); at < 0 || args[at+1] != pair[1] {
			t.Errorf("arguments %q lack %q", args, pair)
		}
	}
	if !slices.Contains(pod.Containers[0].Env, corev1.EnvVar{Name: "AWS_REGION", Value: "eu-west-1"}) {
		t.Errorf("environment %v lacks the region", pod.Containers[0].Env)
	}
	// CATALOGUE OPS-05: every node, host network, system-node-critical.
	if !pod.HostNetwork || pod.PriorityClassName != "system-node-critical" || pod.Tolerations[0].Operator != corev1.TolerationOpExists {
		t.Errorf("agent would not run on every node: %+v", pod)
	}
}

func TestWebhookManifestTakesWhatTheRunDecides(t *testing.T) {
	objects, err := decoder.DecodeAllFiles(t.Context(), manifests.Webhook, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	webhook := Webhook{Subject: Subject{Image: "webhook:1"}, SyncImage: "emulator:1", ControlURL: "http://control", ClusterName: "blue", Region: "eu-west-1"}
	bundle := []byte("certificate")
	for _, object := range objects {
		if err := webhook.edit(object, bundle); err != nil {
			t.Fatal(err)
		}
	}
	pod := decode[*appsv1.Deployment](t, objects).Spec.Template.Spec
	if pod.InitContainers[0].Image != "emulator:1" || pod.Containers[0].Image != "webhook:1" {
		t.Errorf("images %s and %s", pod.InitContainers[0].Image, pod.Containers[0].Image)
	}
	if args := pod.Containers[0].Args; !slices.Contains(args, "--aws-default-region=eu-west-1") {
		t.Errorf("arguments %q lack the region", args)
	}
	if args := pod.InitContainers[0].Args; !slices.Contains(args, "http://control") || !slices.Contains(args, "blue") {
		t.Errorf("sidecar arguments %q lack the control API or the cluster", args)
	}
	config := decode[*admissionv1.MutatingWebhookConfiguration](t, objects)
	for _, hook := range config.Webhooks {
		if !bytes.Equal(hook.ClientConfig.CABundle, bundle) {
			t.Errorf("webhook %s does not trust the certificate", hook.Name)
		}
		if *hook.FailurePolicy != admissionv1.Ignore {
			t.Errorf("webhook %s: failure policy %s, EKS uses Ignore", hook.Name, *hook.FailurePolicy)
		}
	}
	// The objects before the Deployment must be a Namespace and a ServiceAccount, in this order.
	if _, ok := objects[0].(*corev1.Namespace); !ok {
		t.Errorf("first object is %T, want the namespace", objects[0])
	}
}
